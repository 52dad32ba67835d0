"""The loss of embeddings: members of one class near each other, others apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pullback.core.arrays import count_up, namespace
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.spec import Array
from pullback.losses.base import LOSSES, Loss


@LOSSES.register
@dataclass(frozen=True)
class Contrastive(Loss):
    r"""Supervised contrastive loss within a group: an example is a group of embeddings.

    With :math:`s_{ij} = y_i \cdot y_j / \tau`, ``tau`` being ``temperature``, and
    :math:`p_{ij} = e^{s_{ij}} / \sum_{k \ne i} e^{s_{ik}}`, member ``i`` costs
    :math:`-\log p_{ij}`, the mean over the other members ``j`` of its class; the value is the mean
    over the members that have such others, 0 where none has. With ``A`` their number and ``q_ij``
    one over the number of others of the class of ``i`` for these, else 0, the slope in ``s`` is
    :math:`G = (p - q) / A`, and that in ``y`` is :math:`(G + G^T)\,y / \tau`.

    As groups are the examples, a value depends on no other example. Outputs ``(N, M, D)``, of
    length 1 (``UnitNorm``) where cosines are to be compared; targets ``(N, M)`` class numbers.
    In nats. Khosla and others, "Supervised contrastive learning" (2020), equation 2; with two
    members a class it is the N-pair loss of Sohn (2016).

    Raises:
        ConfigError: ``temperature`` is not above 0.
        ShapeError: shapes that do not fit, or groups of less than two.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "ℓ = -mean log p[i,j], j of the class of i, p = softmax(y·yᵀ / τ) without j = i",
        "slope = (G + Gᵀ) y / τ, G = (p - q) / A",
    )

    temperature: float = 0.1

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ConfigError(
                f"Contrastive: temperature={self.temperature!r}; expected a number above 0"
            )

    def forward(self, y: Array, target: Array) -> tuple[Array, Array]:
        """Return the values in nats and their slopes."""
        if y.ndim != 3 or y.shape[1] < 2:
            raise ShapeError(
                f"Contrastive needs outputs (N, members, numbers) of at least 2 members, found "
                f"{tuple(y.shape)}"
            )
        if tuple(target.shape) != tuple(y.shape[:2]):
            raise ShapeError(
                f"the target's shape {tuple(target.shape)} does not fit the output's "
                f"{tuple(y.shape)}; expected {tuple(y.shape[:2])}, class numbers"
            )
        xp = namespace(y)
        member = count_up(y.shape[1], y)
        itself = member == member[:, None]
        s = xp.matmul(y, xp.permute_dims(y, (0, 2, 1))) / self.temperature
        s = s - xp.max(xp.where(itself, xp.full_like(s, -np.inf), s), axis=2, keepdims=True)
        # a member's product with itself may be far above the others, and is not among them
        e = xp.exp(xp.where(itself, xp.zeros_like(s), s)) * xp.astype(~itself, y.dtype)
        total = xp.sum(e, axis=2, keepdims=True)
        same = xp.astype((target[:, :, None] == target[:, None, :]) & ~itself, y.dtype)
        others = xp.sum(same, axis=2, keepdims=True)
        q = same / xp.where(others > 0, others, xp.ones_like(others))
        has = xp.astype(others > 0, y.dtype)
        anchors = xp.sum(has, axis=(1, 2))
        anchors = xp.where(anchors > 0, anchors, xp.ones_like(anchors))
        cost = xp.sum(q * (xp.log(total) - s), axis=(1, 2))
        g = (has * e / total - q) / anchors[:, None, None]
        slope = xp.matmul(g + xp.permute_dims(g, (0, 2, 1)), y) / self.temperature
        return cost / anchors, slope
