"""``pullback train`` and ``pullback resume``."""

from __future__ import annotations

import os
import sys
import time
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

from pullback.cli.progress import reporter
from pullback.cli.request import Request
from pullback.data.dataset import Data
from pullback.engine.beside import load_beside
from pullback.train.fit import Run, data_of_source, resume, run_settings
from pullback.train.run_folder import RunFolder
from pullback.train.workers import workers

INTERRUPTED = 130


def train_command(name: str | None, as_json: bool, options: dict[str, Any]) -> int:
    """Train on a named data set, a file or a folder; return the exit code."""
    began = time.monotonic()
    _only_the_first_speaks()
    out, tensorboard = options.pop("out"), options.pop("tensorboard")
    request = Request.of("train", name, options)
    report = reporter(as_json)
    Thread(target=_load_beside).start()
    with report:
        data = request.load()
        if data.table is not None and not as_json:
            print("\n".join(data.table.lines()))
        run = run_settings(
            request.settings(data),
            data,
            callbacks=(report,),
            out=out or new_folder(data.name),
            source=request.source(data),
            tensorboard=tensorboard,
        )
    return _close(run, data, report, began)


def resume_command(path: str, device: str | None, tensorboard: str | None, as_json: bool) -> int:
    """Continue a run; return the exit code."""
    began = time.monotonic()
    _only_the_first_speaks()
    folder = RunFolder(path)
    _, source = folder.read_config()
    data = data_of_source(folder, source)
    report = reporter(as_json)
    with report:
        run = resume(path, data, device=device, callbacks=(report,), tensorboard=tensorboard)
    return _close(run, data, report, began)


def _only_the_first_speaks() -> None:
    """Say nothing on standard output where this is one of several workers, but the first."""
    if workers().rank:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 (until the process ends)


def _load_beside() -> None:
    """Load what is slow to load on another processor, while this one reads the data."""
    load_beside()
    import_module("pullback.plots.figure")


def _close(run: Run, data: Data, report: Any, began: float) -> int:
    figures = {}
    if data.test is not None and workers().rank == 0:
        measured = run.model.evaluate(data.test)
        figures = {f"test_{key}": value for key, value in measured.items()}
    report.done(run, figures, time.monotonic() - began)
    workers().done()
    return INTERRUPTED if run.stopped == "interrupted" else 0


def new_folder(name: str) -> Path:
    """Return a folder under ``runs/`` that is not there yet."""
    stamp = Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    path, count = stamp, 1
    while path.exists():
        count += 1
        path = stamp.with_name(f"{stamp.name}-{count}")
    return path
