"""Losses of classification, on logits: everything happens in log space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pullback.core.arrays import as_array_like, full, namespace, on_host
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.spec import Array
from pullback.core.stable import log_softmax, sigmoid, sigmoid_and_slope, softmax
from pullback.losses.base import (
    LOSSES,
    Loss,
    at_positions,
    matched,
    outputs,
    over_outputs,
    positions_as_rows,
    random_signs,
)


def _softmax(y: Array) -> Array:
    return softmax(namespace(y), y)


def _one_drawn(y: Array, rng: np.random.Generator) -> Array:
    """Return probabilities ``softmax(y)`` less a one at a class that is drawn by them."""
    p = _softmax(y)
    sums = np.cumsum(on_host(p), axis=-1, dtype=np.float64)
    drawn = rng.random(sums.shape[:-1])[..., None] * sums[..., -1:]
    taken = np.minimum((sums <= drawn).sum(axis=-1), sums.shape[-1] - 1)
    return p - as_array_like(np.eye(sums.shape[-1])[taken], y)


def _need_logits(what: str, y: Array) -> None:
    if y.ndim != 2:
        raise ShapeError(
            f"{what} needs outputs (N, classes), found {tuple(y.shape)}; "
            "end the network with Linear(classes), after Flatten if there are more axes"
        )


def _padded(y: Array, target: Array) -> bool:
    """Whether targets are class numbers of positions, some of which may be padding."""
    return at_positions(target) and target.ndim == y.ndim - 1


def _positions(y: Array, target: Array) -> Array:
    """Return ``(N,)`` how many positions of each example count, at least 1."""
    count = over_outputs(full(tuple(y.shape[:-1]), 1.0, y), "sum")
    if _padded(y, target):
        count = namespace(y).astype(over_outputs(target >= 0, "sum"), y.dtype)
    return namespace(y).where(count == 0, namespace(y).ones_like(count), count)


def _column(y: Array) -> tuple[int, ...]:
    """Return the shape in which a number for each example stands beside ``y``."""
    return (-1, *(1,) * (y.ndim - 1))


@LOSSES.register
@dataclass(frozen=True)
class CrossEntropy(Loss):
    r""":math:`\ell = -\sum_k c_k q_k \log p_k` with ``p = softmax(y)``.

    ``q`` is the target: a class number, a one-hot row, or a row of probabilities; with label
    smoothing ``s`` it becomes ``(1 - s) q + s / K``. ``c`` are the class weights (all 1 by
    default). Slope: :math:`p \sum_k c_k q_k - c \odot q`.

    Outputs ``(N, K)``; targets ``(N,)`` integers in 0..K-1, or ``(N, K)``. Outputs may have axes of
    positions between, ``(N, ..., K)`` with targets ``(N, ...)`` or ``(N, ..., K)``: the value is
    then the mean over the example's positions. Positions with a class number below 0 are padding
    and do not count; a mean over examples weighs each by the positions that do, so that it is the
    mean over all of them, however they are divided up. In nats. Label smoothing: Szegedy and
    others, "Rethinking the Inception architecture" (2016), section 7.

    Raises:
        ConfigError: label smoothing outside [0, 1), or weights that are not positive.
        ShapeError: shapes that do not fit, or a class number out of range.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "ℓ = -Σ q log p, p = softmax(y)",
        "slope = p Σ q - q",
    )

    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None

    metrics: ClassVar[tuple[str, ...]] = ("accuracy",)

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(
                f"CrossEntropy: label_smoothing={self.label_smoothing!r}; "
                "expected a number from 0 up to, not with, 1"
            )
        if self.class_weights is not None:
            weights = tuple(float(weight) for weight in self.class_weights)
            if min(weights, default=0.0) < 0 or sum(weights) <= 0:
                raise ConfigError(
                    f"CrossEntropy: class_weights={weights}; expected one number of at least 0 "
                    "for each class, not all 0"
                )
            object.__setattr__(self, "class_weights", weights)

    def forward(self, y: Array, target: Array) -> tuple[Array, Array]:
        """Return the values in nats and their slopes."""
        if y.ndim < 2 or (y.ndim > 2 and target.ndim == 1):  # one class an example: no positions
            _need_logits("CrossEntropy", y)
        xp, q = namespace(y), self._shares(y, target)
        log_p = log_softmax(xp, y)
        # 0 log 0 = 0: a class that has no share of the target costs nothing, even at p = 0.
        terms = q * xp.where(q == 0, xp.zeros_like(q), log_p)
        values = -xp.sum(terms, axis=-1)
        slope = xp.exp(log_p) * xp.sum(q, axis=-1, keepdims=True) - q
        if y.ndim == 2:
            return values, slope
        count = _positions(y, target)
        return over_outputs(values, "sum") / count, slope / count.reshape(_column(y))

    def _shares(self, y: Array, target: Array) -> Array:
        """Return what each class counts: the target, smoothed and weighed; 0 for padding."""
        xp, padded = namespace(y), _padded(y, target)
        q = self._weighed(xp, y, self._smoothed(y, positions_as_rows(y, target, padded)))
        if padded:  # smoothing has given the rows of padding a share
            q = xp.where((target >= 0)[..., None], q, xp.zeros_like(q))
        return q

    @property
    def likelihood(self) -> bool:
        """True without smoothing and class weights: of the categorical distribution."""
        return self.class_weights is None and self.label_smoothing == 0

    def random_root(self, y: Array, target: Array, rng: np.random.Generator) -> Array:
        r"""Return :math:`\sqrt{\sum_k c_k q_k / T}\,(p - e_k)` for a class ``k`` drawn by ``p``."""
        xp = namespace(y)
        size = xp.sum(self._shares(y, target), axis=-1, keepdims=True)
        if y.ndim > 2:
            size = size / _positions(y, target).reshape(_column(y))
        return xp.sqrt(size) * _one_drawn(y, rng)

    def terms(self, target: Array) -> Array | None:
        """Return how many positions of each example have a class; None without positions."""
        if not at_positions(target):
            return None
        xp = namespace(target)
        return xp.astype(over_outputs(target >= 0, "sum"), xp.float64)

    def _smoothed(self, y: Array, q: Array) -> Array:
        s = self.label_smoothing
        return q if s == 0 else (1 - s) * q + s / y.shape[-1]

    def _weighed(self, xp: Any, y: Array, q: Array) -> Array:
        if self.class_weights is None:
            return q
        if len(self.class_weights) != y.shape[-1]:
            raise ShapeError(
                f"CrossEntropy has {len(self.class_weights)} class weights for {y.shape[-1]} "
                "outputs"
            )
        return q * xp.asarray(self.class_weights, dtype=y.dtype, device=y.device)

    def link(self, y: Array) -> Array:
        """Return the probabilities ``softmax(y)``."""
        return _softmax(y)


