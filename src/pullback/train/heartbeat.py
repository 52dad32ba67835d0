"""Whether the other workers are there: each says so every half second, and listens."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from typing import Any

BEAT = 0.5
SILENCE = 6.0
"""Seconds without a word after which a worker is taken for lost."""
LOST = 5
"""The exit code of a worker that goes because another is lost."""
TEXT = {
    "silent": "worker {rank} on {host} is lost at step {step}: nothing heard for {seconds:.0f} s; "
    "the last checkpoint is valid, go on with 'pullback resume'",
    "never": "worker {rank} is lost: it never began",
    "first": "worker 0 is lost, and with it what the others meet at",
}


class Heartbeat:
    """The thread of a worker that says which step it is at, and hears the others.

    Where another is silent for ``SILENCE`` seconds, the process ends with one line that names it:
    the main thread may be waiting for that worker's part, and would wait for ever.

    Args:
        store: what the workers share.
        rank: which this is.
        count: how many there are.
    """

    def __init__(self, store: Any, rank: int, count: int) -> None:
        self._store, self.rank, self.count = store, rank, count
        self.step = 0
        self._beats = 0
        now = time.monotonic()
        self._heard: dict[int, tuple[int, float]] = dict.fromkeys(range(count), (-1, now))
        self._said: dict[int, dict[str, Any]] = {}
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def begin(self) -> None:
        """Speak, and listen from now on."""
        self._speak()  # also of one that dies at once it is known where it was
        self._thread.start()

    def end(self) -> None:
        """Say goodbye, and stop listening."""
        self._over.set()
        self._thread.join()

    def missing(self, wait: bool = False) -> str | None:
        """Return a line that names a worker that is silent.

        Args:
            wait: until one has been for long enough, or all have spoken again.
        """
        end = time.monotonic() + (SILENCE + 2 * BEAT if wait else 0)
        while True:
            try:
                self._listen()
            except RuntimeError:
                return TEXT["first"]
            found = self._silent()
            if found is not None or time.monotonic() >= end:
                return found
            time.sleep(BEAT)

    def let_hear(self) -> None:
        """Give the others time to find out for themselves: the store is the first worker's."""
        if self.rank == 0:
            time.sleep(2 * BEAT)

    def _run(self) -> None:
        while not self._over.wait(BEAT):
            try:
                self._speak()
                self._listen()
            except RuntimeError:  # of the store, which is the first worker's
                self._end_process(TEXT["first"])
            line = self._silent()
            if line is not None:
                self._end_process(line)

    def _speak(self) -> None:
        self._beats += 1
        said = {"beat": self._beats, "step": self.step, "host": socket.gethostname()}
        with self._lock:
            self._store.set(f"beat/{self.rank}", json.dumps(said))

    def _listen(self) -> None:
        for rank in range(self.count):
            key = f"beat/{rank}"
            with self._lock:
                if rank == self.rank or not self._store.check([key]):
                    continue
                said = json.loads(self._store.get(key))
            self._said[rank] = said
            if said["beat"] != self._heard[rank][0]:
                self._heard[rank] = said["beat"], time.monotonic()

    def _silent(self) -> str | None:
        for rank, (beat, when) in self._heard.items():
            seconds = time.monotonic() - when
            if rank == self.rank or seconds < SILENCE:
                continue
            if beat < 0:
                return TEXT["never"].format(rank=rank)
            said = self._said[rank]
            # all are at the same step, or wait for each other at its end
            step = max(said["step"], self.step)
            return TEXT["silent"].format(rank=rank, host=said["host"], step=step, seconds=seconds)
        return None

    def _end_process(self, line: str) -> None:
        if self._over.is_set():
            return
        print(f"pullback: {line}", file=sys.stderr, flush=True)
        self.let_hear()
        os._exit(LOST)
