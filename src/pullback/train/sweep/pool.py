"""Processes side by side, each with one run after another; none of them outlives the sweep."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryFile
from threading import Thread
from typing import Any

from pullback.train.interrupt import InterruptRequest

LOOK_SECONDS, LEAVE_SECONDS = 0.02, 5.0
WORKER = "pullback.train.sweep.worker"
TEXT = {
    "signal": "the process was ended by signal {number} ({name}); was the memory full?",
    "code": "the process ended with exit code {code}",
    "said": "the process ended with exit code {code}: {line}",
}
INTERRUPTED = 130
Row = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """A run to be done: its name, and its folder."""

    name: str
    folder: Path


class Process:
    """A worker, and the task that it is at: None while it has nothing to do."""

    def __init__(self, parcel: bytes, threads: int) -> None:
        self.task: Task | None = None
        self._interrupted = False
        # a file and not a pipe, which would be full at some time
        self._error = TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._error,
            env=_environment(threads),
            start_new_session=True,  # Ctrl-C in a terminal is for the sweep, which passes it on
        )
        self._to_say: SimpleQueue[bytes | None] = SimpleQueue()
        self._said: SimpleQueue[bytes] = SimpleQueue()
        self._to_say.put(parcel)
        self._threads = [Thread(target=self._tell), Thread(target=self._listen)]
        for thread in self._threads:
            thread.start()

    def _tell(self) -> None:
        stream = self._process.stdin
        assert stream is not None
        with contextlib.suppress(OSError):  # it has ended, and its exit code says so
            while (words := self._to_say.get()) is not None:
                stream.write(words)
                stream.flush()
        with contextlib.suppress(OSError):
            stream.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._said.put(line)

    @property
    def ended(self) -> bool:
        """Whether the process is no more."""
        return self._process.poll() is not None

    def give(self, task: Task) -> None:
        """Have it do a task."""
        self.task = task
        self._to_say.put(f"{task.folder}\n".encode())

    def interrupt(self) -> None:
        """Ask it to finish its step, save and stop."""
        self._interrupted = True
        self._process.send_signal(signal.SIGINT)

    def row(self) -> Row | None:
        """Return what has become of the task; None while it is under way."""
        ended = self.ended  # asked first: what it said before its end is there afterwards
        if ended:
            self._threads[1].join()
        if not self._said.empty():
            found: Row = json.loads(self._said.get())
            return found
        if not ended:
            return None
        code = self._process.returncode
        if code == INTERRUPTED or self._interrupted:  # perhaps before it could say so
            return {"status": "interrupted", "reason": "interrupted"}
        self._error.seek(0)
        text = self._error.read().decode("utf-8", "replace")
        return {"status": "failed", "reason": _reason(code, text.strip().splitlines())}

    def close(self) -> None:
        """Let it go, or end it where it is at a task; what its run has saved stays."""
        self._to_say.put(None)
        if self.task is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(LEAVE_SECONDS)
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join()
        self._error.close()


def _reason(code: int, errors: list[str]) -> str:
    if code < 0:
        return TEXT["signal"].format(number=-code, name=signal.Signals(-code).name)
    if errors:
        return TEXT["said"].format(code=code, line=errors[-1])
    return TEXT["code"].format(code=code)


def _environment(threads: int) -> dict[str, str]:
    """Return the environment of a process: its share of the threads, and our modules."""
    count = str(threads)
    shared = {"OMP_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count}
    path = os.pathsep.join(place for place in sys.path if place)
    return {**os.environ, **shared, "PYTHONPATH": path}


def run_all(
    tasks: Sequence[Task], parcel: bytes, jobs: int, threads: int, done: Callable[[Task, Row], None]
) -> bool:
    """Do the tasks, ``jobs`` at a time; return whether Ctrl-C ended it early.

    The first Ctrl-C lets each run finish its step and save, the second ends them at once. Whatever
    happens here, no process is left.

    Args:
        tasks: what to do.
        parcel: what each process is told at its start.
        jobs: processes at once.
        threads: of each of them.
        done: called with each task that is over, and its row.
    """
    waiting, crew, asked = deque(tasks), list[Process](), False
    with InterruptRequest() as interrupt:
        try:
            while waiting or any(process.task for process in crew):
                if interrupt.requested and not asked:
                    asked = True
                    waiting.clear()
                    for process in crew:
                        process.interrupt()
                while waiting:
                    free = _free(crew, parcel, jobs, threads)
                    if free is None:
                        break
                    free.give(waiting.popleft())
                _collect(crew, done)
                time.sleep(LOOK_SECONDS)
        finally:
            for process in crew:
                process.close()
    return asked


def _free(crew: list[Process], parcel: bytes, jobs: int, threads: int) -> Process | None:
    """Return a process without a task, a new one if there may be more; else None."""
    for process in [process for process in crew if process.task is None]:
        if not process.ended:
            return process
        crew.remove(process)
        process.close()
    if len(crew) >= jobs:
        return None
    crew.append(Process(parcel, threads))
    return crew[-1]


def _collect(crew: list[Process], done: Callable[[Task, Row], None]) -> None:
    for process in crew:
        row = None if process.task is None else process.row()
        if row is not None:
            assert process.task is not None
            task, process.task = process.task, None
            done(task, row)
