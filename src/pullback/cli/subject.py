"""What ``check`` and ``step`` look at: a run as it stands, or a configuration at its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pullback.cli.recipe import read_file, settings_of
from pullback.cli.source import folder_options
from pullback.core.errors import ConfigError
from pullback.core.theta import Theta
from pullback.data import load
from pullback.data.dataset import Data, Dataset
from pullback.train.fit import Training, data_of_source
from pullback.train.loop import Loop
from pullback.train.run_folder import RunFolder
from pullback.train.settings import Settings


@dataclass(frozen=True)
class Subject:
    """A network with its settings, its training data, and the loop that would train it."""

    settings: Settings
    train: Dataset
    loop: Loop

    @property
    def theta(self) -> Theta:
        """The parameters."""
        return self.loop.learner.theta

    @property
    def state(self) -> Mapping[str, Any]:
        """The state of the maps."""
        return self.loop.learner.state

    def examples(self, rows: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray, Any]:
        """Return network inputs, targets and weights of training examples, without variation."""
        part = self.train[rows]
        x = self.loop.normalizer.apply(np.asarray(part.x), self.settings.dtype)
        return x, part.y, part.weight


def subject_of(path: str, data_dir: str | None) -> Subject:
    """Return the subject that a run's folder or a configuration file describes.

    Raises:
        ConfigError: neither, or a configuration that cannot be used or names no data.
        DataError: its data cannot be read.
    """
    if path.endswith(".toml") and not Path(path).is_dir():
        return _of_configuration(path, data_dir)
    folder = RunFolder(path)
    settings, source = folder.read_config()
    data = data_of_source(folder, source | ({"data_dir": data_dir} if data_dir else {}))
    subject = _of(settings, data)
    if folder.checkpoint.exists():
        subject.loop.restore(folder.checkpoint)
    return subject


def _of_configuration(path: str, data_dir: str | None) -> Subject:
    file = read_file(path)
    if "data" not in file:
        raise ConfigError(f"{path}: names no data; add a line such as data = 'digits'")
    folder = folder_options(file, {})
    data = load(file["data"], data_dir=data_dir or file.get("data_dir"), **folder)
    return _of(settings_of(data.name, data, file, {}), data)


def _of(settings: Settings, data: Data) -> Subject:
    training = Training(settings, data, None, ())
    return Subject(settings, training.train, training.loop)
