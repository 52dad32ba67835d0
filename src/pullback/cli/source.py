"""Where a run's data come from: what is asked for, and what its ``config.toml`` keeps of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pullback.core.errors import ConfigError
from pullback.data.dataset import Data
from pullback.data.images import PictureFormat

FOLDER = "folder"
"""The table of a configuration file with options for a folder of pictures."""
TABLE = "table"
"""That with options for a table."""
TABLE_FLAGS = {"target": "target", "header": "header", "test": "test", "split": "split"}
FLAGS = {"image_size": "size", "channels": "channels", "unreadable": "unreadable"}
"""The flags that say the same, and the names there."""


def folder_options(file: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
    """Return how to read a folder; the flags for it are taken out of ``flags``."""
    table = file.get(FOLDER, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{FOLDER} = {table!r}; expected a table such as [folder] size = 64")
    given = {name: flags.pop(flag) for flag, name in FLAGS.items() if flag in flags}
    rows = {name: flags.pop(flag) for flag, name in TABLE_FLAGS.items() if flag in flags}
    if rows or TABLE in file:
        return {**file.get(TABLE, {}), **rows}
    if "size" in given:
        given["size"] = _size(given["size"])
    return {**table, **given}


def _size(text: str) -> list[int]:
    """Return the sides of ``64`` or ``48x64``, height first."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise ConfigError(f"--image-size {text!r}; expected a side or HEIGHTxWIDTH, as 64 or 48x64")
    numbers = [int(side) for side in sides]
    return numbers * 2 if len(numbers) == 1 else numbers


def source_of(
    name: str, data_dir: str | None, options: dict[str, Any], data: Data
) -> dict[str, Any]:
    """Return what ``config.toml`` says of the data, so that they are read the same again."""
    if isinstance(data.image, PictureFormat):
        size = [data.image.height, data.image.width]
        table = {**options, "size": size, "channels": data.image.channels}
        return {"data": str(Path(name).resolve()), FOLDER: table}
    if data.table is not None:
        paths = {k: str(Path(v).resolve()) if k == "test" else v for k, v in options.items()}
        return {"data": str(Path(name).resolve()), TABLE: paths}
    return {"data": name} | ({"data_dir": str(Path(data_dir).resolve())} if data_dir else {})
