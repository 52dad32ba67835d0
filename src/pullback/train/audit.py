"""The audit: now and then, a few derivatives of the training that is under way, checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from pullback.check.report import GradientError
from pullback.core.context import Context
from pullback.core.random import generator
from pullback.core.theta import Theta
from pullback.engine import Device
from pullback.losses.base import Loss
from pullback.losses.gradient import forward_error_backward
from pullback.train.receipt import Point
from pullback.train.step import Learner, Step

EXAMPLES = 4
COORDINATES = 2
BOUND = 1e-6
"""Of a derivative in float64."""
KERNELS = {"float32": 1e-2, "float64": 1e-9}
"""Of the lowered maps' gradient, by dtype. In float32 an example may lie on the other side of a
kink than in float64, which changes its share of the gradient by more than rounding."""
TEXT = {
    "derivative": "step {step}: the gradient by {name} is not that of the loss (relative error "
    "{error:.1e}, expected at most {bound:.0e}); find the map with 'pullback check'",
    "kernel": "step {step}: the gradient of the maps that train is not that of their reference "
    "form (relative error {error:.1e}, expected at most {bound:.0e}); train in float64, or on "
    "smaller numbers",
    "direction": "a direction through all parameters",
}


def audit(
    step: Step, loss: Loss, learner: Learner, x: Any, target: Any, weight: Any, device: Device
) -> float:
    """Check the gradient of a few examples of a batch in two ways; return the worst error.

    The reference form's gradient in float64, along two parameters and one direction through all of
    them, drawn by the step, against the complex step (or differences). And the gradient of the maps
    that train, in their dtype, against that.

    Args:
        step: the step that trains.
        loss: its loss in reference form.
        learner: where it stands.
        x, target, weight: a batch; its first examples are used.
        device: where its arrays are.

    Raises:
        GradientError: an error is above its bound; the step and the parameter are named.
    """
    x, target = x[:EXAMPLES], target[:EXAMPLES]
    weight = None if weight is None else weight[:EXAMPLES]
    ctx = Context(True, step.seed, learner.step, state=learner.state)
    point = Point.of(
        step.reference,
        loss,
        device.host_theta(learner.theta),
        device.host(x),
        device.host(target),
        ctx._replace(state=device.host(learner.state)),
        device.host(weight),
    )
    gradient, _ = point.backward()
    worst = _derivatives(point, gradient, learner.step)
    fast = learner.theta.copy()
    forward_error_backward(step.net, step.loss, learner.theta, x, target, fast, ctx, weight=weight)
    fast = device.host_theta(fast)
    error = _relative(float(np.linalg.norm(fast.flat - gradient.flat)), gradient.flat)
    bound = KERNELS[str(fast.flat.dtype)]
    if not error <= bound:
        raise GradientError(TEXT["kernel"].format(step=learner.step, error=error, bound=bound))
    return worst


def _derivatives(point: Point, gradient: Theta, step: int) -> float:
    """Return the worst error of a few derivatives; each relative to it, or to a usual one."""
    g, worst = gradient.flat, 0.0
    usual = float(np.linalg.norm(g)) / max(1.0, g.size**0.5)
    for name, d in _directions(gradient, generator(point.ctx.seed, "audit", step=step)):
        right, found = _derivative(point, d), float(d @ g)
        error = abs(found - right) / (max(abs(right), usual) or 1.0)
        if not error <= BOUND:
            raise GradientError(
                TEXT["derivative"].format(step=step, name=name, error=error, bound=BOUND)
            )
        worst = max(worst, error)
    return worst


def _directions(gradient: Theta, rng: np.random.Generator) -> list[tuple[str, np.ndarray]]:
    size, entries = gradient.flat.size, gradient.layout.entries
    if not size:
        return []
    found = []
    for place in rng.integers(0, size, COORDINATES):
        unit = np.zeros(size)
        unit[place] = 1.0
        found.append((next(e.name for e in entries if e.start <= place < e.stop), unit))
    d = rng.standard_normal(size)
    return [*found, (TEXT["direction"], d / np.linalg.norm(d))]


def _derivative(point: Point, dp: np.ndarray) -> float:
    still = np.zeros_like(point.x)
    try:
        return point.by_complex_step(still, dp)
    except Exception:  # what the code cannot do with complex numbers it may do with real ones
        return point.by_differences(still, dp)


def _relative(gap: float, right: np.ndarray) -> float:
    return gap / (float(np.linalg.norm(right)) or 1.0)
