"""A step that has been seen is done again from its jobs alone.

Where a network and its loss consist of jobs, forward, error and backward of a batch are always the
same jobs on the same buffers, in the same order. The first batch runs as it is written; the jobs
are recorded, and the following batches, which lie in the same buffers, run them without Python
between.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from typing import Any

import numpy as np

from pullback.core.map import Map
from pullback.engine.lower import consists_of_jobs
from pullback.engine.team import Recording, team
from pullback.losses.base import Loss


class Replay:
    """A function ``(net, loss, p, x, target, gradient, ctx, ...)``, replayed on the same arrays."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._last: tuple[Any, ...] = ()
        self._recorded: tuple[Any, ...] = ()
        self._recording: Recording | None = None
        self._found: Any = None

    def __call__(
        self, net: Map, loss: Loss, p: Any, x: Any, target: Any, gradient: Any, ctx: Any,
        *, weight: Any, total: float, accumulate: bool,
    ) -> Any:  # fmt: skip
        """Return what the function returns, in the same arrays every time."""
        # a part of a batch, or one with weights, is not the same every time
        whole = weight is None and not accumulate and len(target) == len(x)
        # with padding, what an example counts differs; other dtypes are copied every time
        whole = whole and target.dtype == np.int64 and total == target.size
        arrays: tuple[Any, ...] = (p, x, target, gradient) if whole else ()
        if self._recording is not None and _same(arrays, self._recorded):
            self._recording()
            return self._found
        again, self._last = _same(arrays, self._last), arrays
        with Recording(team(), again) as recording:
            found = self._function(
                net, loss, p, x, target, gradient, ctx,
                weight=weight, total=total, accumulate=accumulate,
            )  # fmt: skip
        if recording.sound:
            self._recorded, self._recording, self._found = arrays, recording, found
        return found


def _same(arrays: tuple[Any, ...], others: tuple[Any, ...]) -> bool:
    return bool(arrays) and len(arrays) == len(others) and all(map(is_, arrays, others))


def replayed(function: Callable[..., Any], net: Map, loss: Loss) -> Callable[..., Any]:
    """Return ``function`` replayed where ``net`` and ``loss`` consist of jobs, else itself."""
    if consists_of_jobs(net) and getattr(loss, "jobs_only", False):
        return Replay(function)
    return function
