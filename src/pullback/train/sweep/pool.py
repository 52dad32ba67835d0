"""Processes side by side, each with one run; none of them outlives the sweep."""

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
from tempfile import TemporaryFile
from threading import Thread
from typing import Any

from pullback.train.interrupt import InterruptRequest

LOOK_SECONDS = 0.02
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
    """A run to be done: its name, its folder, and what its process is told."""

    name: str
    folder: Path
    parcel: bytes


class Process:
    """A task under way."""

    def __init__(self, task: Task, threads: int) -> None:
        self.task, self._interrupted = task, False
        # files and not pipes, which would be full at some time
        self._out, self._error = TemporaryFile(), TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", WORKER, str(task.folder)],
            stdin=subprocess.PIPE,
            stdout=self._out,
            stderr=self._error,
            env=_environment(threads),
            start_new_session=True,  # Ctrl-C in a terminal is for the sweep, which passes it on
        )
        Thread(target=self._tell, daemon=True).start()

    def _tell(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it has ended already, and says so
            self._process.stdin.write(self.task.parcel)
            self._process.stdin.flush()

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def interrupt(self) -> None:
        """Ask it to finish its step, save and stop."""
        self._interrupted = True
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End it at once; what its run has saved stays."""
        self._process.kill()
        self._process.wait()
        self._close()

    def row(self) -> Row:
        """Return what has become of the run."""
        said = self._lines(self._out)
        errors = self._lines(self._error)
        code = self._process.returncode
        self._close()
        if code == 0 and said:
            found: Row = json.loads(said[-1])
            return found
        if code == INTERRUPTED or self._interrupted:  # perhaps before it could say so
            return {"status": "interrupted", "reason": "interrupted"}
        return {"status": "failed", "reason": _reason(code, errors)}

    @staticmethod
    def _lines(file: Any) -> list[str]:
        file.seek(0)
        text: str = file.read().decode("utf-8", "replace")
        return [line.strip() for line in text.splitlines() if line.strip()]

    def _close(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._out.close()
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
    tasks: Sequence[Task], jobs: int, threads: int, done: Callable[[Task, Row], None]
) -> bool:
    """Do the tasks, ``jobs`` at a time; return whether Ctrl-C ended it early.

    The first Ctrl-C lets each run finish its step and save, the second ends them at once. Whatever
    happens here, no process is left.

    Args:
        tasks: what to do.
        jobs: processes at once.
        threads: of each of them.
        done: called with each task that is over, and its row.
    """
    waiting, running, asked = deque(tasks), list[Process](), False
    with InterruptRequest() as interrupt:
        try:
            while running or waiting:
                if interrupt.requested and not asked:
                    asked = True
                    waiting.clear()
                    for process in running:
                        process.interrupt()
                _begin(waiting, running, jobs, threads)
                for process in [process for process in running if process.over]:
                    running.remove(process)
                    done(process.task, process.row())
                time.sleep(LOOK_SECONDS)
        finally:
            for process in running:
                process.kill()
    return asked


def _begin(waiting: deque[Task], running: list[Process], jobs: int, threads: int) -> None:
    while waiting and len(running) < jobs:
        running.append(Process(waiting.popleft(), threads))
