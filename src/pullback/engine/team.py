"""The threads that kernels run on: one team a process, and jobs for it."""

from __future__ import annotations

import atexit
import os
import threading
from dataclasses import dataclass
from functools import cache
from operator import is_
from typing import Any, NoReturn

import numpy as np
from threadpoolctl import threadpool_limits

from pullback.core.errors import ConfigError
from pullback.engine.blas import find_blas

WORTH_SHARING = 10_000
"""Multiply-adds, or the like, for each further thread: less is done before it has heard of it."""
PATIENCE = 40_000
"""Looks, of some 25 ns each, after which a thread without work goes to sleep."""


class Team:
    """As many threads as there are to be parts of a job, the caller's among them."""

    def __init__(self, threads: int) -> None:
        from pullback.engine.kernels import compiled, team

        self.threads = threads
        self._layout = team
        size = team.OWN + team.LINE * threads
        # one line more, so that the first can begin where the processor's do
        self._memory = np.zeros(size + team.LINE, np.uint8)
        start = -self._memory.ctypes.data % team.LINE
        self._words = self._memory[start : start + size].view(np.int64)
        self.box = self._words.ctypes.data
        self._ask = compiled.function(team.ASK, team.ask)
        self._serve = compiled.function(team.SERVE, team.serve)
        self._called = [threading.Event() for _ in range(1, threads)]
        self._helpers = [
            threading.Thread(target=self._help, args=(part,), name="pullback", daemon=True)
            for part in range(1, threads)
        ]
        for helper in self._helpers:
            helper.start()
        # before the machine code is taken away from under them
        atexit.register(self.close)

    def _help(self, part: int) -> None:
        layout, called = self._layout, self._called[part - 1]
        asleep = (layout.OWN + layout.LINE * part + layout.ASLEEP) // 8
        while not self._words[layout.STOP // 8]:
            self._serve(self.box, part, PATIENCE)
            self._words[asleep] = 1
            called.wait()
            called.clear()
            self._words[asleep] = 0

    def parts(self, work: int) -> int:
        """Return how many parts a job of so many multiply-adds, or the like, has: one, or all."""
        return self.threads if work >= WORTH_SHARING * (self.threads - 1) else 1

    def do(self, jobs: int, count: int, blas: tuple[int, int], halt: int = 0) -> int:
        """Do ``count`` jobs, whose rows lie at the address ``jobs``; return how many were done.

        They end early after one that writes 1 to the address ``halt``.
        """
        found: int = self._ask(self.box, jobs, count, *blas, halt)
        if found & 1:
            self._wake()
        return found >> 1

    def _wake(self) -> None:
        for called in self._called:
            called.set()

    def close(self) -> None:
        """End the other threads; what is asked afterwards is done by the caller alone."""
        self._words[self._layout.STOP // 8] = 1
        self._wake()
        for helper in self._helpers:
            helper.join()


def default_threads() -> int:
    """Return ``OMP_NUM_THREADS`` where it is set, else the processors this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def blas_threads() -> tuple[int, int]:
    """Return the functions that tell and set the number of BLAS's threads, or zeros."""
    blas = find_blas()
    return (blas.get_threads, blas.set_threads) if blas else (0, 0)


_teams: list[Team] = []
_founding = threading.Lock()


def team() -> Team:
    """Return the team of this process."""
    if not _teams:
        with _founding:
            if not _teams:
                _teams.append(Team(default_threads()))
    return _teams[-1]


def set_threads(count: int) -> None:
    """Compute with ``count`` threads from now on: the kernels' and those of BLAS.

    At first there are as many as ``OMP_NUM_THREADS`` says, or else as processors that the process
    may use. Networks that are lowered already keep theirs. A sum is divided among the threads, so
    that another number of them changes its last digits.

    Raises:
        ConfigError: ``count`` is not a whole number of at least 1.
    """
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ConfigError(f"threads={count!r}; expected a whole number of at least 1")
    threadpool_limits(count, user_api="blas")
    if team().threads != count:
        team().close()
        _teams[:] = [Team(count)]


class Job:
    """A kernel with its arguments, to be done again and again.

    A kernel's arguments are 64-bit words: first the count of examples, then sizes, then numbers,
    then the addresses of arrays.

    Args:
        kernel: a function of ``pullback.engine.kernels``.
        dtype: of its floating-point arrays.
        sizes: whole numbers that stay.
        numbers: how many floating-point numbers follow, set through ``numbers``.
        arrays: how many arrays a call gives.
        work: multiply-adds, or the like, for each example: little work is not worth sharing.
        blas: whether the kernel calls BLAS.
        independent: whether it neither needs nor changes what other such jobs beside it do, so
            that nobody has to wait between them.
    """

    def __init__(
        self,
        kernel: Any,
        dtype: str,
        arrays: int,
        sizes: tuple[int, ...] = (),
        numbers: int = 0,
        work: int = 0,
        blas: bool = False,
        independent: bool = False,
    ) -> None:
        from pullback.engine.kernels import compiled

        self.team, self.kernel, self.dtype = team(), kernel, dtype
        self.code = compiled.address(kernel, dtype)
        self._dtype = np.dtype(dtype)
        first = 1 + len(sizes) + numbers
        self._words = np.zeros(first + arrays, np.int64)
        self._words[1 : 1 + len(sizes)] = sizes
        self.sizes = sizes
        self.numbers = self._words[1 + len(sizes) : first].view(np.float64)
        self._addresses = self._words[first:]
        self.first_number, self.first_array = 1 + len(sizes), first
        self._given: tuple[Any, ...] = (None,) * arrays
        self._kept: list[Any] = []
        self._count, self._work = -1, work
        self.parts = 1
        self._blas = blas_threads() if blas else (0, 0)
        self._row = np.array([self.code, self._words.ctypes.data, 1, 1], np.int64)
        self.independent = independent
        self._at = self._row.ctypes.data

    def __call__(self, count: int, *arrays: Any) -> None:
        """Do it for ``count`` examples and these arrays; None for one that is not there."""
        if not all(map(is_, arrays, self._given)):
            self._bind(arrays)
        if count != self._count:
            self._words[0] = self._count = count
            self.parts = self._row[2] = self.team.parts(count * self._work)
        self.team.do(self._at, 1, self._blas)
        if _here.recording is not None:
            _here.recording.add(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a job holds addresses of this process; it cannot be copied or pickled")

    def _bind(self, arrays: tuple[Any, ...]) -> None:
        given: list[Any] = []
        self._kept = []
        for i, array in enumerate(arrays):
            if array is None:
                given.append(None)
                self._addresses[i] = 0
                continue
            if array.dtype.kind == "f" and array.dtype != self._dtype:
                raise TypeError(f"a job for {self._dtype} numbers was given {array.dtype} ones")
            plain = np.ascontiguousarray(array)
            # a copy holds what the array was this time only: never to be found again
            given.append(array if plain is array else object())
            self._kept.append(plain)
            self._addresses[i] = plain.ctypes.data
        self._given = tuple(given)

    def snapshot(self) -> tuple[np.ndarray, np.ndarray, list[Any]]:
        """Return its row and its words as they stand, and the arrays they point to.

        Raises:
            NotReplayable: an array had to be copied for the kernel, and will have to be again.
        """
        if any(given is not kept for given, kept in zip(self._there(), self._kept, strict=True)):
            raise NotReplayable
        return self._row.copy(), self._words.copy(), list(self._kept)

    def _there(self) -> list[Any]:
        return [array for array in self._given if array is not None]


class NotReplayable(Exception):
    """Jobs that would not do the same again."""


@dataclass(frozen=True)
class Done:
    """A job that has been done: its row and words at that time; ``kept`` are its arrays."""

    job: Job
    row: np.ndarray
    words: np.ndarray
    kept: list[Any]


class Recording:
    """Jobs in the order in which they were done, to be done again without Python between.

    Args:
        wanted: False records nothing.
    """

    def __init__(self, team: Team, wanted: bool) -> None:
        self._team, self.sound = team, wanted
        self.done: list[Done] = []

    def __enter__(self) -> Recording:
        self._outer = _here.recording
        if self.sound:
            _here.recording = self
        return self

    def __exit__(self, *error: object) -> None:
        _here.recording = self._outer
        self._group()
        rows = [(each.row[0], each.words.ctypes.data, *each.row[2:]) for each in self.done]
        self._table = np.array(rows, np.int64).reshape(-1, 4)
        self._at = self._table.ctypes.data

    def _group(self) -> None:
        """Write into the first of independent jobs in a row how many they are."""
        first = 0
        for i, each in enumerate(self.done):
            if i > first and each.job.independent and self.done[first].job.independent:
                self.done[first].row[3] += 1
            else:
                first = i

    def add(self, job: Job) -> None:
        """Take a job into the list."""
        if job.team is not self._team:  # since the number of threads was set anew
            self.sound = False
        try:
            self.done.append(Done(job, *job.snapshot()))
        except NotReplayable:
            self.sound = False

    def __call__(self) -> None:
        """Do all jobs again, on the same arrays."""
        self._team.do(self._at, len(self._table), blas_threads())


def not_replayable() -> None:
    """Say, where jobs are being recorded, that something is done beside them."""
    if _here.recording is not None:
        _here.recording.sound = False


class _Here(threading.local):
    """What belongs to each of Python's threads."""

    recording: Recording | None = None


_here = _Here()
