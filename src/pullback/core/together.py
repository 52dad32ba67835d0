"""The gradient of a parameter that is used in several places: the sum over the places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pullback.core.arrays import namespace
from pullback.core.contraction import Contraction


class Together(Contraction):
    """Contractions of one parameter, asked as one; an example's gradients are added up."""

    __slots__ = ("_places",)

    def __init__(self, places: Sequence[Contraction]) -> None:
        self._places = tuple(places)

    @classmethod
    def of(cls, places: Sequence[Contraction]) -> Contraction:
        """Return the one contraction, or several together."""
        return places[0] if len(places) == 1 else cls(places)

    def sum(self, out: Any = None) -> Any:
        """Return the sum over places and examples."""
        total = _added([place.sum() for place in self._places])
        if out is None:
            return total
        out[...] = total
        return out

    def scaled(self, weight: Any) -> Contraction:
        """Return the same with each example's gradient times its ``weight``."""
        return Together([place.scaled(weight) for place in self._places])

    def each(self) -> Any:
        """Return the gradients of the single examples."""
        return _added([place.each() for place in self._places])

    def sq_norms(self) -> Any:
        """Return ``(n,)`` the squared norms."""
        formed = self.each()
        flat = formed.reshape((formed.shape[0], -1))
        return namespace(flat).sum(flat * flat, axis=1)

    def sq_sum(self, weight: Any = None) -> Any:
        """Return the sum over the examples of the squared gradients."""
        formed = self.each()
        squares = formed * formed
        if weight is not None:
            squares = squares * weight.reshape((-1, *(1,) * (formed.ndim - 1)))
        return namespace(squares).sum(squares, axis=0)

    def along(self, v: Any) -> Any:
        """Return ``(n,)`` the scalar products with ``v``."""
        return _added([place.along(v) for place in self._places])

    def inner(self) -> Any:
        """Return ``(n, n)`` the scalar products of examples."""
        formed = self.each()
        flat = formed.reshape((formed.shape[0], -1))
        xp = namespace(flat)
        return xp.matmul(flat, xp.permute_dims(flat, (1, 0)))


def _added(terms: Sequence[Any]) -> Any:
    total, *others = terms
    for term in others:
        total = total + term
    return total
