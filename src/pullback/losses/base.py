r"""What all losses share.

A loss gives one value an example; how values are combined is the caller's, through ``mean``.
Each keeps as its residual the slope :math:`s_n = \partial \ell_n / \partial y_n`, from which the
pullback :math:`g_{y,n} = g_n s_n` and the pushforward
:math:`d\ell_n = \langle s_n, dy_n \rangle` follow.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from pullback.core.arrays import as_array_like, full, namespace
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.registry import Registry
from pullback.core.spec import Array


class Loss:
    """Base of the losses; subclasses are frozen dataclasses."""

    formulas: ClassVar[tuple[str, ...]] = ()
    """What the value and the slope are, for people."""

    metrics: ClassVar[tuple[str, ...]] = ()
    """What is usually reported beside this loss."""

    def forward(self, y: Array, target: Array) -> tuple[Array, Array]:
        """Return ``(values, slope)``: shapes ``(N,)`` and that of ``y``."""
        raise NotImplementedError

    def pullback(self, slope: Array, g: Array) -> Array:
        """Return the cotangent of ``y`` for cotangents ``g (N,)`` of the values."""
        return slope * g.reshape((-1, *(1,) * (slope.ndim - 1)))

    def pushforward(self, slope: Array, dy: Array) -> Array:
        """Return the change ``(N,)`` of the values for a change ``dy``."""
        product = slope * dy
        return over_outputs(product, "sum")

    def terms(self, target: Array) -> Array | None:
        """Return ``(N,)`` how many terms each value is the mean of; None where all are alike.

        A mean over a batch then weighs each value by its terms, and is the mean over all terms.
        """
        del target
        return None

    @property
    def likelihood(self) -> bool:
        """Whether it is minus the log density of a distribution with natural parameters ``y``.

        The Fisher matrix of the model is then its Gauss-Newton matrix. A squared error belongs to
        the normal distribution of the variance that its scale says.
        """
        return False

    def random_root(self, y: Array, target: Array, rng: np.random.Generator) -> Array:
        r"""Return random numbers in the shape of ``y`` with mean 0 and, for each example, mean
        square :math:`\partial^2 \ell_n / \partial y_n^2`.

        Raises:
            ConfigError: the loss has none.
        """
        del y, target, rng
        raise ConfigError(
            f"{type(self).__name__} has no random root of its curvature; ask for what is exact"
        )

    def link(self, y: Array) -> Array:
        """Return the prediction that outputs ``y`` stand for: probabilities, or ``y`` itself."""
        return y


LOSSES: Registry[Loss] = Registry("loss")


def random_signs(y: Array, rng: np.random.Generator) -> Array:
    """Return 1 and -1 at random, in the shape, library and dtype of ``y``."""
    return as_array_like(2.0 * rng.integers(0, 2, tuple(y.shape)) - 1, y)


def matched(y: Array, target: Array) -> Array:
    """Return ``target`` in the shape and dtype of ``y``.

    Class numbers ``(N,)`` for outputs ``(N, K)`` become rows with a 1 in the class's place; a
    missing last axis of 1 is added.

    Raises:
        ShapeError: the shapes differ otherwise, or a class number is out of range.
    """
    whole = namespace(target).isdtype(target.dtype, "integral")
    if whole and target.ndim == 1 and y.ndim == 2 and y.shape[1] > 1 and len(y) == len(target):
        return one_hot(y, target)
    if target.ndim == y.ndim - 1 and y.shape[-1] == 1:
        target = target[..., None]
    if tuple(target.shape) != tuple(y.shape):
        raise ShapeError(
            f"the target's shape {tuple(target.shape)} does not fit the output's "
            f"{tuple(y.shape)}; the last map should have one unit for each target value"
        )
    return namespace(y).astype(target, y.dtype)


def one_hot(y: Array, target: Array, padding: bool = False) -> Array:
    """Return class numbers ``(N,)`` as rows of zeros with a one, in the shape and dtype of ``y``.

    With ``padding`` numbers below 0 are no class, and their rows are 0.

    Raises:
        ShapeError: a class number that is not one of ``y``'s columns.
    """
    xp = namespace(y)
    if isinstance(target, np.ndarray) and target.size:
        low, high = target.min(), target.max()
        if target.dtype.kind not in "ui" or (low < 0 and not padding) or high >= y.shape[1]:
            raise ShapeError(
                f"class numbers from {low} to {high} ({target.dtype}) for {y.shape[1]} outputs; "
                f"expected whole numbers 0..{y.shape[1] - 1}"
            )
    return xp.astype(xp.arange(y.shape[1], device=y.device) == target[:, None], y.dtype)


def at_positions(target: Array) -> bool:
    """Whether targets ``(N, ...)`` are class numbers of positions, where below 0 is padding."""
    return target.ndim > 1 and bool(namespace(target).isdtype(target.dtype, "integral"))


def positions_as_rows(y: Array, target: Array, padding: bool = False) -> Array:
    """Return targets in the shape of outputs ``(N, ..., K)``; class numbers become one-hot rows.

    With ``padding`` positions may have a class number below 0, which is none; their row is 0.

    Raises:
        ShapeError: shapes that do not fit, or a class number that is not one of the ``K``.
    """
    if tuple(target.shape) == tuple(y.shape):
        return namespace(y).astype(target, y.dtype)
    if tuple(target.shape) != tuple(y.shape[:-1]):
        raise ShapeError(
            f"the target's shape {tuple(target.shape)} does not fit the output's {tuple(y.shape)}; "
            f"expected {tuple(y.shape[:-1])}, class numbers, or {tuple(y.shape)}"
        )
    count = math.prod(target.shape)
    rows = one_hot(y.reshape((count, y.shape[-1])), target.reshape((count,)), padding)
    return rows.reshape(y.shape)


def over_outputs(values: Array, how: str) -> Array:
    """Return the ``"sum"`` or ``"mean"`` of each example's numbers, shape ``(N,)``."""
    # counted, for -1 cannot be worked out of no examples
    flat = values.reshape((values.shape[0], outputs(values)))
    xp = namespace(flat)
    return xp.sum(flat, axis=1) if how == "sum" else xp.mean(flat, axis=1)


def outputs(y: Array) -> int:
    """Return how many numbers an example's output has."""
    count = 1
    for axis in y.shape[1:]:
        count *= axis
    return count


def term_weights(loss: Loss, target: Array, weight: Array | None) -> Array | None:
    """Return ``(N,)`` the weights of an example's value in the mean; None where all are alike.

    They are the examples' own weights times the terms of their values (see ``Loss.terms``).
    """
    terms = loss.terms(target)
    if terms is None or weight is None:
        return weight if terms is None else terms
    return weight * terms


def mean_weights(
    count: int, weight: Array | None, like: Array, total: float | None = None
) -> Array:
    r"""Return ``(N,)`` the cotangents of the values under the (weighted) mean.

    :math:`L = \sum_n w_n \ell_n / \sum_n w_n`, so :math:`g_n = w_n / \sum_n w_n`. ``total`` is
    the sum of the weights where these examples are only a part of the batch. Where all weights are
    0, nothing counts, and so are the cotangents.

    Raises:
        ShapeError: there are no examples, which have no mean.
    """
    if count == 0:
        raise ShapeError("a batch of no examples has no mean loss; give at least one")
    xp = namespace(like)
    if weight is None:
        return full((count,), 1.0 / (total if total is not None else count), like)
    if total is None:
        total = float(xp.sum(weight))
    return xp.astype(weight / (total or 1.0), like.dtype)
