r"""Square roots of the curvature in the outputs: all columns of one, or columns at random.

A matrix :math:`S_n` with :math:`S_n S_n^T = H_n` turns Gauss-Newton matrices into sums of squares
of what its columns pull back. A random root has that mean square and a single column: for
cross-entropy the slope at a class drawn from the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from pullback.core.errors import ConfigError
from pullback.core.random import generator
from pullback.extend.evidence import Evidence
from pullback.extend.products import loss_curvature

LARGEST = 1024
"""Numbers of an example's output up to which all columns are pulled back."""
TEXT = {
    "outputs": "an example's output has {count} numbers, so the exact curvature needs as many "
    "pullbacks, more than {most}; ask for the sampled one",
    "samples": "samples={samples!r}; expected a whole number of at least 1",
    "concave": "{loss} curves downwards in the outputs, so its Gauss-Newton matrix has no root",
}


def root_columns(at: Evidence) -> Iterator[np.ndarray]:
    r"""Yield the columns of a root of :math:`H_n`, each in the shape of the outputs.

    Raises:
        ConfigError: the output is too large, or the loss is not convex in it.
    """
    y = at.found.y
    count = math.prod(y.shape[1:])
    if count > LARGEST:
        raise ConfigError(TEXT["outputs"].format(count=count, most=LARGEST))
    curvature = np.empty((len(y), count, count))
    for k, unit in enumerate(np.eye(count)):
        along = np.broadcast_to(unit.reshape(y.shape[1:]), y.shape)
        curvature[:, :, k] = loss_curvature(at, along).reshape(len(y), count)
    values, vectors = np.linalg.eigh((curvature + curvature.transpose(0, 2, 1)) / 2)
    floor = np.abs(values).max(axis=1, keepdims=True, initial=0.0) * count * np.finfo(y.dtype).eps
    if (values < -floor).any():
        raise ConfigError(TEXT["concave"].format(loss=type(at.loss).__name__))
    roots = (vectors * np.sqrt(np.maximum(values, 0))[:, None, :]).astype(y.dtype)
    for k in range(count):
        if np.any(roots[:, :, k]):
            yield np.ascontiguousarray(roots[:, :, k]).reshape(y.shape)


def drawn_columns(at: Evidence, samples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield ``samples`` random roots of the curvature, over the root of how many there are.

    Raises:
        ConfigError: the loss has no random root, or ``samples`` is below 1.
    """
    check_samples(samples)
    for i in range(samples):
        root = at.loss.random_root(at.found.y, at.target, generator(seed, "root", step=i))
        yield root / samples**0.5


def check_samples(samples: int) -> None:
    """Raise ``ConfigError`` unless ``samples`` is a whole number of at least 1."""
    if not isinstance(samples, int) or samples < 1:
        raise ConfigError(TEXT["samples"].format(samples=samples))
