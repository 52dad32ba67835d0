"""The folder of a run: what was asked, what was measured, what came out, where it stands."""

from __future__ import annotations

import io
import tomllib
from pathlib import Path
from typing import Any

from pullback.core.config import from_config, to_config
from pullback.core.errors import ConfigError, PullbackError
from pullback.train.checkpoint import NAME as CHECKPOINT
from pullback.train.history import History
from pullback.train.model_file import NAME as MODEL
from pullback.train.settings import Settings
from pullback.train.storage import make_folder, write_whole
from pullback.train.verdicts import Verdicts

CONFIG = "config.toml"
HISTORY = "history.jsonl"
CURVES = "curves.png"
CONFUSION, CONFUSION_TABLE, WRONG = "confusion.png", "confusion.csv", "wrong.png"


class RunFolder:
    """The files of a run under one folder."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoint = self.path / CHECKPOINT
        self.model = self.path / MODEL
        self.config = self.path / CONFIG

    def create(self, settings: Settings, source: dict[str, Any]) -> None:
        """Make the folder and write ``config.toml``.

        Args:
            settings: what the run does.
            source: the data's name and folder, or nothing where it was given as arrays.

        Raises:
            ConfigError: there is a run in the folder already.
            StorageError: it cannot be written.
        """
        if self.checkpoint.exists():  # a run that never came so far has nothing to lose
            raise ConfigError(
                f"{self.path}: there is a run here already; continue it with "
                f"'pullback resume {self.path}', or choose another folder with --out"
            )
        make_folder(self.path)
        write_whole(self.config, config_text(settings, source).encode())

    def read_config(self) -> tuple[Settings, dict[str, Any]]:
        """Return the settings and the data's source.

        Raises:
            ConfigError: there is no run here, or its ``config.toml`` cannot be used.
        """
        content = self.content()
        try:
            settings = from_config(content.pop("settings"))
        except PullbackError as error:
            raise ConfigError(f"{self.config}: {error}") from None
        if not isinstance(settings, Settings):
            raise ConfigError(f"{self.config}: [settings] does not describe a run")
        return settings, content

    def content(self) -> dict[str, Any]:
        """Return what ``config.toml`` says, as plain data.

        Raises:
            ConfigError: there is no run here, or its ``config.toml`` is damaged.
        """
        if not self.config.is_file():
            raise ConfigError(f"{self.path}: there is no run here ({CONFIG} is missing)")
        try:
            content = tomllib.loads(self.config.read_text("utf-8"))
            content["settings"]
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError) as error:
            raise ConfigError(
                f"{self.config}: cannot be read as a configuration: {error}"
            ) from None
        return content

    def write_history(self, history: History) -> None:
        """Write ``history.jsonl``."""
        write_whole(self.path / HISTORY, history.lines().encode())

    def write_curves(self, history: History) -> None:
        """Write ``curves.png``, where there is an epoch to draw."""
        if len(history):
            picture = io.BytesIO()
            history.plot(picture)
            write_whole(self.path / CURVES, picture.getvalue())

    def write_verdicts(self, verdicts: Verdicts) -> list[str]:
        """Write ``confusion.csv``, ``confusion.png`` and, of pictures, ``wrong.png``.

        Returns:
            The names of the files.
        """
        write_whole(self.path / CONFUSION_TABLE, verdicts.confusion_csv().encode())
        drawings = {CONFUSION: verdicts.draw_confusion}
        if verdicts.of_pictures:
            drawings[WRONG] = verdicts.draw_wrong
        for name, draw in drawings.items():
            picture = io.BytesIO()
            draw(picture)
            write_whole(self.path / name, picture.getvalue())
        return [CONFUSION_TABLE, *drawings]


def config_text(settings: Settings, source: dict[str, Any]) -> str:
    """Return the text of ``config.toml``."""
    import tomli_w

    return tomli_w.dumps({**source, "settings": _without_none(to_config(settings))})


def _without_none(value: Any) -> Any:
    """Leave out what is None: TOML cannot write it, and it is the default wherever it may stand."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value
