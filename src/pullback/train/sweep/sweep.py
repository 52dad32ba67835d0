"""``sweep``: the same training at many settings, side by side, and what came of each."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from pullback.core.config import TYPE, to_config
from pullback.core.errors import ConfigError, suggestion
from pullback.core.map import Map
from pullback.core.registry import registered_type
from pullback.data.dataset import Data, Dataset
from pullback.engine.team import default_threads
from pullback.losses.base import Loss
from pullback.optim import Optimizer
from pullback.optim.rates import with_lr
from pullback.train.metrics import as_metrics, metric_name
from pullback.train.run_folder import RunFolder
from pullback.train.settings import Settings, settings_for
from pullback.train.storage import make_folder
from pullback.train.sweep.points import Over, Point, label, name_of, points_of
from pullback.train.sweep.pool import Task, run_all
from pullback.train.sweep.table import FINISHED, Row, Sweep, read_rows, sort, write_rows
from pullback.train.sweep.worker import Parcel

LR = "lr"
"""The key that stands for the learning rate inside the optimiser."""
TEXT = {
    "key": "cannot sweep over {key!r}.{suggestion}",
    "other": "{path}: there is a run here with other settings than this sweep gives it; choose "
    "another folder for the sweep",
    "by": "by={by!r}: no such figure.{suggestion}",
    "main": "{name} is defined in the program itself, which the processes of a sweep cannot "
    "import; put it into a module of its own",
    "jobs": "jobs={jobs!r}; expected a whole number of at least 1",
}
Listener = Callable[[Row, int, int], None]


def sweep(
    net: Map,
    data: Dataset | Data,
    over: Over,
    *,
    loss: Loss,
    optimizer: Optimizer,
    out: str | Path,
    random: int | None = None,
    jobs: int | None = None,
    by: str | None = None,
    validation: float | Dataset = 0.0,
    **settings: Any,
) -> Sweep:
    """Train at many settings in parallel processes; return a table, the best run first.

    Every run is what ``fit`` would do, in a folder of its own under ``out``, named by its point. A
    run that fails or diverges becomes a row that says so. Ctrl-C stops all of them as it stops
    ``fit``; called again with the same folder, the sweep goes on with what is missing, and with
    more values or another key it adds to what is there.

    Args:
        net, data, loss, optimizer, validation, settings: as for ``fit``, for what does not vary.
        over: of every key a list of values, or, with ``random``, a range ``(low, high)`` as a
            tuple. A key is an argument of ``fit`` such as ``"batch_size"`` or ``"optimizer"``, or
            ``"lr"``, the learning rate inside the optimiser.
        out: the folder.
        random: None for all combinations; else how many points to draw, from lists each value
            alike, from ranges log-uniformly (in whole numbers where both ends are). ``seed``
            decides them.
        jobs: processes at once; None: one a thread of this process. They share its threads.
        by: the figure to sort by; None: the validation loss, or without validation the loss. Of a
            run it is that of the last epoch, or of the best where ``patience`` is set.

    Raises:
        ConfigError: a key or a value that cannot be used (nothing has been trained then), a folder
            whose runs have other settings, a part that other processes cannot import.
        StorageError: the folder cannot be written.
    """
    held = validation if isinstance(validation, Dataset) else None
    share = 0.0 if held is not None else validation
    base = settings_for(net, data, loss=loss, optimizer=optimizer, validation=share, **settings)
    points = points_of(over, random, base.seed)
    chosen = [(point, _changed(base, point)) for point in points]
    return sweep_settings(chosen, out, data=data, held=held, jobs=jobs, by=by)


def _changed(base: Settings, point: Point) -> Settings:
    known = [field.name for field in fields(Settings)] + [LR]
    for key in point:
        if key not in known:
            raise ConfigError(TEXT["key"].format(key=key, suggestion=suggestion(key, known)))
    changes = {key: value for key, value in point.items() if key != LR}
    if "metrics" in changes:
        changes["metrics"] = as_metrics(changes["metrics"])
    settings = replace(base, **changes)
    if LR in point:
        settings = replace(settings, optimizer=with_lr(settings.optimizer, point[LR]))
    return settings


@dataclass
class _Folder:
    """The folder of a sweep while it goes on."""

    path: Path
    rows: dict[str, Row] = field(default_factory=dict)

    def take(self, name: str, point: Point, found: Row) -> Row:
        row = {"run": name, "point": {key: label(value) for key, value in point.items()}, **found}
        self.rows[name] = row
        write_rows(self.path, list(self.rows.values()))
        return row


def sweep_settings(
    points: Sequence[tuple[Point, Settings]],
    out: str | Path,
    *,
    data: Dataset | Data | None = None,
    held: Dataset | None = None,
    source: dict[str, Any] | None = None,
    jobs: int | None = None,
    by: str | None = None,
    listener: Listener = lambda row, done, count: None,
) -> Sweep:
    """Train at each of ``points``, a point with the settings it stands for.

    ``source`` says where the data came from, as in a run's folder; where it does, the processes
    load them from there. ``listener`` is called with the row of each run that is over, how many
    are, and how many there will be.
    """
    jobs = _jobs(jobs, len(points))
    _check_by(by, [settings for _, settings in points])
    modules = sorted({name for _, settings in points for name in _modules(to_config(settings))})
    parcel = pickle.dumps(
        Parcel(data if source is None else None, held, tuple(modules)), protocol=5
    )
    folder = _Folder(Path(out), read_rows(Path(out)))
    named = {name_of(point): (point, settings) for point, settings in points}
    runs = {name: settings for name, (_, settings) in named.items()}
    tasks = _missing(folder, runs, source)
    over = len(named) - len(tasks)

    def done(task: Task, found: Row) -> None:
        nonlocal over
        over += 1
        listener(folder.take(task.name, named[task.name][0], found), over, len(named))

    interrupted = run_all(tasks, parcel, jobs, max(1, default_threads() // jobs), done)
    rows, chosen = sort(list(folder.rows.values()), by)
    result = Sweep(rows, chosen, folder.path, interrupted)
    result.write()
    return result


def _missing(
    folder: _Folder, runs: dict[str, Settings], source: dict[str, Any] | None
) -> list[Task]:
    """Return the runs that are not over, each with its folder made."""
    begun = {
        name for name, settings in runs.items() if _begun(folder.path / name, settings, source)
    }
    make_folder(folder.path)
    tasks = []
    for name, settings in runs.items():
        if name not in begun:
            RunFolder(folder.path / name).create(settings, source or {})
        elif folder.rows.get(name, {}).get("status") in FINISHED:
            continue
        tasks.append(Task(name, folder.path / name))
    return tasks


def _jobs(jobs: int | None, points: int) -> int:
    if jobs is None:
        return max(1, min(default_threads(), points))
    if not isinstance(jobs, int) or isinstance(jobs, bool) or jobs < 1:
        raise ConfigError(TEXT["jobs"].format(jobs=jobs))
    return min(jobs, max(1, points))


def _check_by(by: str | None, runs: Sequence[Settings]) -> None:
    """Refuse a figure that no run will have, before any is trained."""
    names = {"loss", *(metric_name(metric) for settings in runs for metric in settings.metrics)}
    known = names | {f"val_{name}" for name in names}
    if by is not None and by not in known:
        raise ConfigError(TEXT["by"].format(by=by, suggestion=suggestion(by, known)))


def _begun(path: Path, settings: Settings, source: dict[str, Any] | None) -> bool:
    """Tell whether the run has a folder already; refuse one that is of another run."""
    folder = RunFolder(path)
    if not folder.config.is_file():
        return False
    known, known_source = folder.read_config()
    if to_config(known) != to_config(settings) or known_source != (source or {}):
        raise ConfigError(TEXT["other"].format(path=path))
    return True


def _modules(config: Any) -> set[str]:
    """Return the modules that define the classes of a description and are not Pullback's own."""
    if isinstance(config, list):
        return set().union(*map(_modules, config))
    if not isinstance(config, dict):
        return set()
    found = set().union(*map(_modules, config.values()))
    if TYPE in config:
        module = registered_type(config[TYPE]).__module__
        if module == "__main__":
            raise ConfigError(TEXT["main"].format(name=config[TYPE]))
        if module.partition(".")[0] != "pullback":
            found.add(module)
    return found
