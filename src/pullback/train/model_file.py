"""Model files: safetensors with a description that can name registered classes only.

The tensors are ``params.<path>`` and ``state.<path>``; the header's ``pullback`` entry is JSON
with the network, loss, input, normalisation, classes, and how pictures, texts or sounds become
examples. Nothing in it can run code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pullback.core.config import from_config, to_config
from pullback.core.errors import ModelFileError, PullbackError
from pullback.core.map import Map
from pullback.core.spec import Spec
from pullback.core.theta import Layout
from pullback.core.tree import dotted, leaves, map_leaves, unflatten
from pullback.data.images import AnyFormat
from pullback.data.normalize import Affine
from pullback.losses.base import Loss
from pullback.train.model import Model
from pullback.train.storage import write_whole

FORMAT = "pullback-model-1"
NAME = "model.safetensors"
IMAGE = AnyFormat | None


def save_model(model: Model, path: Path) -> None:
    """Write ``model`` to ``path``, whole or not at all.

    Raises:
        ConfigError: the network holds something that is not registered, such as a lifted map.
        StorageError: the file cannot be written.
    """
    from safetensors.numpy import save

    header = {
        "format": FORMAT,
        "net": to_config(model.net),
        "loss": to_config(model.loss),
        "input": {"shape": list(model.input.shape), "dtype": model.input.dtype},
        "normalizer": to_config(model.normalizer),
        "classes": list(model.classes) if model.classes is not None else None,
        "image": to_config(model.image),
        "tokenizer": to_config(model.tokenizer),
        "rate": model.rate,
        "table": to_config(model.table),
    }
    tensors = {
        f"params.{entry.name}": model.theta.flat[entry.start : entry.stop].reshape(entry.shape)
        for entry in model.theta.layout.entries
        if not entry.alias
    }
    tensors |= {f"state.{dotted(path)}": value for path, value in leaves(model.state)}
    write_whole(path, save(tensors, {"pullback": json.dumps(header)}))


def read_tensors(
    path: Path, names: Sequence[str] | None = None
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the tensors (of ``names``, or all) and the header's entries of a safetensors file.

    Raises:
        ModelFileError: the file is missing, damaged, or not of this format.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ModelFileError(f"{path}: there is no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {
                name: file.get_tensor(name) for name in (file.keys() if names is None else names)
            }
            return tensors, file.metadata() or {}
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise ModelFileError(
            f"{path}: not a readable safetensors file ({_one_line(error)}); "
            "it may be damaged or cut short: copy it again, or train again"
        ) from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def load_model(path: str | Path) -> Model:
    """Read a model that ``Model.save`` wrote, or that of a run, given its folder.

    Raises:
        ModelFileError: the file is missing, damaged, or its tensors are not those of the network
            that it describes.
    """
    path = Path(path)
    if path.is_dir():
        path = path / NAME
    tensors, metadata = read_tensors(path)
    try:
        header = json.loads(metadata["pullback"])
        if header["format"] != FORMAT:
            raise ModelFileError(
                f"{path}: format {header['format']!r}, expected {FORMAT!r}; "
                "it was written by another version"
            )
        net = _described(path, header, "net", Map)
        input_spec = Spec(tuple(header["input"]["shape"]), header["input"]["dtype"])
        parts = {
            name: _described(path, header, name, kind)
            for name, kind in (("loss", Loss), ("normalizer", Affine), ("image", IMAGE))
        }
        # files of earlier versions name neither
        parts["tokenizer"] = _tokenizer(path, header) if header.get("tokenizer") else None
        parts["rate"] = _rate(path, header.get("rate"))
        parts["table"] = _table(path, header) if header.get("table") else None
        classes = tuple(header["classes"]) if header["classes"] is not None else None
    except ModelFileError:
        raise
    except PullbackError as error:
        raise ModelFileError(f"{path}: its description cannot be used: {error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{path}: not a Pullback model ({_one_line(error)} in its description); "
            "expected a file written by save, or model.safetensors of a run"
        ) from None
    return _assemble(path, net, tensors, input_spec, classes, parts)


def is_model(path: str | Path) -> bool:
    """Tell whether a safetensors file says that it is a model, and not weights alone.

    Raises:
        ModelFileError: the file is missing, damaged, or not of this format.
    """
    return "pullback" in read_tensors(Path(path), ())[1]


def _described(path: Path, header: dict[str, Any], name: str, kind: Any) -> Any:
    """Return what the header's entry ``name`` describes, which must be of ``kind``."""
    found = from_config(header[name])
    if not isinstance(found, kind):
        raise ModelFileError(
            f"{path}: its {name!r} describes a {type(found).__name__}; the file was tampered with"
        )
    return found


def _tokenizer(path: Path, header: dict[str, Any]) -> Any:
    # here, because the name of a tokenizer is known once the tokenizers have been loaded
    from pullback.data.text import Tokenizer

    return _described(path, header, "tokenizer", Tokenizer)


def _table(path: Path, header: dict[str, Any]) -> Any:
    from pullback.data.tables import Preparation

    return _described(path, header, "table", Preparation)


def _rate(path: Path, rate: Any) -> int | None:
    if rate is not None and (type(rate) is not int or rate < 1):
        raise ModelFileError(f"{path}: {rate!r} samples a second; the file was tampered with")
    return rate


def _assemble(
    path: Path,
    net: Any,
    tensors: Mapping[str, np.ndarray],
    input_spec: Spec,
    classes: tuple[str, ...] | None,
    parts: dict[str, Any],
) -> Model:
    params = {n.removeprefix("params."): t for n, t in tensors.items() if n.startswith("params.")}
    dtype = str(next(iter(params.values())).dtype) if params else "float32"
    spec = Spec(input_spec.shape, dtype)
    try:
        layout = Layout.of(net.params(spec))
        declared_state = net.state(spec)
    except PullbackError as error:
        raise ModelFileError(f"{path}: {error}") from None
    expected = {entry.name: entry.shape for entry in layout.entries if not entry.alias}
    check_same(path, expected, {name: tensor.shape for name, tensor in params.items()})
    theta = layout.view(np.empty(layout.size, dtype))
    for entry in layout.entries:
        if not entry.alias:
            theta.flat[entry.start : entry.stop] = params[entry.name].reshape(-1)
    slots = {f"state.{dotted(p)}": slot.shape for p, slot in leaves(declared_state)}
    stored = {n: t.shape for n, t in tensors.items() if n.startswith("state.")}
    check_same(path, slots, stored)
    state = unflatten({p: tensors[f"state.{dotted(p)}"] for p, _ in leaves(declared_state)})
    return Model(net, theta, map_leaves(np.array, state), parts["loss"], input_spec,
                 parts["normalizer"], classes, parts["image"], parts["tokenizer"],
                 parts["rate"], parts["table"])  # fmt: skip


def check_same(
    path: Path, expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> None:
    """Raise ``ModelFileError`` at the first tensor by which two architectures differ."""
    for name in (*expected, *found):
        want, have = expected.get(name), found.get(name)
        if want is None or have is None or tuple(want) != tuple(have):
            raise ModelFileError(
                f"{path}: from another architecture: {name} is {have or 'missing'} in the file, "
                f"{want or 'not known'} in the network; use the network that it was saved with"
            )
