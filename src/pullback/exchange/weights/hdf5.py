"""The files of Keras as plain tensors: what is in them besides numbers is not followed."""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError, ModelFileError
from pullback.exchange.weights.layers import Layer
from pullback.exchange.weights.tensors import Stored
from pullback.maps import BatchNorm, GroupNorm, LayerNorm, RMSNorm

ARCHIVE = ".keras"
MEMBER, DESCRIPTION = "model.weights.h5", "config.json"
LAYERS = "layers"
RANDOM = "seed_generator"
"""Where a layer keeps the place in its stream of random numbers, which is no weight."""
BROKEN = (
    zipfile.BadZipFile, struct.error, OSError, RuntimeError, ValueError, TypeError, LookupError,
    OverflowError, EOFError,
)  # fmt: skip
"""What reading a damaged file may raise."""
NORMS: dict[str, type] = {
    "BatchNormalization": BatchNorm,
    "LayerNormalization": LayerNorm,
    "GroupNormalization": GroupNorm,
    "RMSNormalization": RMSNorm,
}
TEXT = {
    "extra": "files of Keras need h5py; install it: pip install 'pullback[keras]'",
    "absent": "{path}: there is no such file",
    "damaged": "{path}: damaged, cut short, or not a file of Keras 3 ({why}); copy it again, or "
    "save it there again",
    "layers": "{path}: no layers are in it; expected the weights of a Sequential or functional "
    "model of Keras 3",
    "outside": "{path}: {name} is kept in pieces or in another file, which Keras does not do; "
    "save it there again",
    "eps": "{path}: eps of {ours} is {found} there and {wanted} here; make the network with "
    "eps={found}",
}


def h5py_library() -> Any:
    """Return the module ``h5py``.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise ConfigError(TEXT["extra"]) from None
    return h5py


@dataclass(frozen=True)
class WeightsFile:
    """An open file of weights, and the description of the model where there is one."""

    path: Path
    file: Any
    description: Any

    def stored(self) -> dict[str, Stored]:
        """Return the tensors of all layers by name.

        Links are not followed, and what is kept in pieces or in other files is refused.

        Raises:
            ModelFileError: there are no layers, or a tensor that is kept elsewhere.
        """
        found: dict[str, Stored] = {}

        def see(name: str, item: Any) -> None:
            if not hasattr(item, "shape") or RANDOM in name.split("/"):
                return
            if item.external or item.is_virtual or item.chunks is not None:
                raise ModelFileError(TEXT["outside"].format(path=self.path, name=name))
            load = partial(self._load, item)
            found[f"{LAYERS}/{name}"] = Stored(item.shape or (), item.dtype.name, load)

        h5py, layers = h5py_library(), None
        if isinstance(self.file.get(LAYERS, getlink=True), h5py.HardLink):
            layers = self.file[LAYERS]
        if not isinstance(layers, h5py.Group):
            raise ModelFileError(TEXT["layers"].format(path=self.path))
        layers.visititems(see)
        return found

    def _load(self, item: Any) -> np.ndarray:
        return np.asarray(item[()])

    def check_eps(self, layers: list[Layer]) -> None:
        """Compare ``eps`` of norms with those of the description.

        Raises:
            ModelFileError: one differs.
        """
        if self.description is None:
            return
        theirs = self.description["config"]["layers"]
        for name, kind in NORMS.items():
            found = [each["config"]["epsilon"] for each in theirs if each["class_name"] == name]
            ours = {layer.path: layer for layer in layers if type(layer.net) is kind}
            # where there are more of one side, a tensor is missing, which is said elsewhere
            for eps, layer in zip(found, ours.values(), strict=False):
                own = layer.net.eps  # type: ignore[attr-defined]
                if not math.isclose(eps, own):
                    text = TEXT["eps"].format(
                        path=self.path, ours=layer.name, found=eps, wanted=own
                    )
                    raise ModelFileError(text)


@contextmanager
def open_weights(path: Path) -> Iterator[WeightsFile]:
    """Open a ``.keras`` or ``.weights.h5`` file.

    Raises:
        ModelFileError: it is missing or damaged, which may show only while it is read.
        ConfigError: ``h5py`` is not installed.
    """
    h5py = h5py_library()
    if not path.is_file():
        raise ModelFileError(TEXT["absent"].format(path=path))
    try:
        content, description = path.read_bytes(), None
        if path.suffix.lower() == ARCHIVE:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                content = _member(archive, MEMBER)
                description = json.loads(_member(archive, DESCRIPTION))
        with h5py.File(io.BytesIO(content), "r") as file:
            yield WeightsFile(path, file, description)
    except BROKEN as error:
        why = " ".join(str(error).split())
        raise ModelFileError(TEXT["damaged"].format(path=path, why=why)) from None


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a member whole; they are stored uncompressed, so that none is larger than it is."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed")
    return archive.read(info)
