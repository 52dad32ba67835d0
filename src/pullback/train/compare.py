"""Runs side by side: in which settings they differ, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pullback.core.errors import ConfigError, PullbackError
from pullback.plots import lines as draw_lines
from pullback.plots import picture, save
from pullback.train import html
from pullback.train.checkpoint import Position, read_position
from pullback.train.differences import differences
from pullback.train.history import History, figures_of
from pullback.train.run_folder import CONFIG, RunFolder
from pullback.train.sweep.table import Row, aligned, lower_is_better, remark, shown, sort

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST = 40
"""Characters of a setting's value in the text."""
TEXT = {
    "run": "run",
    "best": "best {by}",
    "at": "at epoch",
    "epochs": "epochs",
    "steps": "steps",
    "seconds": "seconds",
    "remark": "",
    "epoch": "epoch",
    "interrupted": "interrupted",
    "unfinished": "not finished: running, or ended by an error",
    "not begun": "no epoch yet",
    "unreadable": "unreadable: {error}",
    "missing": "{path}: there is no such folder",
    "none": "there is no run in {paths}; name folders that 'pullback train' has made, "
    "such as runs/*",
    "left out": "not runs, left out: {paths}",
    "title": "{by} over the epochs",
}


@dataclass(frozen=True)
class Comparison:
    """Runs in order, the best first; printed, a table, and in a notebook with the curves.

    A row is a dictionary as in a sweep: ``run`` (its folder), ``point`` (the settings that differ),
    ``status`` (``"done"``, ``"interrupted"``, ``"unfinished"``, ``"failed"``) and ``reason``; of a
    run with an epoch behind it ``figures`` (of the epoch whose parameters the model has: the last,
    with ``patience`` the best), ``best`` and ``best_epoch`` (of the figure ``by``), ``epochs``,
    ``steps`` and ``seconds``.

    ``by`` is the figure it is sorted by, ``histories`` are those of the runs by folder, and
    ``left_out`` are the paths that are no runs.
    """

    rows: tuple[Row, ...]
    by: str
    histories: Mapping[str, History]
    left_out: tuple[str, ...] = ()

    def cells(self) -> list[list[str]]:
        """Return the table, the names of the columns first."""
        keys = list(self.rows[0]["point"])
        names = dict.fromkeys(name for row in self.rows for name in row.get("figures", {}))
        figures = sorted(names, key=lambda name: name != self.by)
        ends = ("epochs", "steps", "seconds")
        best = [TEXT["best"].format(by=self.by), TEXT["at"]]
        head = [TEXT["run"], *keys, *figures, *best, *(TEXT[name] for name in ends), TEXT["remark"]]
        return [head, *(_cells(row, keys, figures, ends) for row in self.rows)]

    def __str__(self) -> str:
        cells = [[run, *map(_cut, others), said] for run, *others, said in self.cells()]
        return "\n".join([*aligned(cells), *self._notes()])

    __repr__ = __str__

    def _notes(self) -> Iterator[str]:
        if self.left_out:
            yield TEXT["left out"].format(paths=", ".join(self.left_out))

    def _repr_html_(self) -> str:
        head, *rows = self.cells()
        parts = [html.table(head, rows), *map(html.paragraph, self._notes())]
        if any(self.histories.values()):
            title = TEXT["title"].format(by=self.by)
            parts.append(html.png(picture(self.draw(), dpi=80), title))
        return "\n".join(parts)

    def draw(self, ax: Axes | None = None) -> Axes:
        """Draw the figure of every run over its epochs; return the axes."""
        curves = {
            row["run"]: (history["epoch"], history[self.by])
            for row in self.rows
            if self.by in (history := self.histories[row["run"]])
        }
        return draw_lines(curves, ax, xlabel=TEXT["epoch"], ylabel=self.by)

    def plot(self, path: str | Path | IO[bytes], **options: Any) -> None:
        """Write what ``draw`` draws to a file; ``options`` are those of ``Figure.savefig``."""
        save(self.draw(), path, **options)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the histories as plain data."""
        return {"by": self.by, "rows": list(self.rows), "left_out": list(self.left_out)}


def compare(runs: Sequence[str | Path], *, by: str | None = None) -> Comparison:
    """Put runs side by side.

    Args:
        runs: folders of runs, or folders that hold such; what is neither is left out.
        by: the figure to sort by and to draw; None: the validation loss, or where no run has one
            the loss.

    Raises:
        ConfigError: a path that is not there, none with a run, or a figure that no run has.
    """
    paths = [Path(run) for run in runs]
    for path in paths:
        if not path.exists():
            raise ConfigError(TEXT["missing"].format(path=path))
    found = {path: list(_runs_in(path)) for path in paths}
    folders = list(dict.fromkeys(folder for inside in found.values() for folder in inside))
    if not folders:
        raise ConfigError(TEXT["none"].format(paths=", ".join(map(str, paths))))
    read = [_read(folder) for folder in folders]
    settings = differences([config for config, _, _ in read])
    rows = []
    for place, (_, row, _) in enumerate(read):
        rows.append({**row, "point": {key: values[place] for key, values in settings.items()}})
    ordered, chosen = sort(rows, by)
    histories = {row["run"]: history for _, row, history in read}
    for row in ordered:
        _add_best(row, histories[row["run"]], chosen)
    left_out = tuple(str(path) for path, inside in found.items() if not inside)
    return Comparison(ordered, chosen, histories, left_out)


def _runs_in(path: Path) -> Iterator[Path]:
    if (path / CONFIG).is_file():
        yield path
    elif path.is_dir():
        yield from sorted(inner.parent for inner in path.glob(f"*/{CONFIG}"))


def _read(path: Path) -> tuple[dict[str, Any], Row, History]:
    """Return a run's configuration, its row without what the other runs decide, its history."""
    folder = RunFolder(path)
    row: Row = {"run": str(path)}
    config: dict[str, Any] = {}
    try:
        content = folder.content()
        source: dict[str, Any] = {key: content[key] for key in ("data", "folder") if key in content}
        config = {**source, **content.get("settings", {})}
        if not folder.checkpoint.exists():
            return config, {**row, "status": "unfinished", "reason": "not begun"}, History()
        position, steps = read_position(folder.checkpoint)
    except PullbackError as error:
        reason = TEXT["unreadable"].format(error=error)
        return config, {**row, "status": "failed", "reason": reason}, History()
    history = History(position.records)
    return config, {**row, **_ended(position, steps, history, "patience" in config)}, history


