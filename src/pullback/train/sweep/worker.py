"""A process of a sweep: ``python -m pullback.train.sweep.worker``.

Its standard input, which the sweep alone writes, is a pickle and then a line for each run: its
folder. Of each run it prints a row in JSON, a line. The end of its input is that of the sweep,
however that came: a run that is under way then is stopped as by Ctrl-C.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import IO, Any

from pullback.core.errors import NonFiniteError, PullbackError
from pullback.data.dataset import Data, Dataset
from pullback.train.fit import Run, resume
from pullback.train.history import figures_of
from pullback.train.run_folder import RunFolder

INTERRUPTED = 130


@dataclass(frozen=True)
class Parcel:
    """What a worker needs beside the run's folder.

    ``data`` is None where the folder says where they are; ``modules`` define parts of the run that
    are not Pullback's own.
    """

    data: Dataset | Data | None
    held: Dataset | None
    modules: tuple[str, ...]


def outcome(folder: Path, parcel: Parcel) -> dict[str, Any]:
    """Train the run in ``folder``, or what is left of it; return how it ended and its figures."""
    try:
        for name in parcel.modules:
            import_module(name)
        run = resume(folder, parcel.data, validation=parcel.held)
    except NonFiniteError as error:
        return {"status": "diverged", "reason": str(error)}
    except PullbackError as error:
        return {"status": "failed", "reason": str(error)}
    status = "interrupted" if run.stopped == "interrupted" else "done"
    return {"status": status, "reason": run.stopped, **_figures(run, folder)}


def _figures(run: Run, folder: Path) -> dict[str, Any]:
    """Return the record of the epoch whose parameters the model has: with patience, the best."""
    history = run.history
    if not len(history):
        return {}
    patient = RunFolder(folder).read_config()[0].patience is not None
    kept, seconds = history.kept(patient), sum(history["seconds"])
    return {"epoch": kept["epoch"], "seconds": round(seconds, 2), "figures": figures_of(kept)}


class Orders:
    """The folders that standard input names; its end interrupts the run under way."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._folders: SimpleQueue[Path | None] = SimpleQueue()
        self.busy = False
        Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            self._folders.put(Path(line.decode().rstrip("\n")))
        self._folders.put(None)
        if self.busy:
            os.kill(os.getpid(), signal.SIGINT)

    def __iter__(self) -> Iterator[Path]:
        while (folder := self._folders.get()) is not None:
            self.busy = True
            yield folder
            self.busy = False


def main() -> None:
    """Do what standard input says."""
    # a shell may have started the sweep in the background, where Ctrl-C is ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # what a map of the user prints must not come between the rows
    rows, sys.stdout = sys.stdout, sys.stderr
    try:
        # from the process that started this one, and from nowhere else
        parcel = pickle.load(sys.stdin.buffer)
        for folder in Orders(sys.stdin.buffer):
            print(json.dumps(outcome(folder, parcel)), file=rows, flush=True)
    except (KeyboardInterrupt, EOFError):
        # at once: at an ordinary end Python would wait for the thread that reads
        os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
