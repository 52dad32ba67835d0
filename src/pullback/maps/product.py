"""The product of two maps of the same input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.compose import Composite, check_children, checked_spec
from pullback.core.context import Context
from pullback.core.errors import ShapeError
from pullback.core.map import MAPS, Map, Params
from pullback.core.spec import Specs


@MAPS.register
@dataclass(frozen=True)
class Product(Composite):
    r"""``y = f(x) g(x)``, number by number.

    Pullback :math:`g_x = J_f^T (g(x) \, g_y) + J_g^T (f(x) \, g_y)`. With two linear maps, one of
    them followed by a sigmoid, it is the gated linear unit of Dauphin and others (2017); by
    ``SiLU``, SwiGLU: Shazeer, "GLU variants improve Transformer" (2020).

    Raises:
        ConfigError: ``left`` or ``right`` is not a map.
        ShapeError: their outputs differ in shape.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = f(x) g(x)",
        "gx = Jfᵀ (g(x) gy) + Jgᵀ (f(x) gy)",
    )

    left: Map
    right: Map

    def __post_init__(self) -> None:
        check_children(("left", "right"), (self.left, self.right))

    def children(self) -> dict[str, Map]:
        """Return the two factors."""
        return {"left": self.left, "right": self.right}

    def with_children(self, children: Mapping[str, Map]) -> Map:
        """Return the product of two others."""
        return Product(children["left"], children["right"])

    def inputs(self, x: Specs) -> dict[str, Specs]:
        """Return the input spec for both."""
        return {"left": x, "right": x}

    def out_lengths(self, lengths: Any) -> Any:
        """Return those after ``left``, as the other must have the same steps."""
        return self.left.out_lengths(lengths)

    def spec(self, x: Specs) -> Specs:
        """Return the output spec of both."""
        one, other = (checked_spec(name, child, x) for name, child in self.children().items())
        if isinstance(one, tuple) or isinstance(other, tuple) or one.shape != other.shape:
            raise ShapeError(f"Product cannot multiply outputs {one} and {other}")
        return one

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the product; both factors are kept."""
        left, of_left = self.left.forward(p.get("left", {}), x, ctx.child("left"))
        right, of_right = self.right.forward(p.get("right", {}), x, ctx.child("right"))
        # no child can be called "": what is not a child's residual has that name
        return left * right, {"left": of_left, "right": of_right, "": (left, right)}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Pull ``gy`` times the other factor back through each, and add."""
        left, right = res[""]
        one, of_left = self.left.pullback(p.get("left", {}), res["left"], gy * right)
        two, of_right = self.right.pullback(p.get("right", {}), res["right"], gy * left)
        return one + two, {"left": of_left, "right": of_right}

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``df g(x) + f(x) dg``."""
        left, right = res[""]
        one, two = (
            child.pushforward(p.get(name, {}), res[name], dp.get(name, {}), dx)
            for name, child in self.children().items()
        )
        return one * right + left * two
