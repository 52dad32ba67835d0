"""What the two attentions have in common: heads, and the products around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pullback.core.contraction import C
from pullback.core.errors import ShapeError
from pullback.core.initializers import DEFAULT, Constant, Initializer
from pullback.core.map import Map, Params
from pullback.core.spec import Param, Specs
from pullback.maps.embedding import check_sizes
from pullback.maps.steps import check_steps


class MultiHead(Map):
    """Base of the two attentions: linear maps around the mixing of heads."""

    heads: int
    bias: bool
    init: Initializer | None
    out_init: Initializer | None

    def __post_init__(self) -> None:
        check_sizes(self, "heads")

    def keep(self, past: Mapping[str, Any], res: Any) -> Mapping[str, Any]:
        """Return the keys and values of all steps that may be looked at."""
        return {"k": res["k"], "v": res["v"]}

    def checked_width(self, x: Specs) -> int:
        """Return the width of ``x``, which the heads must share equally."""
        check_steps(self.title, x)
        if x.shape[-1] % self.heads:
            raise ShapeError(
                f"{self.title}: {x.shape[-1]} channels cannot be divided into heads={self.heads}"
            )
        return int(x.shape[-1])

    def declared(self, sides: dict[str, tuple[int, int]]) -> dict[str, Any]:
        """Return the matrices of these sizes, ``Wo`` last, each with its bias."""
        found: dict[str, Any] = {}
        init = self.init or DEFAULT
        for name, shape in sides.items():
            start = (self.out_init or init) if name == "Wo" else init
            found[name] = Param(shape, start)
            if self.bias:
                found[self._bias(name)] = Param(shape[1:], Constant(0.0), decay=False)
        return found

    @staticmethod
    def _bias(name: str) -> str:
        return name.replace("W", "b")

    def product(self, p: Params, name: str, x: Any) -> Any:
        """Return ``x W + b`` of the matrix ``name``."""
        y = x @ p[name]
        return y + p[self._bias(name)] if self.bias else y

    def product_gradients(self, name: str, delta: Any, x: Any) -> dict[str, Any]:
        """Declare the gradients of the matrix ``name`` and its bias."""
        found = {name: C("nto,nti->io", delta=delta, x=x)}
        if self.bias:
            found[self._bias(name)] = C("nto->o", delta=delta)
        return found

    def product_change(self, p: Params, dp: Params, name: str, x: Any, dx: Any) -> Any:
        """Return ``dx W + x dW + db``."""
        dy = dx @ p[name] + x @ dp[name]
        return dy + dp[self._bias(name)] if self.bias else dy


def masked(mask: Any, a: Any) -> Any:
    """Return ``a``, 0 beyond the ends where there is a mask of them."""
    return a if mask is None else mask * a
