"""Weights from and to PyTorch's ``state_dict`` files."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError
from pullback.exchange.weights.layers import Layer, layers_of
from pullback.exchange.weights.state_dict import read_state_dict
from pullback.exchange.weights.tensors import (
    Stored,
    Tensor,
    Values,
    Wanted,
    by_name,
    by_order,
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
from pullback.train.model_file import read_tensors
from pullback.train.storage import write_whole

SAFETENSORS = ".safetensors"
SUFFIXES = (".pt", ".pth", SAFETENSORS)
COUNT = "num_batches_tracked"
"""How many batches a ``BatchNorm`` of theirs has seen, which nothing is computed of."""
TEXT = {
    "name": "{path}: expected a name that ends in .pt, .pth or .safetensors",
    "torch": "to write {path}, PyTorch is needed: pip install 'pullback[torch]'; or write a "
    ".safetensors file",
}


def from_torch(path: str | Path, model: Model) -> Model:
    """Return ``model`` with the weights of a PyTorch model of the same architecture.

    A ``.pt`` or ``.pth`` file is one of ``torch.save(module.state_dict(), path)``. Its tensors
    belong to the maps of the network in the order in which it has them, which is that in which the
    module made its layers; their names do not matter. Tensors of a ``.safetensors`` file have no
    order: they must have the names that ``to_torch`` gives them. PyTorch need not be installed, and
    nothing in the file is executed.

    Raises:
        ModelFileError: the file is missing or damaged, names something to execute, or its tensors
            are not those of such an architecture.
        ConfigError: the name of the file, or a map that PyTorch does not have.
    """
    path = Path(path)
    _check_name(path)
    expected = [want for want in _wanted(model) if want.tensor.name != COUNT]
    named = path.suffix.lower() == SAFETENSORS
    stored = _of_safetensors(path) if named else read_state_dict(path)
    found = {name: each for name, each in stored.items() if name.rpartition(".")[2] != COUNT}
    arrays = (by_name if named else by_order)(path, expected, found)
    return with_weights(path, model, expected, arrays)


def to_torch(model: Model, path: str | Path) -> None:
    """Write the weights of a model for a PyTorch module of the same architecture.

    The names are those of an ``nn.Sequential`` that has at each place what the network has there:
    ``0.weight``. They stand in the order of the maps.

    Raises:
        ConfigError: the name of the file, a map that PyTorch does not have, or of another file than
            ``.safetensors``, PyTorch is not installed.
        StorageError: the file cannot be written.
    """
    path = Path(path)
    _check_name(path)
    tensors = {want.name: np.asarray(want.value, order="C") for want in _wanted(model)}
    if path.suffix.lower() == SAFETENSORS:
        from safetensors.numpy import save

        write_whole(path, save(tensors))
        return
    try:
        import torch
    except ImportError:
        raise ConfigError(TEXT["torch"].format(path=path)) from None
    file = io.BytesIO()
    torch.save({name: torch.tensor(value) for name, value in tensors.items()}, file)
    write_whole(path, file.getvalue())


def _check_name(path: Path) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(TEXT["name"].format(path=path))


def _wanted(model: Model) -> list[Wanted]:
    layers = layers_of(model.net, model.spec, channels_first=True)
    return wanted(model, layers, "PyTorch", FORMS, _name)


def _name(layer: Layer, name: str) -> str:
    return ".".join((*(layer.path[:-1] if layer.direction else layer.path), name))


def _of_safetensors(path: Path) -> dict[str, Stored]:
    tensors, _ = read_tensors(path)
    return {name: Stored(a.shape, str(a.dtype), a.copy) for name, a in tensors.items()}


def _linear(layer: Layer) -> list[Tensor]:
    net: Any = layer.net
    return [moved("weight", "W", (1, 0), layer.order), *_bias(net.bias)]


def _bias(there: bool) -> list[Tensor]:
    return [moved("bias", "b")] if there else []


def _convolution(layer: Layer) -> list[Tensor]:
    net: Any = layer.net
    kernel = range(net.axes)
    return [moved("weight", "W", (net.axes + 1, net.axes, *kernel)), *_bias(net.bias)]


def _transposed(layer: Layer) -> list[Tensor]:
    net: Any = layer.net
    return [moved("weight", "W", (2, 3, 0, 1)), *_bias(net.bias)]


def _norm(layer: Layer) -> list[Tensor]:
    scale = moved("weight", "gamma", order=layer.order)
    return [scale, moved("bias", "beta", order=layer.order)]


def _rms_norm(layer: Layer) -> list[Tensor]:
    return _norm(layer)[:1]


def _batch_norm(layer: Layer) -> list[Tensor]:
    return [
        *_norm(layer),
        moved("running_mean", "mean", order=layer.order),
        moved("running_var", "var", order=layer.order),
        Tensor(COUNT, lambda p: np.array(0), lambda a: {}),
    ]


def _unembedding(layer: Layer) -> list[Tensor]:
    net: Any = layer.net
    return [moved("weight", "E", (0, 1)), *_bias(net.bias)]


def _attention(layer: Layer) -> list[Tensor]:
    net: Any = layer.net
    names = {"W": "in_proj_weight", "b": "in_proj_bias", "Wo": "out_proj.weight",
             "bo": "out_proj.bias"}  # fmt: skip
    kept = [ours for ours in names if net.bias or ours.startswith("W")]
    return [moved(names[ours], ours, (1, 0) if ours.startswith("W") else (0,)) for ours in kept]


def _recurrent(layer: Layer) -> list[Tensor]:
    net: Any = layer.net
    end = "_l0_reverse" if net.reverse else "_l0"
    return [
        moved(f"weight_ih{end}", "W", (1, 0)),
        moved(f"weight_hh{end}", "U", (1, 0)),
        moved(f"bias_ih{end}", "b"),
        _second_bias(f"bias_hh{end}", net),
    ]


def _second_bias(name: str, net: Any) -> Tensor:
    """Return their bias of the product with the state, a part of ``b`` here but for a GRU's."""
    if not isinstance(net, GRU):
        return Tensor(name, lambda p: np.zeros_like(p["b"]), lambda a: {"b": a})
    inside = np.arange(net.gates * net.units) >= 2 * net.units

    def write(p: Values) -> np.ndarray:
        return np.concatenate([np.zeros(2 * net.units, p["c"].dtype), p["c"]])

    def read(a: np.ndarray) -> dict[str, np.ndarray]:
        return {"b": np.where(inside, 0, a), "c": a[inside]}

    return Tensor(name, write, read)


FORMS: dict[type, Callable[[Layer], list[Tensor]]] = {
    Linear: _linear,
    Conv1d: _convolution,
    Conv2d: _convolution,
    ConvTranspose2d: _transposed,
    LayerNorm: _norm,
    GroupNorm: _norm,
    RMSNorm: _rms_norm,
    BatchNorm: _batch_norm,
    Embedding: lambda layer: [moved("weight", "E", (0, 1))],
    Unembedding: _unembedding,
    Positions: lambda layer: [moved("weight", "P", (0, 1))],
    Attention: _attention,
    RNN: _recurrent,
    LSTM: _recurrent,
    GRU: _recurrent,
}
"""Their tensors of each map, in the order in which they have them."""
