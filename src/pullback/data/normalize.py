"""How raw values become the network's input: one multiplication and one addition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError
from pullback.core.registry import Registry
from pullback.data.dataset import Dataset
from pullback.data.images import AnyFormat
from pullback.data.rows import Rows, within

NORMALIZERS: Registry[Any] = Registry("normaliser")
Numbers = float | tuple[float, ...]


@NORMALIZERS.register
@dataclass(frozen=True)
class Affine:
    """``x * scale + shift``; each a number, or one for each column (last axis)."""

    scale: Numbers = 1.0
    shift: Numbers = 0.0

    def apply(self, x: np.ndarray, dtype: str, out: np.ndarray | None = None) -> np.ndarray:
        """Return the normalised values in ``dtype``, written into ``out`` where it is given."""
        if out is None:
            out = np.empty(x.shape, dtype)
        if x.dtype.kind == "f" and x.dtype.itemsize > out.dtype.itemsize:
            # A large mean is taken away before its digits are lost.
            out[...] = x * np.asarray(self.scale, x.dtype) + np.asarray(self.shift, x.dtype)
            return out
        # Converting first, then working in place, is three times as fast as a mixed product.
        np.copyto(out, x, casting="unsafe")
        if self.scale != 1.0:
            np.multiply(out, np.asarray(self.scale, out.dtype), out=out)
        if self.shift != 0.0:
            np.add(out, np.asarray(self.shift, out.dtype), out=out)
        return out


def fit_normalizer(kind: str, train: Dataset, image: AnyFormat | None = None) -> Affine:
    """Return the normaliser of ``kind`` for training data ``train``.

    ``"none"`` leaves the values, ``"scale"`` divides by the largest possible value (an image
    format's, or that of an 8- or 16-bit dtype; else the largest found), ``"standard"`` gives
    mean 0 and standard deviation 1: over all values of images, column by column of tables. A
    column that does not vary is only shifted. Of ``Pictures`` in files their sample is used; of
    examples of different lengths all values before their ends, and tokens, which are whole numbers
    that mean no size, are left as they are.

    Raises:
        ConfigError: an unknown kind.
    """
    if kind == "none":
        return Affine()
    if kind not in ("scale", "standard"):
        raise ConfigError(f"normalize={kind!r}; expected one of standard, scale, none")
    if train.tokens:
        return Affine()
    x = train.x.sample if isinstance(train.x, Rows) else train.x
    if train.lengths is not None:
        x = x[within(x, train.lengths)].reshape(-1)
    if kind == "scale":
        return Affine(1.0 / _largest(x, image))
    if x.ndim != 2:
        mean, std = _moments(x)
        scale = 1.0 / std if std > 0 and x.min() < x.max() else 1.0
        return Affine(scale, -mean * scale)
    means, deviation = _columns(train)
    # the deviation of equal values is not always 0: their mean is rounded
    varies = (deviation > 0) & (train.x.min(axis=0) < train.x.max(axis=0))
    scales = np.divide(1.0, deviation, out=np.ones_like(deviation), where=varies)
    return Affine(tuple(map(float, scales)), tuple(map(float, -means * scales)))


def _columns(train: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each column, its examples weighted as they count."""
    x, weight = train.x, train.weight
    if weight is None:
        return x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    mean = np.average(x, axis=0, weights=weight)
    return mean, np.average((x - mean) ** 2, axis=0, weights=weight) ** 0.5


def _largest(x: np.ndarray, image: AnyFormat | None) -> float:
    if image is not None:
        return image.peak
    if x.dtype.kind in "ui" and x.dtype.itemsize <= 2:
        return float(np.iinfo(x.dtype).max)
    return float(np.abs(x).max()) or 1.0


def _moments(x: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation; of bytes from their histogram, which is exact."""
    if x.dtype == np.uint8:
        counts = np.bincount(x.reshape(-1), minlength=256)
        values = np.arange(256)
        mean = float(counts @ values) / x.size
        variance = float(counts @ ((values - mean) ** 2)) / x.size
        return mean, variance**0.5
    return float(x.mean(dtype=np.float64)), float(x.std(dtype=np.float64))
