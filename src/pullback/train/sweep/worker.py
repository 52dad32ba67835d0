"""The process of one run of a sweep: ``python -m pullback.train.sweep.worker FOLDER``.

Its standard input is a pickle that the sweep has made, and then stays open: its end says that the
sweep is no more, however that came. The last line of its standard output is the run's row in JSON.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

from pullback.core.errors import NonFiniteError, PullbackError
from pullback.data.dataset import Data, Dataset
from pullback.train.fit import Run, resume
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
    records = history.records
    monitored = "val_loss" if "val_loss" in history else "loss"
    patient = RunFolder(folder).read_config()[0].patience is not None
    kept = min(records, key=lambda record: record[monitored]) if patient else records[-1]
    seconds = sum(record["seconds"] for record in records)
    figures = {k: v for k, v in kept.items() if isinstance(v, float) and k not in ("lr", "seconds")}
    return {"epoch": kept["epoch"], "seconds": round(seconds, 2), "figures": figures}


def _stop_with_parent() -> None:
    # not by the buffered reader, whose lock a waiting thread would keep to the end
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)


def main() -> None:
    """Do what standard input says."""
    # a shell may have started the sweep in the background, where Ctrl-C is ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        # from the process that started this one, and from nowhere else
        parcel = pickle.load(sys.stdin.buffer)
        Thread(target=_stop_with_parent, daemon=True).start()
        print(json.dumps(outcome(Path(sys.argv[1]), parcel)), flush=True)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except EOFError:  # the sweep ended before it had said what to do
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
