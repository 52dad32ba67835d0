"""``pullback train detection`` and other names of ``TASKS``: the recipes as commands."""

from __future__ import annotations

import time
from importlib import import_module
from typing import Any

from pullback.core.errors import ConfigError

TASKS = {
    "detection": "mnist",
    "segmentation": "mnist",
    "identity": "mnist",
    "speech": "speech",
    "connected": "connected",
    "shakespeare": "shakespeare",
    "reviews": "reviews",
    "messages": "messages",
    "translate": "translation",
    "diagnosis": "breast_cancer",
    "recommend": "ratings",
}
"""The recipes, each with the data set that it is trained on."""
OPTIONS = ("epochs", "seed", "out", "data_dir")
OWN_OPTIONS: dict[str, tuple[str, ...]] = {
    "diagnosis": ("data", "folds"),
    "recommend": ("data", "test", "model"),
}
"""What some recipes take besides."""
TEXT = {
    "of recipes": "--{flag} goes with 'pullback train {recipes}'",
    "test alone": "--test goes with --data, the ratings to train on",
    "data": "--data {found}; expected one of {known}",
}


def refuse_own_options(given: dict[str, Any]) -> None:
    """Raise ``ConfigError`` where an option that is for some recipes only was given."""
    for key, value in given.items():
        if value is not None:
            recipes = " or ".join(name for name, own in OWN_OPTIONS.items() if key in own)
            raise ConfigError(TEXT["of recipes"].format(flag=key, recipes=recipes))


def task_command(name: str, as_json: bool, options: dict[str, Any]) -> int:
    """Train a recipe and print what was measured; return the exit code."""
    flags = {key: value for key, value in options.items() if value not in (None, ())}
    allowed = (*OPTIONS, *OWN_OPTIONS.get(name, ()))
    for key in flags:
        if key not in allowed:
            raise ConfigError(
                f"--{key.replace('_', '-')} does not go with 'train {name}', which takes "
                f"{', '.join('--' + key.replace('_', '-') for key in allowed)}; a recipe's other "
                f"settings are those of pullback.recipes.{name}"
            )
    from pullback.cli.progress import reporter
    from pullback.cli.train import INTERRUPTED, new_folder
    from pullback.data import load

    began = time.monotonic()
    module = import_module(f"pullback.recipes.{name}")
    recipe = getattr(module, name)
    out = flags.pop("out", None) or new_folder(name)
    report = reporter(as_json)
    with report:
        chosen = {key: flags.pop(key, None) for key in ("data", "test", "data_dir")}
        data = _data(name, module, load, **chosen)
        result = recipe(data, out, callbacks=(report,), **flags)
    measured = {f"test_{key}": v for key, v in result.figures.items() if isinstance(v, float)}
    report.done(result.run, measured, time.monotonic() - began)
    return INTERRUPTED if result.run.stopped == "interrupted" else 0


def _data(
    name: str, module: Any, load: Any, data: str | None, test: str | None, data_dir: str | None
) -> Any:
    """Return the recipe's data, or those that were chosen."""
    if test is not None and data is None:
        raise ConfigError(TEXT["test alone"])
    if data is None:
        return load(TASKS[name], data_dir=data_dir)
    if name == "recommend":
        from pullback.data.tables import ratings

        return ratings(data, test)
    if data not in module.DATA:
        raise ConfigError(TEXT["data"].format(found=data, known=", ".join(module.DATA)))
    return load(data, data_dir=data_dir)
