"""Outputs of a network for raw examples, in large batches."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any

import numpy as np

from pullback.core.context import Context
from pullback.core.map import Map
from pullback.core.spec import Spec
from pullback.core.theta import Theta
from pullback.data.normalize import Affine
from pullback.engine.lower import DTYPES, consists_of_jobs, lower
from pullback.engine.team import Job, Recording, team

FEW = 16
"""Examples up to which they are copied into the same place, so that the jobs can be replayed."""


class Inference:
    """A network that takes raw examples, from any thread.

    Args:
        net: the network in reference form.
        x: the spec of what enters it.
        normalizer: raw values to that.
        batch_size: the most examples at once.
    """

    def __init__(self, net: Map, x: Spec, normalizer: Affine, batch_size: int) -> None:
        self._net, self._normalizer, self._dtype = lower(net, x, batch_size), normalizer, x.dtype
        self._buffer = np.empty((batch_size, *x.shape), x.dtype)
        self._as_it_is = normalizer == Affine()
        self._bytes = self._job_of_bytes(x)
        self._lock = Lock()
        self._x = self._y = self._buffer
        # the parameters and the count of the last call, and the jobs of such a call
        self._last: tuple[Any, int] = (None, 0)
        self._recording: Recording | None = None

    def _job_of_bytes(self, x: Spec) -> Job | None:
        affine = self._normalizer
        numbers = (affine.scale, affine.shift)
        if self._dtype not in DTYPES or any(isinstance(number, tuple) for number in numbers):
            return None
        from pullback.engine.kernels.batches import gather_bytes

        job = Job(gather_bytes, self._dtype, 3, (x.size, False), numbers=2, work=x.size)
        job.numbers[:] = numbers
        self._rows = np.arange(len(self._buffer))
        return job

    def __call__(self, p: Theta, state: Mapping[str, Any], raw: np.ndarray) -> np.ndarray:
        """Return the outputs for up to ``batch_size`` raw examples."""
        with self._lock:  # of the buffers
            return self._outputs(p, state, raw).copy()

    def _outputs(self, p: Theta, state: Mapping[str, Any], raw: np.ndarray) -> np.ndarray:
        x = self._normalized(raw)
        p_before, count = self._last
        again = p is p_before and len(x) == count and x is self._x
        if again and self._recording is not None:
            self._recording()
            return self._y
        with Recording(team(), again and consists_of_jobs(self._net)) as recording:
            self._y, _ = self._net.forward(p, x, Context(state=state))
        self._last = p, len(x)
        self._recording = recording if recording.sound else None
        return self._y

    def _normalized(self, raw: np.ndarray) -> np.ndarray:
        plain = raw.flags.c_contiguous
        if plain and self._as_it_is and raw.dtype == self._dtype and len(raw) > FEW:
            return raw
        if len(raw) != len(self._x):
            self._x = self._buffer[: len(raw)]
        if plain and raw.dtype == np.uint8 and self._bytes is not None:
            self._bytes(len(raw), raw, self._rows, self._x)
            return self._x
        return self._normalizer.apply(raw, self._dtype, self._x)
