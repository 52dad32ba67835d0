"""Checkpoints: where a run stands, whole, so that it can go on as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pullback.core.errors import ModelFileError
from pullback.core.tree import dotted, leaves, unflatten
from pullback.train.model_file import check_same, read_tensors
from pullback.train.storage import write_whole

FORMAT = "pullback-checkpoint-1"
NAME = "checkpoint.safetensors"


@dataclass
class Position:
    """How far a run has come: in the data, in time, and in what it has seen.

    ``epoch`` (from 0) is under way and ``batch`` of its batches are done. ``stopped`` is the
    reason why the run ended, if it did.
    """

    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    best_value: float | None = None
    best_epoch: int | None = None
    stopped: str | None = None
    records: list[dict[str, Any]] = field(default_factory=list)


Tensors = dict[str, np.ndarray]


def save_checkpoint(path: Path, tensors: Mapping[str, Any], position: Position, data: str) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        path: the file.
        tensors: nested names to arrays: parameters, state, optimiser slots, sums.
        position: how far the run has come.
        data: a digest of the training data, so that a run cannot go on with other data.
    """
    from safetensors.numpy import save

    header = {"format": FORMAT, "position": asdict(position), "data": data}
    flat = {dotted(path): np.ascontiguousarray(value) for path, value in leaves(tensors)}
    # safetensors has no arrays without axes
    flat = {name: value.reshape(value.shape or (1,)) for name, value in flat.items()}
    write_whole(path, save(flat, {"pullback": json.dumps(header)}))


def load_checkpoint(
    path: Path, template: Mapping[str, Any], data: str
) -> tuple[dict[str, Any], Position]:
    """Return the tensors, named and shaped as ``template``, and the position.

    Raises:
        ModelFileError: the file is damaged, of another architecture, or of other data.
    """
    tensors, metadata = read_tensors(path)
    position, stored_data = _header(path, metadata)
    if stored_data != data:
        raise ModelFileError(
            f"{path}: the training data is not what this run began with; "
            "give it the same data, or start a new run"
        )
    shapes = {dotted(p): np.shape(value) or (1,) for p, value in leaves(template)}
    check_same(path, shapes, {name: tensor.shape for name, tensor in tensors.items()})
    found = {p: tensors[dotted(p)].reshape(np.shape(value)) for p, value in leaves(template)}
    return unflatten(found), position


def read_position(path: Path) -> tuple[Position, int]:
    """Return the position of a checkpoint, and how many steps have been taken.

    Raises:
        ModelFileError: the file is damaged.
    """
    tensors, metadata = read_tensors(path, ("step",))
    return _header(path, metadata)[0], int(tensors["step"][0])


def _header(path: Path, metadata: Mapping[str, str]) -> tuple[Position, str]:
    try:
        header = json.loads(metadata["pullback"])
        if header["format"] != FORMAT:
            raise KeyError(header["format"])
        return Position(**header["position"]), header["data"]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path}: not a Pullback checkpoint ({error})") from None
