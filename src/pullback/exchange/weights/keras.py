"""Weights from and to Keras: ``.weights.h5`` and ``.keras`` files."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError
from pullback.exchange.weights.hdf5 import (
    ARCHIVE,
    DESCRIPTION,
    MEMBER,
    h5py_library,
    open_weights,
)
from pullback.exchange.weights.keras_layers import description, metadata
from pullback.exchange.weights.layers import Layer, layers_of
from pullback.exchange.weights.tensors import (
    Tensor,
    Values,
    Wanted,
    by_name,
    moved,
    wanted,
    with_weights,
)
from pullback.maps import (
    GRU,
    LSTM,
    RNN,
    Attention,
    BatchNorm,
    Conv1d,
    Conv2d,
    ConvTranspose2d,
    Embedding,
    GroupNorm,
    LayerNorm,
    Linear,
    Positions,
    RMSNorm,
    Unembedding,
)
from pullback.train.model import Model
from pullback.train.storage import write_whole

WEIGHTS = ".weights.h5"
SUFFIXES = (".h5", ARCHIVE)
CLASSES: dict[type, str] = {
    Linear: "dense",
    Conv1d: "conv1d",
    Conv2d: "conv2d",
    ConvTranspose2d: "conv2d_transpose",
    LayerNorm: "layer_normalization",
    GroupNorm: "group_normalization",
    RMSNorm: "rms_normalization",
    BatchNorm: "batch_normalization",
    Embedding: "embedding",
    Unembedding: "dense",
    Positions: "embedding",
    Attention: "multi_head_attention",
    RNN: "simple_rnn",
    LSTM: "lstm",
    GRU: "gru",
}
"""What a Keras file calls the first layer of a kind; the next has ``_1`` behind it."""
PAIR = "bidirectional"
TEXT = {
    "suffix": "{path}: expected a name that ends in .weights.h5 or .keras",
}


def from_keras(path: str | Path, model: Model) -> Model:
    """Return ``model`` with the weights of a Keras model of the same architecture.

    The file is one of ``save_weights`` (``.weights.h5``) or ``save`` (``.keras``) of a
    ``Sequential`` or functional model of Keras 3. Its layers of a kind belong to the maps of that
    kind in their order. Of a ``.keras`` file, which says it, ``eps`` of norms must be that of the
    network. Only numbers and names are read; nothing in the file is executed.

    Raises:
        ModelFileError: the file is missing or damaged, or its tensors are not those of such an
            architecture.
        ConfigError: the name of the file, a map that Keras does not have, or ``h5py`` is not
            installed.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(TEXT["suffix"].format(path=path))
    expected = _wanted(model)
    with open_weights(path) as file:
        file.check_eps([want.layer for want in expected])
        arrays = by_name(path, expected, file.stored())
    return with_weights(path, model, expected, arrays)


def to_keras(model: Model, path: str | Path) -> None:
    """Write a model as ``*.keras``, or its weights as ``*.weights.h5``.

    The first is a ``Sequential`` model that ``keras.saving.load_model`` opens, and gets raw
    examples; the network must be a chain of maps that Keras has layers for. The second is for
    ``load_weights`` of a ``Sequential`` or functional model of Keras 3 with the same layers in the
    same order.

    Raises:
        ConfigError: the name of the file, a map that Keras does not have, or ``h5py`` is not
            installed.
        StorageError: the file cannot be written.
    """
    path = Path(path)
    whole = path.suffix.lower() == ARCHIVE
    if not (whole or path.name.lower().endswith(WEIGHTS)):
        raise ConfigError(TEXT["suffix"].format(path=path))
    write_whole(path, _archive(model) if whole else _weights(model))


def _weights(model: Model) -> bytes:
    content = io.BytesIO()
    with h5py_library().File(content, "w") as file:
        for want in _wanted(model):
            file[want.name] = want.value
    return content.getvalue()


def _archive(model: Model) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, member in (
            ("metadata.json", metadata()), (DESCRIPTION, description(model)),
            (MEMBER, _weights(model)),
        ):  # fmt: skip
            # without the time of day: one model, one file
            archive.writestr(zipfile.ZipInfo(name), member)
    return content.getvalue()


def _wanted(model: Model) -> list[Wanted]:
    layers = layers_of(model.net, model.spec, channels_first=False)
    names = _names(layers)
    return wanted(model, layers, "Keras", FORMS, lambda layer, name: f"{names[layer.path]}/{name}")


def _names(layers: list[Layer]) -> dict[tuple[str, ...], str]:
    """Return the folder of each layer in a file, by path."""
    count: Counter[str] = Counter()
    names = {}
    for layer in layers:
        kind = PAIR if layer.direction else CLASSES.get(type(layer.net), "")
        number = count[kind] - (layer.direction == "backward")
        names[layer.path] = f"layers/{kind}_{number}" if number else f"layers/{kind}"
        count[kind] = number + 1
        if layer.direction:
            names[layer.path] += f"/{layer.direction}_layer"
    return names


