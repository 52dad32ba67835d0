"""``--workers N``: the command in several processes, started, watched and ended together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

from pullback.core.errors import ConfigError
from pullback.train.heartbeat import LOST

GRACE = 9.0
"""Seconds in which the others find out who has failed, where, and end by themselves."""
TOLD = 2.0
"""Seconds in which they end once one of them has found out."""
AFTER = 9.0
"""Seconds in which the others end once one has ended without a fault."""
TEXT = {
    "count": "workers={count}; expected a whole number of at least 1",
    "failed": "worker {rank} ended with {how}; the others are stopped",
    "early": "worker {rank} ended long before the others, which are stopped",
    "code": "exit code {code}",
    "signal": "signal {name}",
}


def launch(count: int, command: Sequence[str]) -> int:
    """Run a command in ``count`` processes; return the exit code.

    The first one's output is shown, and what any of them writes to standard error.
    """
    if count < 1:
        raise ConfigError(TEXT["count"].format(count=count))
    threads = max(1, (os.cpu_count() or 1) // count)
    common = {
        "WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads)),
    }  # fmt: skip
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, **common, "RANK": str(rank)},
            stdout=None if rank == 0 else subprocess.DEVNULL,
        )
        for rank in range(count)
    ]
    try:
        return _watch(processes)
    finally:
        _end(processes)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _watch(processes: list[subprocess.Popen[bytes]]) -> int:
    """Wait for all; return the code of the first that failed, or that of the first worker."""
    first_end = None
    while True:
        codes = _codes(processes)
        failed = [(rank, code) for rank, code in enumerate(codes) if code]
        if failed:
            return _after_failure(processes, failed[0])
        if None not in codes:
            return 0
        ended = [rank for rank, code in enumerate(codes) if code == 0]
        if ended and first_end is None:
            first_end = time.monotonic()
        if first_end is not None and time.monotonic() - first_end > AFTER:
            print(f"pullback: {TEXT['early'].format(rank=ended[0])}", file=sys.stderr)
            return LOST
        _pause()


def _codes(processes: list[subprocess.Popen[bytes]]) -> list[int | None]:
    return [process.poll() for process in processes]


def _pause() -> None:
    """Wait a little; Ctrl-C has reached the workers too, which stop by themselves."""
    try:
        time.sleep(0.1)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _after_failure(processes: list[subprocess.Popen[bytes]], first: tuple[int, int]) -> int:
    """Let the others end, and say who failed; return the exit code."""
    rank, code = first
    told = code == LOST  # the one that is lost may never end by itself
    end = time.monotonic() + (TOLD if told else GRACE)
    while time.monotonic() < end and None in _codes(processes):
        _pause()
    codes = [c for c in _codes(processes) if c is not None]
    if code in (130, LOST) or (len(codes) == len(processes) and len(set(codes)) == 1):
        return code  # all of them for one reason, which they have told
    how = (
        TEXT["signal"].format(name=signal.Signals(-code).name)
        if code < 0
        else TEXT["code"].format(code=code)
    )
    print(f"pullback: {TEXT['failed'].format(rank=rank, how=how)}", file=sys.stderr)
    return code if code > 0 else LOST


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.kill()  # also one that is stopped, which no other signal reaches
        process.wait()
