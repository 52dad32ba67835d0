r"""The gradient of a table whose rows were looked up: a contraction with ones and zeros.

With :math:`e_{ntv} = 1` where position ``t`` of example ``n`` took row ``v``, else 0, the gradient
is :math:`G_{vc} = \sum_{n,t} e_{ntv} \delta_{ntc}`. That matrix has a column for every row of the
table and is nearly all zeros, so it is not formed where there is another way.
"""

from __future__ import annotations

import math
from typing import Any

from pullback.core.arrays import add_rows, count_up, full, namespace
from pullback.core.contraction import Contraction, Later
from pullback.core.errors import ShapeError

EQUATION = "nto,nti->io"


class Scatter(Later):
    """Rows added up at their ids; whatever else is asked of it, it is ``C("nto,nti->io", ...)``.

    Args:
        count: rows of the parameter.
        ids: whole numbers ``(N, ...)`` below ``count``; where they are below 0, nothing is added.
        delta: ``(N, ..., C)``, a row for each id.

    Raises:
        ShapeError: there is not one row for each id.
    """

    __slots__ = ("_count", "_delta", "_ids")

    def __init__(self, count: int, ids: Any, delta: Any) -> None:
        if tuple(ids.shape) != tuple(delta.shape[:-1]):
            raise ShapeError(
                f"rows of shape {tuple(delta.shape)} cannot be added at ids of shape "
                f"{tuple(ids.shape)}: there must be a row for each"
            )
        super().__init__()
        positions = math.prod(ids.shape[1:])
        self._count = count
        self._ids = ids.reshape((ids.shape[0], positions))
        self._delta = delta.reshape((ids.shape[0], positions, delta.shape[-1]))

    def sum(self, out: Any = None) -> Any:
        """Return the gradient summed over the examples, written into ``out`` where it is given."""
        width = self._delta.shape[-1]
        if out is None:
            out = full((self._count, width), 0.0, self._delta)
        else:
            out[...] = 0
        add_rows(out, self._ids.reshape((-1,)), self._delta.reshape((-1, width)))
        return out

    def each(self) -> Any:
        """Return the gradients of the single examples, of shape ``(n, count, C)``."""
        xp, (examples, positions) = namespace(self._ids), self._ids.shape
        width = self._delta.shape[-1]
        start = (count_up(examples, self._ids) * self._count)[:, None]
        place = xp.where(self._ids < 0, self._ids, self._ids + start)
        found = full((examples * self._count, width), 0.0, self._delta)
        rows = self._delta.reshape((examples * positions, width))
        add_rows(found, place.reshape((examples * positions,)), rows)
        return found.reshape((examples, self._count, width))

    def sq_norms(self) -> Any:
        r"""Return the squared norm of each example's gradient, without forming it.

        It is the sum of :math:`\langle \delta_{nt}, \delta_{ns} \rangle` over the pairs of
        positions with the same id.
        """
        xp, ids = namespace(self._delta), self._ids
        same = (ids[:, :, None] == ids[:, None, :]) & (ids >= 0)[:, :, None]
        products = xp.matmul(self._delta, xp.permute_dims(self._delta, (0, 2, 1)))
        return xp.sum(xp.where(same, products, xp.zeros_like(products)), axis=(1, 2))

    def scaled(self, weight: Any) -> Contraction:
        """Return the same with each example's rows times its ``weight``."""
        return Scatter(self._count, self._ids, self._delta * weight[:, None, None])

    def sq_sum(self, weight: Any = None) -> Any:
        """Return the sum of the squared gradients, one example after another."""
        squares = full((self._count, self._delta.shape[-1]), 0.0, self._delta)
        for n in range(self._ids.shape[0]):
            alone = Scatter(self._count, self._ids[n : n + 1], self._delta[n : n + 1]).sum()
            squares = squares + alone * alone * (1 if weight is None else weight[n])
        return squares

    def along(self, v: Any) -> Any:
        """Return ``(n,)`` the scalar products with ``v (count, C)``, of the rows taken."""
        xp = namespace(self._delta)
        taken = xp.where((self._ids >= 0)[..., None], v[self._ids], xp.zeros_like(self._delta))
        return xp.sum(taken * self._delta, axis=(1, 2))

    def inner(self) -> Any:
        """Return ``(n, n)`` the scalar products of examples: of their rows with the same id."""
        xp, (examples, positions) = namespace(self._delta), self._ids.shape
        ids, rows = self._ids.reshape((-1,)), self._delta.reshape((examples * positions, -1))
        same = (ids[:, None] == ids[None, :]) & (ids >= 0)[:, None]
        products = xp.matmul(rows, xp.permute_dims(rows, (1, 0)))
        products = xp.where(same, products, xp.zeros_like(products))
        return xp.sum(products.reshape((examples, positions, examples, positions)), axis=(1, 3))

    def _declare(self) -> Contraction:
        xp = namespace(self._ids)
        rows = count_up(self._count, self._ids)
        taken = xp.astype(self._ids[..., None] == rows, self._delta.dtype)
        return Contraction(EQUATION, delta=self._delta, taken=taken)
