"""What the runs of a sweep came to: rows, the best first."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any

from pullback.core.errors import ConfigError, ModelFileError, suggestion
from pullback.train.storage import write_whole

ROWS, PICTURE = "sweep.jsonl", "sweep.png"
LOWER = ("loss", "mae", "ler")
"""Figures of which less is better; of all others, more."""
FINISHED = ("done", "diverged")
"""What a run would only do again."""
Row = dict[str, Any]
TEXT = {
    "rows": "{path}: line {line} is not a row of a sweep ({error})",
    "by": "no run has a figure {by!r}.{suggestion}",
    "diverged": "diverged",
    "failed": "failed",
    "interrupted": "interrupted",
}


@dataclass(frozen=True)
class Sweep:
    """The rows of a sweep, one a run, sorted: the best first, those without figures last.

    A row is a dictionary: ``run`` (the name of its folder), ``point`` (the settings that vary),
    ``status`` (``"done"``, ``"diverged"``, ``"failed"``, ``"interrupted"``), ``reason``, and of a
    run that is done ``epoch``, ``seconds`` and ``figures`` (losses and metrics by name).

    ``by`` is the figure it is sorted by, ``path`` the folder with a folder for each run, and
    ``interrupted`` whether it was ended early.
    """

    rows: tuple[Row, ...]
    by: str
    path: Path
    interrupted: bool = False

    @property
    def best(self) -> Row | None:
        """The first row, where any run has the figure."""
        return next((row for row in self.rows if value_of(row, self.by) is not None), None)

    def __str__(self) -> str:
        return "\n".join(lines(self.rows, self.by))

    def plot(self, path: str | Path | IO[bytes]) -> None:
        """Draw the figure over each setting that varies, one panel a setting, to a file."""
        from pullback.train.sweep.picture import draw

        draw(self.rows, self.by, path)

    def write(self) -> None:
        """Write ``sweep.jsonl`` and, where there is something to draw, ``sweep.png``."""
        write_rows(self.path, self.rows)
        if self.best is not None:
            picture = io.BytesIO()
            self.plot(picture)
            write_whole(self.path / PICTURE, picture.getvalue())


def write_rows(folder: Path, rows: tuple[Row, ...] | list[Row]) -> None:
    """Write ``sweep.jsonl``: a row a line."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    write_whole(folder / ROWS, text.encode())


def read_rows(folder: Path) -> dict[str, Row]:
    """Return the rows that a sweep has left in a folder, by the name of the run.

    Raises:
        ModelFileError: the file is damaged.
    """
    path = folder / ROWS
    if not path.is_file():
        return {}
    found = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            found[row["run"]] = {**row, "point": dict(row["point"]), "status": str(row["status"])}
        except (ValueError, KeyError, TypeError) as error:
            reason = TEXT["rows"].format(path=path, line=number, error=error)
            raise ModelFileError(reason) from None
    return found


def value_of(row: Row, by: str) -> float | None:
    """Return the figure of a row; None where it has none, or one that is not finite."""
    value = row.get("figures", {}).get(by)
    return value if isinstance(value, int | float) and abs(value) < float("inf") else None


def sort(rows: list[Row], by: str | None) -> tuple[tuple[Row, ...], str]:
    """Return the rows in order, and the figure they are sorted by: validation loss by default.

    Raises:
        ConfigError: no run has the figure that is asked for.
    """
    known = {name: None for row in rows for name in row.get("figures", {})}
    chosen = by or ("val_loss" if "val_loss" in known else "loss")
    if by is not None and known and by not in known:
        raise ConfigError(TEXT["by"].format(by=by, suggestion=suggestion(by, known)))
    sign = 1 if lower_is_better(chosen) else -1

    def key(row: Row) -> tuple[bool, float]:
        value = value_of(row, chosen)
        return value is None, 0.0 if value is None else sign * value

    return tuple(sorted(rows, key=key)), chosen


def lower_is_better(name: str) -> bool:
    """Tell whether less of a figure is better."""
    return name.removeprefix("val_") in LOWER


def lines(rows: tuple[Row, ...], by: str) -> Iterator[str]:
    """Yield the table: the settings, then the figures, or what happened instead."""
    keys = list(dict.fromkeys(key for row in rows for key in row["point"]))
    names = dict.fromkeys(name for row in rows for name in row.get("figures", {}))
    figures = sorted(names, key=lambda name: name != by)
    head = [*keys, *figures]
    cells = [head]
    for row in rows:
        point = [shown(row["point"].get(key, "")) for key in keys]
        measured = row.get("figures")
        ends = [_figure(measured.get(name)) for name in figures] if measured else []
        cells.append([*point, *ends])
    remarks = ["", *("" if row.get("figures") else remark(row) for row in rows)]
    yield from aligned([[*line, words] for line, words in zip(cells, remarks, strict=True)])


def aligned(rows: list[list[str]]) -> Iterator[str]:
    """Yield the rows of a table, their cells one below the other, the last as wide as it is."""
    columns = zip_longest(*(row[:-1] for row in rows), fillvalue="")
    widths = [max(map(len, column)) for column in columns]
    for *cells, last in rows:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)]
        yield "  ".join([*padded, last]).rstrip()


def remark(row: Row) -> str:
    """Return what a row without figures says: how it ended, and why."""
    status, reason = str(row["status"]), str(row.get("reason", ""))
    words = TEXT.get(status, status)
    return words if reason in ("", status) else f"{words}: {reason}"


def shown(value: Any) -> str:
    """Return the text of a setting's value."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _figure(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else ""