def _vars(*tensors: Tensor) -> list[Tensor]:
    return [tensor._replace(name=f"vars/{i}") for i, tensor in enumerate(tensors)]


def _same(*ours: str) -> Callable[[Layer], list[Tensor]]:
    """Return the form of a layer whose tensors are the same as ours, with its ``bias`` if any."""

    def form(layer: Layer) -> list[Tensor]:
        kept = [name for name in ours if name != "b" or getattr(layer.net, "bias", True)]
        return _vars(*(_whole(name) for name in kept))

    return form


def _whole(ours: str) -> Tensor:
    return Tensor("", lambda p: p[ours], lambda a: {ours: a})


def _transposed(layer: Layer) -> list[Tensor]:
    net: Any = layer.net
    return _vars(moved("", "W", (0, 1, 3, 2)), *([_whole("b")] if net.bias else []))


def _unembedding(layer: Layer) -> list[Tensor]:
    net: Any = layer.net
    return _vars(moved("", "E", (1, 0)), *([_whole("b")] if net.bias else []))


def _recurrent(layer: Layer) -> list[Tensor]:
    return _in_cell(_whole("W"), _whole("U"), _whole("b"))


def _in_cell(*tensors: Tensor) -> list[Tensor]:
    return [tensor._replace(name=f"cell/{tensor.name}") for tensor in _vars(*tensors)]


def _gru(layer: Layer) -> list[Tensor]:
    """Return the tensors of a GRU, whose first two gates stand the other way round there.

    It has two biases, as ``reset_after`` is True: of the inputs, and of the state.
    """
    net: Any = layer.net
    units = net.units

    def swapped(a: np.ndarray) -> np.ndarray:
        parts = [a[..., i * units : (i + 1) * units] for i in (1, 0, 2)]
        return np.concatenate(parts, axis=-1)

    def product(ours: str) -> Tensor:
        return Tensor("", lambda p: swapped(p[ours]), lambda a: {ours: swapped(a)})

    def write(p: Values) -> np.ndarray:
        return np.stack([swapped(p["b"]), np.concatenate([0 * p["b"][: 2 * units], p["c"]])])

    def read(a: np.ndarray) -> dict[str, np.ndarray]:
        gates = np.arange(3 * units) < 2 * units
        total = np.add(a[0], np.where(gates, a[1], 0), dtype=np.float64)
        return {"b": swapped(total), "c": a[1][2 * units :]}

    return _in_cell(product("W"), product("U"), Tensor("", write, read))


def _attention(layer: Layer) -> list[Tensor]:
    net: Any = layer.net
    found = []
    for place, name in enumerate(("query", "key", "value")):
        found += _group(f"{name}_dense", [_part(ours, place, net.heads) for ours in _biased(net)])
    return found + _group("output_dense", [_out(net.heads), *([_whole("bo")] * net.bias)])


def _group(name: str, tensors: list[Tensor]) -> list[Tensor]:
    return [tensor._replace(name=f"{name}/{tensor.name}") for tensor in _vars(*tensors)]


def _biased(net: Any) -> tuple[str, ...]:
    return ("W", "b") if net.bias else ("W",)


def _part(ours: str, place: int, heads: int) -> Tensor:
    """Return a third of the joined product or bias, its last axis by head."""

    def write(p: Values) -> np.ndarray:
        a = np.split(p[ours], 3, axis=-1)[place]
        return a.reshape((*a.shape[:-1], heads, -1))

    def read(a: np.ndarray) -> dict[str, np.ndarray]:
        a = a.reshape((*a.shape[:-2], -1))
        parts = [a if i == place else np.zeros_like(a) for i in range(3)]
        return {ours: np.concatenate(parts, axis=-1)}

    return Tensor("", write, read)


def _out(heads: int) -> Tensor:
    return Tensor(
        "",
        lambda p: p["Wo"].reshape((heads, -1, p["Wo"].shape[-1])),
        lambda a: {"Wo": a.reshape((-1, a.shape[-1]))},
    )


FORMS: dict[type, Callable[[Layer], list[Tensor]]] = {
    Linear: _same("W", "b"),
    Conv1d: _same("W", "b"),
    Conv2d: _same("W", "b"),
    ConvTranspose2d: _transposed,
    LayerNorm: _same("gamma", "beta"),
    GroupNorm: _same("gamma", "beta"),
    RMSNorm: _same("gamma"),
    BatchNorm: _same("gamma", "beta", "mean", "var"),
    Embedding: _same("E"),
    Unembedding: _unembedding,
    Positions: _same("P"),
    Attention: _attention,
    RNN: _recurrent,
    LSTM: _recurrent,
    GRU: _gru,
}
"""Their tensors of each map."""
