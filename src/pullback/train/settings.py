"""Everything that decides a run, apart from the data: what ``config.toml`` holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from pullback.core.errors import ConfigError, suggestion
from pullback.core.map import Map
from pullback.core.registry import Registry
from pullback.data.dataset import Data, Dataset
from pullback.data.split import HOLDOUTS
from pullback.engine import check_device
from pullback.losses.base import Loss
from pullback.optim import Optimizer
from pullback.train.metrics import Metric, as_metrics, usual_metrics

SETTINGS: Registry[Any] = Registry("settings")
DTYPES = ("float32", "float64")
NORMALIZATIONS = ("standard", "scale", "none")
COUNTS = (
    "epochs", "batch_size", "accumulate", "patience", "steps_per_epoch", "max_steps", "audit",
    "every",
)  # fmt: skip
PARTS = (
    ("net", Map, "Chain(Flatten(), Linear(10))"),
    ("loss", Loss, "losses.CrossEntropy()"),
    ("optimizer", Optimizer, "optim.SGD(lr=0.1)"),
)


@SETTINGS.register
@dataclass(frozen=True)
class Settings:
    """The settings of a run; see ``pullback.fit`` for what each means."""

    net: Map
    loss: Loss
    optimizer: Optimizer
    metrics: tuple[Metric, ...]
    epochs: int = 10
    batch_size: int | None = None
    validation: float = 0.0
    holdout: str = "random"
    seed: int = 0
    dtype: str = "float32"
    normalize: str = "standard"
    augment: Map | None = None
    mixup: float = 0.0
    accumulate: int = 1
    until_loss: float | None = None
    patience: int | None = None
    steps_per_epoch: int | None = None
    max_steps: int | None = None
    max_seconds: float | None = None
    audit: int | None = None
    watch: tuple[str, ...] = ()
    every: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name, kind, example in PARTS:
            if not isinstance(getattr(self, name), kind):
                raise ConfigError(
                    f"{name}={getattr(self, name)!r}; expected one such as pullback.{example}"
                )
        for name in COUNTS:
            self._check_count(name)
        check_device(self.device)
        _check_choice("dtype", self.dtype, DTYPES)
        _check_choice("holdout", self.holdout, HOLDOUTS)
        _check_choice("normalize", self.normalize, NORMALIZATIONS)
        if not 0 <= self.validation < 1:
            raise ConfigError(
                f"validation={self.validation!r}; expected a share from 0 up to, not with, 1"
            )
        if self.augment is not None and not isinstance(self.augment, Map):
            raise ConfigError(
                f"augment={self.augment!r}; expected a map such as pullback.RandomShift(1)"
            )
        if not 0 <= self.mixup < float("inf"):
            raise ConfigError(f"mixup={self.mixup!r}; expected a number of at least 0")
        if self.max_seconds is not None and self.max_seconds <= 0:
            raise ConfigError(f"max_seconds={self.max_seconds!r}; expected a number above 0")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed={self.seed!r}; expected a whole number from 0 to 2^63 - 1")

    def _check_count(self, name: str) -> None:
        value = getattr(self, name)
        optional = name not in ("epochs", "accumulate", "every")
        if value is None and optional:
            return
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigError(f"{name}={value!r}; expected a whole number of at least 1")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{name}={value!r}; expected one of {', '.join(choices)}")


def settings_for(
    net: Map,
    data: Dataset | Data,
    *,
    loss: Loss,
    optimizer: Optimizer,
    batch_size: int | None = 128,
    metrics: Sequence[Any] | None = None,
    **others: Any,
) -> Settings:
    """Return the settings that ``fit`` makes of its arguments.

    Raises:
        ConfigError: an unknown name, a value that cannot be used, or data that are no data set.
    """
    if not isinstance(data, Dataset | Data):
        raise ConfigError(
            f"data is a {type(data).__name__}; make a data set of arrays with "
            "pullback.data.from_arrays(x, y)"
        )
    known = [field.name for field in fields(Settings)]
    for name in others:
        if name not in known:
            raise ConfigError(f"unknown setting {name!r}.{suggestion(name, known)}")
    chosen = as_metrics(usual_metrics(loss, data.classes) if metrics is None else metrics)
    return Settings(net, loss, optimizer, chosen, batch_size=batch_size, **others)
