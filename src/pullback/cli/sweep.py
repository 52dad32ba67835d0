"""``pullback sweep``: many runs side by side, and a table of them."""

from __future__ import annotations

import json
import re
from typing import Any

from pullback.cli.options import RECIPE_OPTIONS, Option
from pullback.cli.request import Request
from pullback.core.errors import ConfigError, suggestion
from pullback.train.sweep.points import points_of
from pullback.train.sweep.sweep import sweep_settings
from pullback.train.sweep.table import Row, remark, shown

INTERRUPTED = 130
RANGE = re.compile(r"^(.+)\.\.(.+)$")
KEYS = {option.key: option for option in RECIPE_OPTIONS if not option.many}
TEXT = {
    "form": "--over {text!r}; expected KEY=VALUE,VALUE,... or, with --random, KEY=LOW..HIGH",
    "key": "--over {key}: no such option.{suggestion}",
    "twice": "--over {key}: named twice",
    "type": "--over {key}: {value!r} is no value of type {type}",
    "over": "{done}/{count}  {point}  {result}  ({seconds:.1f} s)",
    "short": "{done}/{count}  {point}  {result}",
    "wrote": "see {path}; the best run: {best}",
    "none": "no run came to a result; see {path}",
    "interrupted": "interrupted; the same command goes on with what is missing",
}


def sweep_command(
    name: str | None,
    over: tuple[str, ...],
    random: int | None,
    jobs: int | None,
    by: str | None,
    as_json: bool,
    options: dict[str, Any],
) -> int:
    """Train at every point; print each run as it ends and the table; return the exit code."""
    out = options.pop("out")
    request = Request.of("sweep", name, options)
    choices = read_over(over)
    data = request.load()
    points = points_of(choices, random, request.settings(data).seed)
    settings = [(point, request.settings(data, **point)) for point in points]

    def tell(row: Row, done: int, count: int) -> None:
        if as_json:
            print(json.dumps({"event": "run", "done": done, "count": count, **row}), flush=True)
        else:
            print(_line(row, done, count), flush=True)

    found = sweep_settings(
        settings, out, data=data, source=request.source(data), jobs=jobs, by=by, listener=tell
    )
    if as_json:
        summary = {"by": found.by, "path": str(found.path), "interrupted": found.interrupted}
        print(json.dumps({"event": "done", **summary, "rows": found.rows}))
        return INTERRUPTED if found.interrupted else 0
    print(found)
    best = found.best
    if best is None:
        print(TEXT["none"].format(path=found.path))
    else:
        print(TEXT["wrote"].format(path=found.path, best=found.path / best["run"]))
    if found.interrupted:
        print(TEXT["interrupted"])
    return INTERRUPTED if found.interrupted else 0


def read_over(texts: tuple[str, ...]) -> dict[str, Any]:
    """Return the values of every key: a list, or a range as a pair.

    Values stand between commas, or, where one of them has commas itself, between semicolons.

    Raises:
        ConfigError: not of this form, an unknown key, a value of another type.
    """
    choices: dict[str, Any] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not values:
            raise ConfigError(TEXT["form"].format(text=text))
        if key not in KEYS:
            raise ConfigError(TEXT["key"].format(key=key, suggestion=suggestion(key, KEYS)))
        if key in choices:
            raise ConfigError(TEXT["twice"].format(key=key))
        option, found = KEYS[key], RANGE.match(values)
        if found and option.type is not str:
            choices[key] = (_value(option, found[1]), _value(option, found[2]))
            continue
        pieces = values.split(";" if ";" in values else ",")
        choices[key] = [_value(option, piece.strip()) for piece in pieces if piece.strip()]
    return choices


def _value(option: Option, text: str) -> Any:
    try:
        return option.type(text)
    except ValueError:
        kind = option.type.__name__
        raise ConfigError(TEXT["type"].format(key=option.key, value=text, type=kind)) from None


def _line(row: Row, done: int, count: int) -> str:
    point = " ".join(f"{key}={shown(value)}" for key, value in row["point"].items())
    figures = row.get("figures")
    if not figures:
        return TEXT["short"].format(done=done, count=count, point=point, result=remark(row))
    result = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
    return TEXT["over"].format(
        done=done, count=count, point=point, result=result, seconds=row["seconds"]
    )
