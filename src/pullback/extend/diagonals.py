r"""Diagonals of curvature matrices, exact or by samples.

The diagonal of :math:`\sum_n w_n J_n^T S_n S_n^T J_n` is the sum of the squares of what the columns
of :math:`S_n` pull back: a pullback for each column, and the squares of its contractions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from pullback.core.contraction import Contraction
from pullback.core.errors import ConfigError
from pullback.core.random import generator
from pullback.core.theta import Theta
from pullback.extend.evidence import Evidence
from pullback.extend.products import hessian_product
from pullback.extend.sampling import check_samples, drawn_columns, root_columns

LARGEST = 4096
TEXT = {
    "parameters": "the exact diagonal of the Hessian needs a product for each of the {count} "
    "parameters, more than {most}; ask for hessian_diagonal_sampled",
}


def ggn_diagonal(at: Evidence) -> Theta:
    """Return the diagonal of the Gauss-Newton matrix.

    Dangel, Kunstner, Hennig, "BackPACK: packing more into backprop" (2020), section 2.3.

    Raises:
        ConfigError: the output is too large for it.
    """
    at = at.in_reference()
    return _squared(at, root_columns(at))


def ggn_diagonal_sampled(at: Evidence, samples: int = 1, seed: int = 0) -> Theta:
    """Return the diagonal of the Gauss-Newton matrix, estimated: a pullback for each sample.

    Raises:
        ConfigError: the loss has no random root of its curvature.
    """
    at = at.in_reference()
    return _squared(at, drawn_columns(at, samples, seed))


def hessian_diagonal(at: Evidence) -> Theta:
    """Return the diagonal of the Hessian of the mean loss: a product for each parameter.

    Raises:
        ConfigError: there are more than 4,096 parameters.
    """
    size = at.p.layout.size
    if size > LARGEST:
        raise ConfigError(TEXT["parameters"].format(count=size, most=LARGEST))
    diagonal = np.empty_like(at.p.flat)
    for i in range(size):
        unit = np.zeros_like(at.p.flat)
        unit[i] = 1
        diagonal[i] = hessian_product(at, unit).flat[i]
    return Theta(at.p.layout, diagonal)


def hessian_diagonal_sampled(at: Evidence, samples: int = 10, seed: int = 0) -> Theta:
    r"""Return the mean of :math:`v \odot \nabla^2 L\, v` over random signs ``v``.

    Bekas, Kokiopoulou, Saad, "An estimator for the diagonal of a matrix" (2007).

    Raises:
        ConfigError: ``samples`` is below 1.
    """
    check_samples(samples)
    total = np.zeros_like(at.p.flat)
    for i in range(samples):
        v = signs(at, seed, i)
        total += v * hessian_product(at, v).flat
    return Theta(at.p.layout, total / samples)


def signs(at: Evidence, seed: int, step: int) -> np.ndarray:
    """Return a vector of random signs, of the parameters' length and dtype."""
    drawn = generator(seed, "signs", step=step).integers(0, 2, at.p.flat.shape)
    found: np.ndarray = (2 * drawn - 1).astype(at.p.flat.dtype)
    return found


def _squared(at: Evidence, columns: Iterable[Any]) -> Theta:
    def squares(c: Contraction) -> Any:
        return c.sq_sum(at.share)

    total: np.ndarray = np.zeros_like(at.p.flat)
    for column in columns:
        total += at.pulled(column).flat(squares).flat
    return Theta(at.p.layout, total)
