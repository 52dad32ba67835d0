"""From options to a run: which value each option takes, and what is built from them.

A flag beats the configuration file, which beats the preset, which beats the data set's recipe,
which beats the defaults.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pullback import models
from pullback.cli.augment import build_augment
from pullback.cli.options import RECIPE_OPTIONS
from pullback.core.config import from_config
from pullback.core.errors import ConfigError, PullbackError, suggestion
from pullback.core.initializers import INITIALIZERS
from pullback.core.map import MAPS, Map
from pullback.data.dataset import Data, Dataset
from pullback.losses.base import LOSSES
from pullback.optim import OPTIMIZERS, Optimizer, chain
from pullback.optim import transforms as update
from pullback.optim.schedules import SCHEDULES, ConstantLR
from pullback.train.metrics import as_metrics, usual_metrics
from pullback.train.settings import Settings

Recipe = dict[str, Any]

DEFAULTS: Recipe = {
    "model": "mlp:128,64",
    "activation": "relu",
    "dropout": 0.0,
    "label_smoothing": 0.0,
    "optimizer": "adam",
    "lr": 0.002,
    "schedule": "one_cycle",
    "ema": 0.0,
    "epochs": 10,
    "batch_size": 128,
    "validation": 0.1,
    "holdout": "random",
    "seed": 0,
    "dtype": "float32",
    "normalize": "standard",
    "shift": 0,
    "augment": "",
    "mixup": 0.0,
    "accumulate": 1,
    "weight_decay": 0.0,
}

RECIPES: dict[str, Recipe] = {
    "mnist": {"lr": 0.004, "batch_size": 64, "weight_decay": 0.1, "shift": 1},
    "mnist small_cnn": {
        "lr": 0.003,
        "batch_size": 128,
        "weight_decay": 0.05,
        "shift": 2,
        "epochs": 12,
        "validation": 0.05,
    },
    "table": {
        "normalize": "none",
        "dropout": 0.3,
        "weight_decay": 0.2,
        "ema": 0.99,
        "patience": 15,
    },
    "digits": {
        "lr": 0.01,
        "batch_size": 32,
        "epochs": 100,
        "weight_decay": 0.1,
        "shift": 1,
        "holdout": "stratified",
    },
}
"""What goes well with each data set, and with it and a model; measured, see docs/benchmarks.md."""

PRESETS: dict[str, Recipe] = {
    "reference": {
        "model": "mlp:128,64",
        "activation": "relu",
        "dropout": 0.0,
        "init": "glorot_uniform",
        "label_smoothing": 0.0,
        "optimizer": "sgd",
        "lr": 0.01,
        "schedule": "constant",
        "ema": 0.0,
        "weight_decay": 0.0,
        "epochs": 10,
        "batch_size": 128,
        "validation": 0.1,
        "holdout": "last",
        "normalize": "scale",
        "shift": 0,
        "accumulate": 1,
    }
}
"""``reference`` is the textbook's program: plain SGD on a 784-128-64-10 perceptron."""

SOURCE_KEYS = ("data", "data_dir", "folder", "table", "preset")
SCALARS = tuple(
    field.name for field in fields(Settings) if field.name not in ("net", "loss", "optimizer")
)


def read_file(path: str | None) -> Recipe:
    """Return the options of a TOML file, checked for unknown keys and wrong types."""
    if path is None:
        return {}
    content = _read_toml(path)
    known = {option.key: option for option in RECIPE_OPTIONS}
    allowed = (*known, *SOURCE_KEYS, "settings")
    for key, value in content.items():
        if key not in allowed:
            raise ConfigError(f"{path}: unknown key {key!r}.{suggestion(key, allowed)}")
        if key in known:
            content[key] = _typed(f"{path}: {key}", value, known[key].type, known[key].many)
    return content


