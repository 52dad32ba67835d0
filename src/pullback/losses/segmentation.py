"""The loss of segmentation that looks at regions rather than at pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pullback.core.arrays import namespace
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.spec import Array
from pullback.core.stable import softmax
from pullback.losses.base import LOSSES, Loss, positions_as_rows


@LOSSES.register
@dataclass(frozen=True)
class Dice(Loss):
    r"""One minus the overlap of regions, each class counting the same however small it is.

    With ``p = softmax(y)`` at every position ``t`` and ``q`` the one-hot target:
    :math:`\ell = 1 - \frac1K \sum_k D_k`,
    :math:`D_k = (2 \sum_t p_{tk} q_{tk} + s) / (\sum_t p_{tk}^2 + \sum_t q_{tk}^2 + s)`. ``s``
    (``smooth``) makes a class that is nowhere count 1 where none is seen. With ``B`` the
    denominator, :math:`\partial D / \partial p = 2 (q - D p) / B`; the softmax carries it to ``y``.

    Outputs ``(N, ..., K)``, with at least one axis of positions; targets ``(N, ...)`` class
    numbers, or shares of the shape of the outputs. Milletari, Navab, Ahmadi, "V-Net" (2016),
    section 3.

    Raises:
        ConfigError: ``smooth`` is not above 0.
        ShapeError: shapes that do not fit, or a class number out of range.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "ℓ = 1 - mean D, D = (2 Σ p q + s) / (Σ p² + Σ q² + s), p = softmax(y)",
        "slope = p (g - Σ g p), g = 2 (D p - q) / (K B)",
    )

    smooth: float = 1.0

    def __post_init__(self) -> None:
        if not self.smooth > 0:
            raise ConfigError(f"Dice: smooth={self.smooth!r}; expected a number above 0")

    def forward(self, y: Array, target: Array) -> tuple[Array, Array]:
        """Return the values and their slopes."""
        if y.ndim < 3:
            raise ShapeError(f"Dice needs outputs (N, ..., classes), found {tuple(y.shape)}")
        xp, classes = namespace(y), y.shape[-1]
        shape = (y.shape[0], -1, classes) if y.shape[0] else (0, 1, classes)
        p, q = (a.reshape(shape) for a in (softmax(xp, y), positions_as_rows(y, target)))
        below = xp.sum(p * p, axis=1) + xp.sum(q * q, axis=1) + self.smooth
        dice = (2 * xp.sum(p * q, axis=1) + self.smooth) / below
        g = (dice[:, None] * p - q) * (2 / (classes * below))[:, None]
        slope = p * (g - xp.sum(g * p, axis=-1, keepdims=True))
        return 1 - xp.mean(dice, axis=1), slope.reshape(y.shape)

    def link(self, y: Array) -> Array:
        """Return the probabilities ``softmax(y)`` of every position."""
        return softmax(namespace(y), y)
