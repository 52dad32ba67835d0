"""Steps as one list of jobs: many steps are taken without Python between.

Where everything in a step consists of jobs (the gathering of the batch, forward, error and
backward, the look for what is not finite, the update, the figures), a step that has been taken is
a list of jobs, which differs from that of another step in two places: the rows of the data, and the
numbers of the update. A ``Program`` records the list, repeats it, and writes those places.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from pullback.core.map import Map
from pullback.data.batches import Batches
from pullback.engine.batches import LoweredBatches
from pullback.engine.lower import DTYPES, consists_of_jobs
from pullback.engine.reduce import guard
from pullback.engine.team import Done, Job, Recording, blas_threads, team
from pullback.engine.updates import LoweredRule
from pullback.losses.base import Loss
from pullback.optim import Optimizer
from pullback.optim.base import At, Slots

MOST = 256
"""Steps at once, at most."""
SECONDS = 0.02
"""About how long Python waits, so that Ctrl-C is heard and progress seen."""


class Program:
    """The steps of a run over batches in one order.

    Args:
        batches: where the batches come from; it consists of jobs.
        optimizer: the update rule.
        slots: what it keeps.
    """

    def __init__(self, batches: LoweredBatches, optimizer: LoweredRule, slots: Slots) -> None:
        self._batches, self._optimizer, self._slots = batches, optimizer, slots
        self._gathers = batches.jobs()
        self._halt = np.zeros(1, np.int64)
        self._length = 0
        self._at_once = 1

    @property
    def known(self) -> bool:
        """Whether a step has been learned."""
        return self._length > 0

    def learn(self, step: Callable[[], None]) -> None:
        """Take one step of a whole batch as it is written, and learn it."""
        self._team = team()
        with Recording(self._team, wanted=True) as seen:
            step()
        if not seen.sound:
            return
        self._kept = [each.kept for each in seen.done]
        apart(seen.done, self._batches.batch)
        self._length = len(seen.done)
        self._table = np.empty((MOST, self._length, 4), np.int64)
        self._words: dict[Job, list[np.ndarray]] = {}
        for i, each in enumerate(seen.done):
            self._lay_out(i, each)

    def _lay_out(self, i: int, done: Done) -> None:
        """Write the place ``i`` of every step."""
        job, words = done.job, done.words
        if any(job is guard(np.dtype(dtype)) for dtype in DTYPES):
            words[job.first_array + 1] = self._halt.ctypes.data
        if job in (*self._gathers, self._optimizer.job):
            words = np.tile(words, (MOST, 1))  # each step has its own
        self._table[:, i] = done.row
        self._table[:, i, 1] = words.ctypes.data
        if words.ndim == 2:
            self._table[:, i, 1] += words.strides[0] * np.arange(MOST)
        self._words.setdefault(job, []).append(words)

    def run(self, order: np.ndarray, first: int, most: int, step: int) -> int:
        """Take up to ``most`` steps from batch ``first`` of the order; return how many were taken.

        It is fewer where the next one has a loss or a gradient that is not finite, or whose
        squares add up to more than the dtype can hold: nothing of that step counts.
        """
        count = min(most, self._at_once, MOST)
        self._write(order, first, count, step)
        began = time.perf_counter()
        self._halt[0] = 0
        done = self._team.do(
            self._table.ctypes.data, count * self._length, blas_threads(), self._halt.ctypes.data
        )
        seconds = time.perf_counter() - began
        self._at_once = max(1, min(MOST, int(SECONDS * count / max(seconds, 1e-6))))
        return done // self._length

    def _write(self, order: np.ndarray, first: int, count: int, step: int) -> None:
        size = self._batches.batch_size * order.itemsize
        places = order.ctypes.data + size * np.arange(first, first + count)
        for job in self._gathers:
            for words in self._words[job]:
                words[:count, job.first_array + 1] = places
        update, rule = self._optimizer.job, self._optimizer
        numbers = [
            rule.numbers(At(s, rule.lr_at(s, self._slots))) for s in range(step, step + count)
        ]
        for words in self._words[update]:
            view = words.view(np.float64)
            view[:count, update.first_number : update.first_array] = numbers


def apart(done: list[Done], x: np.ndarray) -> None:
    """Let each part of the batch ``x`` lie in a block of its own, where that can be.

    By rows, what one thread reads ahead belongs to another, which has then to get it back before
    it can write. The batch can lie in blocks if all who use it know that.
    """
    from pullback.engine.kernels import batches, dense, each, sparse

    products = {dense.linear_partial, sparse.sparse_partial}
    others = {
        batches.gather_bytes, batches.gather_numbers, dense.outer, sparse.sparse_outer,
        each.row_squares,
    }  # fmt: skip
    users = [it for it in done if x.ctypes.data in it.words[it.job.first_array :]]
    known = all(it.job.kernel in products | others and it.row[2] > 1 for it in users)
    if known and any(it.job.kernel in products for it in users):
        for it in users:
            it.words[it.job.first_number - 1] = True  # the last of these kernels' sizes


def program(
    net: Map, loss: Loss, batches: Batches, optimizer: Optimizer, slots: Slots
) -> Program | None:
    """Return a program to be, or None where something of a step does not consist of jobs."""
    jobs_only = consists_of_jobs(net) and getattr(loss, "jobs_only", False)
    lowered = isinstance(batches, LoweredBatches) and isinstance(optimizer, LoweredRule)
    if jobs_only and lowered and batches.jobs_only:  # type: ignore[attr-defined]
        return Program(batches, optimizer, slots)  # type: ignore[arg-type]
    return None