def _read_toml(path: str) -> Recipe:
    try:
        return tomllib.loads(Path(path).read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such configuration file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as TOML: {error}") from None


def _typed(where: str, value: Any, kind: Any, many: bool) -> Any:
    if isinstance(value, dict) and kind is str:  # a description in full
        return value
    items = value if many and isinstance(value, list) else [value]
    for item in items:
        accepted = (int, float) if kind is float else kind
        if not isinstance(item, accepted) or isinstance(item, bool):
            raise ConfigError(f"{where} = {value!r}; expected a value of type {kind.__name__}")
    return value


def merge(name: str, file: Recipe, flags: Recipe) -> Recipe:
    """Return the value of every option."""
    preset = flags.get("preset") or file.get("preset")
    if preset is not None and preset not in PRESETS:
        raise ConfigError(f"unknown preset {preset!r}.{suggestion(preset, PRESETS)}")
    given = {**(PRESETS[preset] if preset else {}), **file, **flags}
    model = given.get("model")
    own = RECIPES.get(f"{name} {model}", {}) if isinstance(model, str) else {}
    return {**DEFAULTS, **RECIPES.get(name, {}), **own, **given}


def of_table(train: Dataset) -> Recipe:
    """Return the network, batches and epochs of a table.

    Small ones need a smaller network, and more batches and epochs to learn as much. Of each class
    the same share is held out.
    """
    rows = len(train)
    return {
        "model": "mlp:256,128" if rows > 2_000 else "mlp:64,32",
        "holdout": "random" if train.classes is None else "stratified",
        "epochs": min(200, max(20, 100_000 // rows)),
        "batch_size": 128 if rows > 2_000 else 32,
    }


def settings_of(name: str, data: Data, file: Recipe, flags: Recipe) -> Settings:
    """Return the settings of a run on ``data``, from a file's options and the flags."""
    if "settings" in file:
        return _adjusted(file["settings"], flags)
    if data.table is not None:
        recipe = merge("table", {**of_table(data.train), **file}, flags)
    else:
        recipe = merge(name, file, flags)
    net = build_net(recipe, data)
    loss = build_loss(recipe, data)
    chosen = {key: recipe[key] for key in SCALARS if recipe.get(key) is not None}
    usual = usual_metrics(loss, data.classes)
    chosen["metrics"] = as_metrics(dict.fromkeys((*usual, *recipe.get("metrics", ()))))
    chosen["augment"] = build_augment(recipe)
    return Settings(net=net, loss=loss, optimizer=build_optimizer(recipe), **chosen)


def _adjusted(description: Any, flags: Recipe) -> Settings:
    """Return the settings that a run's own ``config.toml`` holds, with plain ones replaced."""
    settings = from_config(description)
    if not isinstance(settings, Settings):
        raise ConfigError("[settings] does not describe a run; expected type = 'Settings'")
    for key in flags:
        if key not in SCALARS and key not in SOURCE_KEYS:
            raise ConfigError(
                f"--{key.replace('_', '-')} cannot change a configuration that has [settings]; "
                "edit [settings] in the file instead"
            )
    changes = {key: value for key, value in flags.items() if key in SCALARS}
    if "metrics" in changes:
        changes["metrics"] = as_metrics(changes["metrics"])
    if "augment" in changes:
        changes["augment"] = build_augment(changes)
    return replace(settings, **changes)


def build_net(recipe: Recipe, data: Data) -> Map:
    """Return the network of ``model``: a name with sizes, a TOML file, or a description in full."""
    model = recipe["model"]
    if isinstance(model, str) and model.endswith(".toml"):
        model = _read_toml(model)
    if isinstance(model, Mapping):
        net = from_config(dict(model))
        if not isinstance(net, Map):
            raise ConfigError(f"model: {model.get('type')!r} is not a map")
        return net
    name, _, sizes = model.partition(":")
    try:
        numbers = [int(size) for size in sizes.split(",") if size]
    except ValueError:
        raise ConfigError(f"model {model!r}; the sizes are whole numbers, as mlp:128,64") from None
    if name == "mlp":
        return _mlp(numbers, recipe, data)
    factory, most = NETWORKS.get(name, (None, 0))
    if factory is None or len(numbers) > most:
        raise ConfigError(f"model {model!r}; {TEXT_MODEL}{suggestion(name, ('mlp', *NETWORKS))}")
    return factory(*numbers, outputs=_outputs(data))


NETWORKS: dict[str, tuple[Callable[..., Map], int]] = {
    "lenet": (models.lenet, 0),
    "small_cnn": (models.small_cnn, 0),
    "resnet": (models.resnet, 2),
}
"""Networks that can be named, and how many sizes may follow after a colon."""
TEXT_MODEL = (
    "expected mlp:128,64 (the hidden widths), lenet, small_cnn, resnet:20,16 (depth and width), "
    "or a .toml file."
)


def _mlp(hidden: list[int], recipe: Recipe, data: Data) -> Map:
    init = INITIALIZERS.get(recipe["init"])() if recipe.get("init") else None
    activation = MAPS.get(recipe["activation"])()
    net = models.mlp(
        hidden, _outputs(data), activation=activation, dropout=recipe["dropout"], init=init
    )
    counts = getattr(data.table, "embedded", ())
    return models.with_vectors(data.table.width, counts, net) if counts else net


def _outputs(data: Data) -> int:
    if data.classes is not None:
        return len(data.classes)
    return 1 if data.train.y.ndim == 1 else int(data.train.y.shape[1])


def build_loss(recipe: Recipe, data: Data) -> Any:
    """Return the loss: by name, or what suits the targets."""
    name = recipe.get("loss") or ("CrossEntropy" if data.classes is not None else "SquaredError")
    if isinstance(name, Mapping):
        return from_config(dict(name))
    smoothing = recipe["label_smoothing"]
    cls = LOSSES.get(name)
    if not smoothing:
        return cls()
    try:
        return cls(label_smoothing=smoothing)  # type: ignore[call-arg]
    except TypeError:
        raise ConfigError(f"label_smoothing goes with CrossEntropy, not with {name}") from None


def build_optimizer(recipe: Recipe) -> Optimizer:
    """Return the update rule with its schedule, penalties, clipping and averaging around it."""
    if isinstance(recipe["optimizer"], Mapping):
        rule = from_config(dict(recipe["optimizer"]))
        if not isinstance(rule, Optimizer):
            raise ConfigError("optimizer: the description is not of an update rule")
        return rule
    rule = _call(OPTIMIZERS.get(recipe["optimizer"]), lr=_schedule(recipe))
    before = [
        (update.L1, recipe.get("l1")),
        (update.L2, recipe.get("l2")),
        (update.ClipValue, recipe.get("clip_value")),
        (update.ClipNorm, recipe.get("clip_norm")),
        (update.ClipGlobalNorm, recipe.get("clip_global_norm")),
    ]
    after = [
        (update.DecoupledDecay, recipe.get("weight_decay")),
        (update.EMA, recipe.get("ema")),
    ]
    steps = [
        *(cls(value) for cls, value in before if value),
        rule,
        *(cls(value) for cls, value in after if value),
    ]
    return chain(*steps) if len(steps) > 1 else rule


def _schedule(recipe: Recipe) -> Any:
    if isinstance(recipe["schedule"], Mapping):
        return from_config(dict(recipe["schedule"]))
    if not recipe["lr"] > 0:
        raise ConfigError(f"lr={recipe['lr']!r}; expected a number above 0")
    schedule = SCHEDULES.get(recipe["schedule"])
    return recipe["lr"] if schedule is ConstantLR else _call(schedule, recipe["lr"])


def _call(cls: Any, *values: Any, **named: Any) -> Any:
    try:
        return cls(*values, **named)
    except PullbackError:
        raise
    except TypeError as error:
        raise ConfigError(f"{cls.__name__}: {error}; describe it in a --config file") from None
