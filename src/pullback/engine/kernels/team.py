"""How a job is shared between threads: the loops of who asks and of who serves.

A job is a kernel, its arguments, and one part or as many as the team has threads. Jobs that do not
need each other's results are done as a group. The words in which threads meet lie on cache lines
of their own. Part 0 is the asker's. Every other part belongs to a thread, which spins until there
is one; but whoever marks it first does it, so that a thread that sleeps, or that the machine has
taken away, holds up nobody. Who does a part changes nothing in its result.
"""

from __future__ import annotations

from typing import Any

from numba import njit, types

from pullback.engine.kernels.native import (
    call_getter,
    call_kernel,
    call_setter,
    load,
    relax,
    store,
    swap,
)

LINE = 64
"""Bytes of a cache line."""
BUSY, NUMBER, STOP, GATE, OWN = (LINE * i for i in range(5))
"""Offsets: whether somebody asks, the job's number, whether all is over, BLAS, threads' lines."""
USERS, BEFORE = (GATE + 8 * i for i in range(1, 3))
"""Offsets: how many use BLAS one thread each, and how many threads it had before they came."""
ROWS, COUNT = (NUMBER + 8 * i for i in range(1, 3))
"""Offsets: the rows of the jobs that are done together, and how many they are."""
ROW = 32
"""Bytes of a job's row: its kernel, its arguments, its parts, and how many rows from here on are a
group."""
TAKEN, DONE, ASLEEP = (8 * i for i in range(3))
"""Offsets within a thread's own line, from ``OWN``: last job taken, last done, and whether
it sleeps. ``OWN + LINE * part`` is the line of the thread that has this part."""

ASK = types.int64(*(types.int64,) * 6)
SERVE = types.void(*(types.int64,) * 3)


@njit(inline="always")
def _take(box: Any, part: Any, job: Any) -> Any:
    own = box + OWN + LINE * part
    taken = load(own + TAKEN)
    return taken < job and swap(own + TAKEN, taken, job)


def ask(box: Any, jobs: Any, count: Any, get_threads: Any, set_threads: Any, halt: Any) -> Any:
    """Do jobs one after another; return how many times two, and 1 more to wake a thread.

    ``jobs`` is the address of their rows. ``get_threads`` and ``set_threads`` are those of BLAS, of
    which each part is then one thread, or 0 for jobs without it. A job that writes 1 to the address
    ``halt`` is the last one (0: there is no such place).
    """
    if get_threads:
        _enter(box, get_threads, set_threads)
    # another thread that asks at the same time does its parts itself
    shared = swap(box + BUSY, 0, 1)
    wake = False
    done = 0
    while done < count and not (halt and load(halt)):
        rows = jobs + ROW * done
        group, parts = load(rows + 24), 1
        for i in range(group):
            parts = max(parts, load(rows + ROW * i + 16))
        if shared and parts > 1:
            wake = _share(box, rows, group, parts) or wake
        else:
            for part in range(parts):
                _do(rows, group, part)
        done += group
    if shared:
        store(box + BUSY, 0)
    if get_threads:
        _leave(box, set_threads)
    return 2 * done + wake


@njit(inline="always")
def _enter(box: Any, get_threads: Any, set_threads: Any) -> None:
    """Let BLAS have one thread, for as long as anybody needs that."""
    while not swap(box + GATE, 0, 1):
        relax()
    users = load(box + USERS)
    if users == 0:
        store(box + BEFORE, call_getter(get_threads))
        call_setter(set_threads, 1)
    store(box + USERS, users + 1)
    store(box + GATE, 0)


@njit(inline="always")
def _leave(box: Any, set_threads: Any) -> None:
    while not swap(box + GATE, 0, 1):
        relax()
    users = load(box + USERS) - 1
    store(box + USERS, users)
    if users == 0:
        call_setter(set_threads, load(box + BEFORE))
    store(box + GATE, 0)


@njit(inline="always")
def _do(rows: Any, count: Any, part: Any) -> None:
    for i in range(count):
        row = rows + ROW * i
        parts = load(row + 16)
        if part < parts:
            call_kernel(load(row), load(row + 8), part, parts)


@njit(inline="always")
def _share(box: Any, rows: Any, count: Any, parts: Any) -> Any:
    job = load(box + NUMBER) + 1
    store(box + ROWS, rows)
    store(box + COUNT, count)
    store(box + NUMBER, job)
    _do(rows, count, 0)
    sleeper = False
    for part in range(1, parts):
        if _take(box, part, job):
            _do(rows, count, part)
            store(box + OWN + LINE * part + DONE, job)
            sleeper = sleeper or load(box + OWN + LINE * part + ASLEEP) != 0
    for part in range(1, parts):
        while load(box + OWN + LINE * part + DONE) != job:
            relax()
    return sleeper


def serve(box: Any, part: Any, patience: Any) -> Any:
    """Do this part of every job, until none has come for ``patience`` looks."""
    own = box + OWN + LINE * part
    seen = load(own + TAKEN)
    looks = 0
    while looks < patience and not load(box + STOP):
        job = load(box + NUMBER)
        if job == seen:
            relax()
            looks += 1
            continue
        seen, looks = job, 0
        if _take(box, part, job):
            _do(load(box + ROWS), load(box + COUNT), part)
            store(own + DONE, job)
