"""The loss and the metrics of a network on a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pullback.core.context import Context
from pullback.core.map import Map
from pullback.core.spec import Spec, Specs
from pullback.core.theta import Theta
from pullback.data.batches import Batches
from pullback.engine import Device, lower_loss
from pullback.losses.base import Loss, term_weights
from pullback.train.metrics import Metric, Tally
from pullback.train.workers import ALONE, Workers

EVALUATION_BATCH = 1024
"""Examples at once where no gradient is needed: large enough to keep the processor busy."""
MOST_OUTPUTS, MOST_STEPS = 1 << 24, 1 << 14
"""Numbers that a network may give at once, and steps of sequences: each has many numbers inside."""


def evaluation_batch(net: Map, x: Specs) -> int:
    """Return how many examples go through a network at once where no gradient is needed."""
    outputs = max(1, sum(part.size for part in _parts(net.spec(x))))
    most: int = min(MOST_OUTPUTS // outputs, MOST_STEPS // _most_steps(net, x))
    return min(EVALUATION_BATCH, max(1, most))


def _parts(y: Specs) -> tuple[Any, ...]:
    return y if isinstance(y, tuple) else (y,)


def _most_steps(net: Map, x: Specs) -> int:
    """Return the steps of the longest sequence that a map within makes: the output may be none."""
    steps = [part.shape[0] for part in _parts(net.spec(x)) if len(part.shape) == 2]
    if children := net.children():
        inputs = net.inputs(x)  # type: ignore[attr-defined]
        steps += [_most_steps(child, inputs[name]) for name, child in children.items()]
    return max(steps, default=1)


def evaluate(
    net: Map,
    loss: Loss,
    metrics: tuple[Metric, ...],
    theta: Theta,
    state: Mapping[str, Any],
    batches: Batches,
    prefix: str = "",
    device: Device | None = None,
    here: Workers = ALONE,
) -> dict[str, Any]:
    """Return ``{"loss": ..., metric: ...}`` over all examples of ``batches``."""
    device = device or Device()
    ctx, loss = Context(state=state), lower_loss(loss) if device.compiled else loss
    tally: Tally | None = None
    rows = np.arange(len(batches.dataset))[here.part(len(batches.dataset))]
    with batches.ahead(rows):
        for start in range(0, len(rows), batches.batch_size):
            x, target, weight = batches.gather(rows[start : start + batches.batch_size])
            y, _ = net.forward(theta, device.put(x), ctx)
            values, _ = loss.forward(y, device.put(target))
            y, values = device.host(y), device.host(values)
            if tally is None:
                tally = Tally(metrics, y.shape[-1] if y.ndim > 1 else 1, y.dtype.name)
            tally.add(values, y, target, weight, term_weights(loss, target, weight))
    if here.count > 1:
        tally = tally or Tally(metrics, *_outputs(net, theta, batches))
        for sums in tally.sums:
            here.add(sums)
    return tally.results(prefix) if tally else {}


def _outputs(net: Map, theta: Theta, batches: Batches) -> tuple[int, str]:
    """Return the width and the dtype of the outputs of a worker that has no example."""
    dtype = str(theta.flat.dtype)
    y: Any = net.spec(Spec(tuple(batches.dataset.x.shape[1:]), dtype))
    return (y.shape[-1] if y.shape else 1), dtype
