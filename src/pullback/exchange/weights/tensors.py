"""Tensors of other libraries in terms of ours, and ours in terms of theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pullback.core.errors import ConfigError, ModelFileError
from pullback.core.tree import map_leaves
from pullback.exchange.weights.layers import Layer
from pullback.train.model import Model

Values = Mapping[str, np.ndarray]
"""The parameters and the state of one map, by name."""
TEXT = {
    "no form": "{library} has no layer for {layer}, so its weights cannot be exchanged",
    "shape": "{path}: {theirs} is {found}, and {ours} needs {wanted}; use the file of a model "
    "of the same architecture",
    "missing": "{path}: {theirs} {wanted} of {ours} is missing; use the file of a model of the "
    "same architecture",
    "extra": "{path}: the network has no place for {theirs} {found}; use the file of a model of "
    "the same architecture",
    "numbers": "{path}: {theirs} holds {dtype}; expected floating-point numbers",
    "shared": "{path}: {ours} shares its {name} with a map before it, but the file has two "
    "different tensors for them",
}


class Tensor(NamedTuple):
    """One of their tensors of a layer: its name there, what it is of ours, and the way back.

    What ``read`` returns of several tensors under one name is added up.
    """

    name: str
    write: Callable[[Values], np.ndarray]
    read: Callable[[np.ndarray], dict[str, np.ndarray]]


class Stored(NamedTuple):
    """A tensor in a file: its shape, the name of its dtype, and how to get it."""

    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Wanted:
    """A tensor that a file must have for a network, under its whole name there."""

    name: str
    layer: Layer
    tensor: Tensor
    value: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape there."""
        return self.value.shape


def moved(
    name: str, ours: str, axes: Sequence[int] = (0,), order: np.ndarray | None = None
) -> Tensor:
    """Return our tensor with its axes moved, and its first one in the order of their features."""
    back = np.argsort(axes)

    def write(p: Values) -> np.ndarray:
        a = p[ours] if order is None else p[ours][order]
        return a.transpose(axes)

    def read(a: np.ndarray) -> dict[str, np.ndarray]:
        a = a.transpose(back)
        return {ours: a if order is None else a[np.argsort(order)]}

    return Tensor(name, write, read)


def wanted(
    model: Model,
    layers: Iterable[Layer],
    library: str,
    forms: Mapping[type, Callable[[Layer], list[Tensor]]],
    names: Callable[[Layer, str], str],
) -> list[Wanted]:
    """Return the tensors of ``layers`` in a library's form, with our values.

    Raises:
        ConfigError: a map that the library does not have.
    """
    found = []
    for layer in layers:
        form = forms.get(type(layer.net))
        if form is None:
            raise ConfigError(TEXT["no form"].format(library=library, layer=layer.name))
        own = {**_inside(model.theta, layer.path), **_inside(model.state, layer.path)}
        for tensor in form(layer):
            value = tensor.write(own)
            found.append(Wanted(names(layer, tensor.name), layer, tensor, value))
    return found


def _inside(tree: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any]:
    for name in path:
        tree = tree.get(name, {})
    return tree


def by_order(path: Path, expected: list[Wanted], found: Mapping[str, Stored]) -> list[np.ndarray]:
    """Return the tensors of a file in the order in which it has them.

    Raises:
        ModelFileError: one is of another shape, or there are more or fewer.
    """
    pairs = zip_longest(expected, found.items())
    return [_checked(path, want, *(entry or ("", None))) for want, entry in pairs]


def by_name(path: Path, expected: list[Wanted], found: Mapping[str, Stored]) -> list[np.ndarray]:
    """Return the tensors of a file that have the expected names.

    Raises:
        ModelFileError: one is missing, not known, or of another shape.
    """
    arrays = [_checked(path, want, want.name, found.get(want.name)) for want in expected]
    for name in found.keys() - {want.name for want in expected}:
        _checked(path, None, name, found[name])
    return arrays


def _checked(path: Path, want: Wanted | None, name: str, stored: Stored | None) -> np.ndarray:
    if want is None:
        assert stored is not None
        raise ModelFileError(TEXT["extra"].format(path=path, theirs=name, found=stored.shape))
    ours = want.layer.name
    if stored is None:
        text = TEXT["missing"].format(path=path, theirs=want.name, ours=ours, wanted=want.shape)
        raise ModelFileError(text)
    if tuple(stored.shape) != want.shape:
        text = TEXT["shape"].format(
            path=path, theirs=name, found=stored.shape, ours=f"{ours} {want.tensor.name}",
            wanted=want.shape,
        )  # fmt: skip
        raise ModelFileError(text)
    if not stored.dtype.startswith(("float", "bfloat")):
        raise ModelFileError(TEXT["numbers"].format(path=path, theirs=name, dtype=stored.dtype))
    return stored.load()


def with_weights(
    path: Path, model: Model, expected: list[Wanted], arrays: list[np.ndarray]
) -> Model:
    """Return the model with the numbers of a file, in the dtype of its own.

    Raises:
        ModelFileError: parameters that are shared here differ in the file.
    """
    theta, state = model.theta.copy(), map_leaves(np.array, model.state)
    sums: dict[tuple[str, ...], dict[str, np.ndarray]] = {}
    for want, array in zip(expected, arrays, strict=True):
        own = sums.setdefault(want.layer.path, {})
        for name, part in want.tensor.read(array).items():
            # of two biases that are one here, without rounding twice
            own[name] = np.add(own[name], part, dtype=np.float64) if name in own else part
    layers = {want.layer.path: want.layer for want in expected}
    aliases = theta.layout.aliases
    for place, own in sums.items():
        for name, total in own.items():
            tree = theta if name in _inside(theta, place) else state
            target = _inside(tree, place)[name]
            total = total.astype(target.dtype)
            if (*place, name) in aliases and not np.array_equal(target, total):
                text = TEXT["shared"].format(path=path, ours=layers[place].name, name=name)
                raise ModelFileError(text)
            target[...] = total
    return replace(model, theta=theta, state=state)
