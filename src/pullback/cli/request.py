"""What a command that trains is asked for: the data, and the options of the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pullback.cli.recipe import Recipe, read_file, settings_of
from pullback.cli.source import folder_options, source_of
from pullback.core.errors import ConfigError
from pullback.data import load
from pullback.data.dataset import Data
from pullback.train.settings import Settings

TEXT = {
    "no data": "name the data to train on, as in 'pullback {command} digits'",
}


@dataclass(frozen=True)
class Request:
    """A configuration file and flags, read but not yet a run.

    ``name`` is what the data are called, ``folder`` how a folder of pictures is read, ``file`` the
    options of the configuration file and ``flags`` those of the command line.
    """

    name: str
    data_dir: str | None
    folder: dict[str, Any]
    file: Recipe
    flags: Recipe

    @classmethod
    def of(cls, command: str, name: str | None, options: dict[str, Any]) -> Request:
        """Read what ``command`` was given.

        Raises:
            ConfigError: no data are named, or the file cannot be used.
        """
        given = dict(options)
        file = read_file(given.pop("config_file"))
        flags = {key: value for key, value in given.items() if value not in (None, ())}
        name = name or file.get("data")
        if name is None:
            raise ConfigError(TEXT["no data"].format(command=command))
        data_dir = flags.pop("data_dir", None) or file.get("data_dir")
        return cls(name, data_dir, folder_options(file, flags), file, flags)

    def load(self) -> Data:
        """Load the data."""
        return load(self.name, data_dir=self.data_dir, **self.folder)

    def settings(self, data: Data, **changes: Any) -> Settings:
        """Return the settings of the run, with flags changed."""
        return settings_of(data.name, data, self.file, {**self.flags, **changes})

    def source(self, data: Data) -> dict[str, Any]:
        """Return what a run's folder keeps of where the data came from."""
        return source_of(self.name, self.data_dir, self.folder, data)