def _ended(position: Position, steps: int, history: History, patient: bool) -> Row:
    stopped = position.stopped
    status = {None: "unfinished", "interrupted": "interrupted"}.get(stopped, "done")
    row = {"status": status, "reason": stopped or status, "steps": steps}
    row |= {"epochs": len(history), "seconds": round(position.seconds, 2)}
    return row | ({"figures": figures_of(history.kept(patient))} if len(history) else {})


def _add_best(row: Row, history: History, by: str) -> None:
    values = [value for value in history[by] if value == value] if by in history else []
    if values:
        row["best"] = min(values) if lower_is_better(by) else max(values)
        row["best_epoch"] = history["epoch"][history[by].index(row["best"])]


def _cells(row: Row, keys: list[str], figures: list[str], ends: Sequence[str]) -> list[str]:
    point = [_setting(row["point"][key]) for key in keys]
    measured = [_number(row.get("figures", {}).get(name)) for name in figures]
    best = [_number(row.get("best")), str(row.get("best_epoch", ""))]
    last = [_end(row.get(name)) for name in ends]
    return [row["run"], *point, *measured, *best, *last, _remark(row)]


def _remark(row: Row) -> str:
    if row["status"] == "done":
        return ""
    return TEXT.get(str(row["reason"]), remark(row))


def _setting(value: Any) -> str:
    return "-" if value is None else shown(value)


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.4f}"


def _end(value: Any) -> str:
    return "" if value is None else f"{value:,}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
