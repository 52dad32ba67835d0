"""The contract of a loss, checked."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from pullback.check import mistakes
from pullback.check.contract import EXACT, norm_of, relative
from pullback.check.hygiene import same
from pullback.check.jacobian import BOUNDS, COMPLEX, DIFFERENCES
from pullback.check.report import Finding, Report
from pullback.check.sample import directions
from pullback.core.analytic import analytic
from pullback.engine import lower_loss
from pullback.losses.base import Loss

TEXT = {
    "shape": "expected values of shape {right}, found {found}",
    "changed": "it is changed; work on a copy",
    "lowered": "the lowered form gives another result",
}


def check_loss(loss: Loss, y: np.ndarray, target: np.ndarray) -> Report:
    """Hold a loss against what the protocol asks of it, at outputs ``y`` and ``target``.

    One value an example; the whole Jacobian of ``pullback`` and of ``pushforward`` against the
    complex step (or 5-point differences); nothing given is changed; the lowered form against the
    loss itself.

    Args:
        loss: the loss.
        y: outputs ``(N, ...)``; taken in float64.
        target: what they should be, as the loss takes it.

    Raises:
        ShapeError: the loss cannot take them.

    >>> from pullback.losses import CrossEntropy
    >>> check_loss(CrossEntropy(), np.array([[0.5, -1.0]]), np.array([1])).passed
    True
    """
    y = np.array(y, np.float64)
    kept = (y.copy(), target.copy())
    values, slope = loss.forward(y, target)
    if np.shape(values) != (len(y),):
        wrong = TEXT["shape"].format(right=(len(y),), found=np.shape(values))
        finding = Finding("values", "shape", "(N,)", np.inf, note=wrong)
        return Report(type(loss).__name__, (finding,))
    method, right = _of_the_function(loss, y, target)
    found = np.array([loss.pullback(slope, g.copy()) for g in directions((len(y),))])
    pushed = [loss.pushforward(slope, dy.copy()) for dy in directions(y.shape)]
    columns = np.array(pushed).reshape(-1, len(y)).T.reshape(right.shape)
    unchanged = same(kept, (y, target))
    note = "" if unchanged else TEXT["changed"]
    return Report(
        type(loss).__name__,
        (
            _jacobian("pullback", method, found, right),
            _jacobian("pushforward", method, columns, right),
            Finding("y", "not changed", "copy", 0.0 if unchanged else np.inf, note=note),
            *_lowered(loss, y, target, values, slope),
        ),
    )


def _of_the_function(loss: Loss, y: np.ndarray, target: np.ndarray) -> tuple[str, np.ndarray]:
    def at(z: Any) -> np.ndarray:
        return np.asarray(loss.forward(z, target)[0])

    def by_complex_step(dy: np.ndarray) -> Any:
        return np.imag(at(analytic(y + 1e-30j * dy))) / 1e-30

    def by_difference(dy: np.ndarray, h: float = 1e-3) -> Any:
        near, far = at(y + h * dy) - at(y - h * dy), at(y + 2 * h * dy) - at(y - 2 * h * dy)
        return (8 * near - far) / (12 * h)

    def columns(rule: Any) -> np.ndarray:
        found = np.array([rule(dy) for dy in directions(y.shape)]).reshape(-1, len(y))
        return found.T.reshape(len(y), *y.shape)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            return COMPLEX, columns(by_complex_step)
    except Exception:  # the code cannot take complex numbers
        return DIFFERENCES, columns(by_difference)


def _jacobian(check: str, method: str, found: np.ndarray, right: np.ndarray) -> Finding:
    error, bound = relative(found, right), BOUNDS[method]
    note = "" if error <= bound else mistakes.describe(found, right, len(right), True)
    return Finding("y", check, method, error, bound, norm_of(right), note)


def _lowered(loss: Loss, y: Any, target: Any, values: Any, slope: Any) -> list[Finding]:
    fast_values, fast_slope = lower_loss(loss).forward(y, target)
    pairs = (("values", fast_values, values), ("slope", fast_slope, slope))
    return [
        Finding(
            name, "lowered form", "reference form", relative(a, b), EXACT, norm_of(b),
            "" if relative(a, b) <= EXACT else TEXT["lowered"],
        )
        for name, a, b in pairs
    ]  # fmt: skip
