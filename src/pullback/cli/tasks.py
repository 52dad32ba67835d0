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
}
"""The recipes, each with the data set that it is trained on."""
OPTIONS = ("epochs", "seed", "out", "data_dir")


def task_command(name: str, as_json: bool, options: dict[str, Any]) -> int:
    """Train a recipe and print what was measured; return the exit code."""
    flags = {key: value for key, value in options.items() if value not in (None, ())}
    for key in flags:
        if key not in OPTIONS:
            raise ConfigError(
                f"--{key.replace('_', '-')} does not go with 'train {name}', which takes "
                f"{', '.join('--' + key.replace('_', '-') for key in OPTIONS)}; a recipe's other "
                f"settings are those of pullback.recipes.{name}"
            )
    from pullback.cli.progress import reporter
    from pullback.cli.train import INTERRUPTED, new_folder
    from pullback.data import load

    began = time.monotonic()
    recipe = getattr(import_module(f"pullback.recipes.{name}"), name)
    out = flags.pop("out", None) or new_folder(name)
    report = reporter(as_json)
    with report:
        data = load(TASKS[name], data_dir=flags.pop("data_dir", None))
        result = recipe(data, out, callbacks=(report,), **flags)
    measured = {f"test_{key}": v for key, v in result.figures.items() if isinstance(v, float)}
    report.done(result.run, measured, time.monotonic() - began)
    return INTERRUPTED if result.run.stopped == "interrupted" else 0
