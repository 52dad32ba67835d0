"""What is measured for each kind of workload."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from suite.contestants import Contestant, Fresh, Pool, Prepared, Program, job_of
from suite.peers import OURS, PEERS
from suite.quiet import pause
from suite.rounds import chosen, summary, take_turns
from suite.workloads import (
    Allocation,
    Examples,
    ExamplesMemory,
    Growth,
    Inference,
    Programs,
    Training,
    Update,
    Work,
    Workload,
)

PEAK = "peak"
ROUNDING = 1e-4
"""Relatively: what outputs and updates in float32 may differ by."""


def measure(workload: Workload, wanted: Sequence[str] | None, pool: Pool) -> dict[str, Any]:
    """Measure; return a row for each peer and what else there is to say.

    Args:
        workload: what to measure.
        wanted: the peers to compare with; all of the workload's where None.
        pool: where the workers come from.

    Raises:
        WorkerFailed: our own side failed.
        DataError: the data are not at hand.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        match workload:
            case Work():
                return _work(workload, wanted, pool, folder)
            case Programs():
                return _programs(workload, wanted, pool)
            case Allocation():
                return _allocation(workload, pool, folder)
            case ExamplesMemory():
                return _examples_memory(workload, wanted, pool, folder)
            case Growth():
                return _growth(workload, pool, folder)
    raise TypeError(workload)


def _work(workload: Work, wanted: Sequence[str] | None, pool: Pool, folder: Path) -> dict[str, Any]:
    job, peers = job_of(workload, folder), chosen(workload.peers, wanted)
    # Gradients go into new memory, which costs less where larger ones were freed before.
    purpose = workload.title if isinstance(workload, Examples) else ""

    def make(peer: str) -> Contestant:
        return Prepared(pool.get(peer, purpose), workload.kind, job)

    if isinstance(workload, Inference | Update):
        found = take_turns(peers, make, workload.rounds)
        return found.result(dict.fromkeys(peers, ROUNDING), "seconds")
    if not isinstance(workload, Training):
        found = take_turns(peers, make, workload.rounds)
        return found.result({peer: PEERS[peer].tolerance for peer in peers}, "seconds")
    # The machine's own speed changes from minute to minute: its peak is taken in every round.
    peak = Prepared(pool.get(OURS, PEAK), "peak", job)
    found = take_turns(peers, make, workload.rounds, {PEAK: peak})
    rates = [workload.multiply_adds() / turn.value for turn in found.turns[OURS]]
    peaks = [turn.outcome for turn in found.turns[PEAK]]
    shares = summary(rate / most for rate, most in zip(rates, peaks, strict=True))
    return found.result({peer: PEERS[peer].tolerance for peer in peers}, "seconds") | {
        "of_peak": {**shares, "multiply_adds_a_second": rates, "peaks": peaks}
    }


def _programs(workload: Programs, wanted: Sequence[str] | None, pool: Pool) -> dict[str, Any]:
    peers = chosen(workload.peers, wanted)
    make = partial(Program, workload, threads=pool.threads)
    unit = "seconds" if workload.measure == "seconds" else "bytes"
    found = take_turns(peers, make, workload.rounds)
    return found.result(dict.fromkeys(peers, workload.tolerance), unit)


def _examples_memory(
    workload: ExamplesMemory, wanted: Sequence[str] | None, pool: Pool, folder: Path
) -> dict[str, Any]:
    examples, peers = workload.examples, chosen(workload.peers, wanted)
    make = partial(Fresh, pool, kind=examples.kind, job=job_of(examples, folder))
    found = take_turns(peers, make, workload.rounds)
    return found.result({peer: PEERS[peer].tolerance for peer in peers}, "bytes")


def _allocation(workload: Allocation, pool: Pool, folder: Path) -> dict[str, Any]:
    made = Prepared(pool.get(OURS), "allocation", job_of(workload.training, folder))
    taken = [made.turn(number).outcome for number in range(workload.rounds + 1)][1:]
    return {"peers": {}, "unit": "bytes", "ours": taken, **summary(taken)}


def _growth(workload: Growth, pool: Pool, folder: Path) -> dict[str, Any]:
    def curve(trainings: Sequence[Training], sizes: list[int]) -> dict[str, Any]:
        seconds = [_seconds(training, workload.rounds, pool, folder) for training in trainings]
        slope = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
        return {"sizes": sizes, "seconds": seconds, "slope": float(slope)}

    examples, parameters = workload.by_examples, workload.by_parameters
    return {
        "peers": {},
        "unit": "seconds",
        "examples": curve(examples, [training.examples for training in examples]),
        "parameters": curve(parameters, [training.parameters() for training in parameters]),
    }


def _seconds(training: Training, rounds: int, pool: Pool, folder: Path) -> float:
    made, taken = Prepared(pool.get(OURS), training.kind, job_of(training, folder)), []
    for number in range(rounds + 1):
        pause()
        taken.append(made.turn(number).value)
    return statistics.median(taken[1:])
