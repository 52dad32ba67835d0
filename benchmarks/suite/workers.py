"""The driver's end of a worker process."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from suite.environments import python_of
from suite.peers import PEERS

SCRIPTS = Path(__file__).parents[1] / "workers"
LAST_LINES = 6


class WorkerFailed(Exception):
    """A worker answered with an error, or died; the message is what it last said."""


def thread_limits(threads: int) -> dict[str, str]:
    """Return the environment in which every library keeps to so many threads.

    What has no variable of its own (XLA) is kept to them by the driver's processor affinity,
    which its children inherit.
    """
    names = ("BENCH", "OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB")
    return {f"{name}_NUM_THREADS": str(threads) for name in names} | {
        "BENCH_THREADS": str(threads),
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def environment(threads: int) -> dict[str, str]:
    """Return the variables of a child process."""
    # Compiled modules are kept, as they are wherever nobody forbids it.
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return inherited | thread_limits(threads)


class Worker:
    """A peer's long-lived process, which waits for its standard input between turns."""

    def __init__(self, peer: str, threads: int) -> None:
        command = [str(python_of(PEERS[peer].environment)), str(SCRIPTS / PEERS[peer].worker)]
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed with the worker)
        self._process = subprocess.Popen(
            command,
            env=environment(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            start_new_session=True,  # Ctrl-C reaches the driver alone, which ends its workers
        )
        try:
            self.versions: dict[str, str] = self._read()["versions"]
        except BaseException:
            self.close()
            raise

    def prepare(self, kind: str, job: dict[str, Any]) -> None:
        """Load a job; what an earlier one held is freed."""
        self._ask({"do": "prepare", "kind": kind, "job": job})

    def run(self) -> dict[str, float]:
        """Do the work once; return ``seconds``, ``peak_bytes`` and ``outcome``."""
        return self._ask({"do": "run"})

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            print(json.dumps(message), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise WorkerFailed(self._last_words()) from None
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            raise WorkerFailed(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerFailed("\n".join(answer["error"].strip().splitlines()[-LAST_LINES:]))
        return answer

    def _last_words(self) -> str:
        self._said.seek(0)
        lines = self._said.read().strip().splitlines()[-LAST_LINES:]
        return "\n".join([f"ended with code {self._process.poll()}", *lines])

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process."""
        self._process.kill()  # it has nothing to save, and some libraries are slow to leave
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._said):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()
