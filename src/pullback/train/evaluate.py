"""The loss and the metrics of a network on a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pullback.core.context import Context
from pullback.core.map import Map
from pullback.core.spec import Specs
from pullback.core.theta import Theta
from pullback.data.batches import Batches
from pullback.engine import lower_loss
from pullback.losses.base import Loss, term_weights
from pullback.train.metrics import Metric, Tally

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
) -> dict[str, Any]:
    """Return ``{"loss": ..., metric: ...}`` over all examples of ``batches``."""
    ctx, loss = Context(state=state), lower_loss(loss)
    tally: Tally | None = None
    count = len(batches.dataset)
    rows = np.arange(count)
    with batches.ahead(rows):
        for start in range(0, count, batches.batch_size):
            x, target, weight = batches.gather(rows[start : start + batches.batch_size])
            y, _ = net.forward(theta, x, ctx)
            values, _ = loss.forward(y, target)
            if tally is None:
                tally = Tally(metrics, y.shape[-1] if y.ndim > 1 else 1, y.dtype.name)
            tally.add(values, y, target, weight, term_weights(loss, target, weight))
    return tally.results(prefix) if tally else {}