@LOSSES.register
@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    r""":math:`\ell = \mathrm{mean}_k [\log(1 + e^{y_k}) - t_k y_k]` on logits ``y``.

    ``t`` in [0, 1] has the shape of ``y``, or ``(N,)`` for one output. Slope
    :math:`(\sigma(y) - t) / K`. In nats.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "ℓ = mean(log(1 + exp(y)) - t y)",
        "slope = (1 / (1 + exp(-y)) - t) / K",
    )

    metrics: ClassVar[tuple[str, ...]] = ("accuracy",)

    def forward(self, y: Array, target: Array) -> tuple[Array, Array]:
        """Return the values in nats and their slopes."""
        xp, t = namespace(y), matched(y, target)
        # Equal to the formula, as log(1 + exp(-|y|)) + |y| w, with w the share of the other class:
        # nothing large is taken from another, so that a sure and right answer keeps its digits.
        wrong = xp.where(y > 0, 1 - t, t)
        size, zero = xp.abs(y), xp.zeros_like(y)
        values = xp.log1p(xp.exp(-size)) + xp.where(wrong == 0, zero, size) * wrong
        rest = sigmoid(xp, -size)
        slope = xp.where(y > 0, wrong - rest, rest - wrong)
        return over_outputs(values, "mean"), slope / outputs(y)

    @property
    def likelihood(self) -> bool:
        """True: of the Bernoulli distribution."""
        return True

    def random_root(self, y: Array, target: Array, rng: np.random.Generator) -> Array:
        r"""Return :math:`\pm\sqrt{p (1 - p) / K}` with random signs."""
        xp = namespace(y)
        _, slope = sigmoid_and_slope(xp, y)
        return xp.sqrt(slope / outputs(y)) * random_signs(y, rng)

    def link(self, y: Array) -> Array:
        """Return the probabilities ``sigmoid(y)``."""
        return sigmoid(namespace(y), y)


@LOSSES.register
@dataclass(frozen=True)
class KLDivergence(Loss):
    r""":math:`\ell = \sum_k q_k (\log q_k - \log p_k)`, ``p = softmax(y)``, ``0 log 0 = 0``.

    Outputs ``(N, K)`` logits, targets ``(N, K)`` probabilities. Slope :math:`p \sum_k q_k - q`.
    In nats. Kullback and Leibler (1951).
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "ℓ = Σ q (log q - log p), p = softmax(y)",
        "slope = p Σ q - q",
    )

    def forward(self, y: Array, target: Array) -> tuple[Array, Array]:
        """Return the values in nats and their slopes."""
        _need_logits("KLDivergence", y)
        xp, q = namespace(y), matched(y, target)
        log_p = log_softmax(xp, y)
        positive = q > 0
        log_q = xp.log(xp.where(positive, q, xp.ones_like(q)))
        terms = q * xp.where(positive, log_q - log_p, xp.zeros_like(q))
        return xp.sum(terms, axis=1), xp.exp(log_p) * xp.sum(q, axis=1, keepdims=True) - q

    @property
    def likelihood(self) -> bool:
        """True: of the categorical distribution, for targets that add up to 1."""
        return True

    def random_root(self, y: Array, target: Array, rng: np.random.Generator) -> Array:
        r"""Return :math:`\sqrt{\sum_k q_k}\,(p - e_k)` for a class ``k`` drawn by ``p``."""
        xp = namespace(y)
        return xp.sqrt(xp.sum(matched(y, target), axis=1, keepdims=True)) * _one_drawn(y, rng)

    def link(self, y: Array) -> Array:
        """Return the probabilities ``softmax(y)``."""
        return _softmax(y)
