"""What takes turns: a prepared worker, or a program that is started anew each time."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from suite import arrays
from suite.environments import python_of
from suite.peers import PEERS
from suite.workers import LAST_LINES, Worker, WorkerFailed, environment
from suite.workloads import Programs, Work

PROGRAMS = Path(__file__).parents[1] / "programs"


class Turn(NamedTuple):
    """What one turn gave: seconds or bytes, and the number that all must agree on."""

    value: float
    outcome: float


class Contestant(Protocol):
    """Whoever takes turns."""

    def turn(self, number: int) -> Turn:
        """Do the work once.

        Raises:
            WorkerFailed: it cannot.
        """


class Pool:
    """The workers of a run of the suite: started when they are needed, kept until the end."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._workers: dict[tuple[str, str], Worker] = {}

    def get(self, peer: str, purpose: str = "") -> Worker:
        """Return the peer's worker, a new one where it died; one for each ``purpose``."""
        worker = self._workers.get((peer, purpose))
        if worker is None or not worker.alive:
            if worker is not None:
                worker.close()
            worker = self._workers[peer, purpose] = Worker(peer, self.threads)
        return worker

    def versions(self) -> dict[str, str]:
        """Return the versions that all workers named so far."""
        found: dict[str, str] = {}
        for worker in self._workers.values():
            found |= worker.versions
        return found

    def close(self) -> None:
        """End all of them."""
        for worker in self._workers.values():
            worker.close()


@contextmanager
def open_pool(threads: int) -> Iterator[Pool]:
    """Give a pool, and end its workers whatever happens."""
    pool = Pool(threads)
    try:
        yield pool
    finally:
        pool.close()


class Prepared:
    """A worker that has loaded its job."""

    def __init__(self, worker: Worker, kind: str, job: dict[str, Any]) -> None:
        self.worker = worker
        worker.prepare(kind, job)

    def turn(self, number: int) -> Turn:
        """Run once; all turns are the same work."""
        del number
        answer = self.worker.run()
        return Turn(answer["seconds"], answer["outcome"])


class Fresh:
    """A worker that is started anew each turn, whose memory counts."""

    def __init__(self, pool: Pool, peer: str, kind: str, job: dict[str, Any]) -> None:
        self.pool, self.peer, self.kind, self.job = pool, peer, kind, job
        python_of(PEERS[peer].environment)  # which may not be there

    def turn(self, number: int) -> Turn:
        """Start it, let it do its job once, end it."""
        del number
        worker = self.pool.get(self.peer, "fresh")
        try:
            worker.prepare(self.kind, self.job)
            answer = worker.run()
        finally:
            worker.close()
        return Turn(answer["peak_bytes"], answer["outcome"])


def job_of(workload: Work, folder: Path) -> dict[str, Any]:
    """Return the job that all workers get, with its arrays in ``folder``."""
    return workload.job() | arrays.write(workload, folder / "arrays.npz")


class Program:
    """A program of one peer, started anew each turn."""

    def __init__(self, workload: Programs, peer: str, threads: int) -> None:
        self.workload, self.threads = workload, threads
        self.python = python_of(PEERS[peer].environment)
        self.arguments = workload.commands[peer]

    def turn(self, number: int) -> Turn:
        """Start it, wait for its end, read what it printed."""
        with tempfile.TemporaryDirectory() as folder:
            places = {"programs": PROGRAMS, "mnist": arrays.mnist_folder(), "folder": folder}
            arguments = [a.format(seed=number, **places) for a in self.arguments]
            began = time.perf_counter()
            done = subprocess.run(
                [str(self.python), *arguments],
                env=environment(self.threads),
                capture_output=True,
                text=True,
            )
            seconds = time.perf_counter() - began
        if done.returncode:
            said = done.stderr.strip().splitlines()[-LAST_LINES:]
            raise WorkerFailed("\n".join([f"ended with code {done.returncode}", *said]))
        found = json.loads([li for li in done.stdout.splitlines() if li.startswith("{")][-1])
        measure = self.workload.measure
        value = seconds if measure == "seconds" else found[measure]
        return Turn(value, found[self.workload.agree])
