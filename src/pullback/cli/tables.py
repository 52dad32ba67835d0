"""Tables on the command line: what a model says of each row, and a configuration to begin with."""

from __future__ import annotations

import csv
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pullback.cli.request import Request
from pullback.core.errors import ConfigError, StorageError
from pullback.data.dataset import Data, Dataset
from pullback.train.model import Model
from pullback.train.run_folder import config_text

TEXT = {
    "one": "predict takes one table at a time, found {count}",
    "not a table": "{name}: init writes the configuration of a table; expected a CSV or Parquet "
    "file",
    "wrote": "{count} rows: {path}",
    "there": "{path}: there is such a file already",
    "cannot": "{path}: cannot be written: {error}",
}


def predict_table(model: Model, inputs: tuple[str, ...], out: str | None) -> None:
    """Write what the model says of each row as CSV: the target, and of classes how probable."""
    from pullback.data.tables import read_table

    if len(inputs) != 1:
        raise ConfigError(TEXT["one"].format(count=len(inputs)))
    preparation = model.table
    x = preparation.examples(
        preparation.named(read_table(inputs[0], preparation.header, preparation.words))
    )
    found = model.predict_proba(x)
    if preparation.classes is None:
        heads, rows = [preparation.target], preparation.in_units(found)[:, None].tolist()
    else:
        heads = [preparation.target, *(f"P({name})" for name in preparation.classes)]
        best = found.argmax(axis=1)
        rows = [[preparation.classes[i], *row] for i, row in zip(best, found.tolist(), strict=True)]
    try:
        opened: Any = nullcontext(sys.stdout)
        if out is not None:
            opened = Path(out).open("w", encoding="utf-8", newline="")  # noqa: SIM115
        with opened as file:
            writer = csv.writer(file)
            writer.writerow(heads)
            writer.writerows(rows)
    except OSError as error:
        raise StorageError(TEXT["cannot"].format(path=out, error=error.strerror)) from None
    if out is not None:
        print(TEXT["wrote"].format(count=len(rows), path=out))


def table_of(model: Model, path: str) -> Data:
    """Return another table as the model's data, by the preparation that it was trained with."""
    from pullback.data.tables import read_table

    preparation = model.table
    frame = preparation.named(read_table(path, preparation.header, preparation.words))
    x, y = preparation.examples(frame), preparation.targets(frame)
    return Data(Dataset(x, y, classes=preparation.classes, name=Path(path).stem))


def init_command(name: str | None, out: str | None, options: dict[str, Any]) -> None:
    """Write the whole configuration of training on a table, to be edited."""
    request = Request.of("init", name, options)
    data = request.load()
    if data.table is None:
        raise ConfigError(TEXT["not a table"].format(name=request.name))
    for line in data.table.lines():
        print(f"# {line}", file=sys.stderr if out is None else sys.stdout)
    text = config_text(request.settings(data), request.source(data))
    if out is None:
        print(text, end="")
        return
    try:
        with Path(out).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(TEXT["there"].format(path=out)) from None
    except OSError as error:
        raise StorageError(TEXT["cannot"].format(path=out, error=error.strerror)) from None
