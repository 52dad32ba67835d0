"""What every worker speaks: one JSON object a line, from standard input to standard output.

    {"do": "prepare", "kind": "training", "job": {...}}  ->  {"ready": true}
    {"do": "run"}              ->  {"seconds": 0.29, "peak_bytes": 226820096, "outcome": 1.07}

A job holds numbers, and in ``arrays`` the path of an ``.npz`` file. What fails is answered with
``{"error": ...}``; the end of the input ends the worker. Needs nothing but NumPy, as it runs in
every peer's environment.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

THREADS = int(os.environ["BENCH_THREADS"])


@dataclass
class Task:
    """Work that is prepared: ``run`` alone is timed.

    ``reset`` goes back to the start before each run, ``outcome`` makes of what ``run`` returned
    the number that all peers must agree on, and ``count`` divides the seconds.
    """

    run: Callable[[], Any]
    reset: Callable[[], None] = lambda: None
    outcome: Callable[[Any], float] = float
    count: int = 1


class Job:
    """A job's numbers as attributes, and its arrays by name."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.__dict__.update(given)
        with np.load(given["arrays"]) as content:
            self.array = {name: content[name] for name in content.files}

    def inputs(self) -> np.ndarray:
        """Return the examples in float32, as they enter the network."""
        return self.array["x"].astype(np.float32) * np.float32(self.scale)

    def start(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return weights ``(in, out)`` and biases of each layer at the start."""
        return [(self.array[f"W{i}"], self.array[f"b{i}"]) for i in range(len(self.widths) - 1)]


Kinds = Mapping[str, Callable[[Job], Task]]


def serve(kinds: Kinds, versions: Mapping[str, str]) -> None:
    """Answer until the input ends."""
    # Libraries that print would break the lines: they print to standard error from here on.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    print(json.dumps({"versions": versions}), file=answers)
    task = None
    for line in sys.stdin:
        message = json.loads(line)
        try:
            if message["do"] == "prepare":
                task = None  # what the last workload held is freed before the next is loaded
                gc.collect()
                task = kinds[message["kind"]](Job(message["job"]))
                answer: dict[str, Any] = {"ready": True}
            else:
                assert task is not None
                answer = _timed(task)
        except Exception:
            answer = {"error": traceback.format_exc(limit=-3)}
        print(json.dumps(answer), file=answers)


def _timed(task: Task) -> dict[str, float | None]:
    task.reset()
    gc.collect()
    began = time.perf_counter()
    found = task.run()
    seconds = time.perf_counter() - began
    # The peak is read first, as working out the outcome takes memory too.
    peak = _peak_bytes()
    return {
        "seconds": seconds / task.count,
        "peak_bytes": peak,
        "outcome": task.outcome(found),
    }


def _peak_bytes() -> int | None:
    """Return the most resident memory so far, where Linux tells it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def gradients_task(job: Job, gradients: Callable[[], Iterable[Any]]) -> Task:
    """Return the task of forming the gradients of a batch's examples, arrays ``(N, ...)``.

    They are compared by the sum of their squares.
    """

    def calls() -> Iterable[Any]:
        found: Iterable[Any] = ()
        for _ in range(job.calls):
            found = ()  # frees what the last call made
            found = gradients()
        return found

    def squares(found: Iterable[Any]) -> float:
        return sum(float(np.vdot(g, g)) for array in found for g in np.asarray(array))

    return Task(calls, outcome=squares, count=job.calls)


def mean_size(outputs: Any) -> float:
    """Return the mean absolute value, by which arrays are compared."""
    return float(np.abs(np.asarray(outputs), dtype=np.float64).mean())
