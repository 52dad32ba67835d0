"""Vectors brought to length 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.arrays import namespace
from pullback.core.context import Context
from pullback.core.errors import ConfigError
from pullback.core.map import MAPS, Map, Params, check_rank
from pullback.core.spec import Specs


@MAPS.register
@dataclass(frozen=True)
class UnitNorm(Map):
    r"""The direction of a vector (last axis): :math:`y = x / r`, :math:`r = \sqrt{x \cdot x + e}`.

    Pullback :math:`g_x = (g_y - y (y \cdot g_y)) / r`; the pushforward has the same form, as this
    Jacobian is symmetric. The small number ``e`` (``eps``) keeps the slope finite at 0. As the last
    map of an embedding: Schroff, Kalenichenko, Philbin, "FaceNet" (2015), section 3.

    Shapes: ``x (N, ..., C)``, ``y (N, ..., C)``.

    Raises:
        ConfigError: ``eps`` is not above 0.
        ShapeError: an example is a single number.
    """

    stepwise = True

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x / r, r = √(x·x + ε)",
        "gx = (gy - y (y·gy)) / r",
    )
    passes_init: ClassVar[bool] = True

    eps: float = 1e-12

    def __post_init__(self) -> None:
        if not self.eps > 0:
            raise ConfigError(f"UnitNorm: eps={self.eps!r}; expected a small number above 0")

    def spec(self, x: Specs) -> Specs:
        """Return the input's spec."""
        check_rank("UnitNorm", x, 1)
        return x

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the directions; they and the lengths are the residual."""
        xp = namespace(x)
        length = xp.sqrt(xp.sum(x * x, axis=-1, keepdims=True) + self.eps)
        y = x / length
        return y, {"y": y, "length": length}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return what of ``gy`` is across the direction, over the length."""
        return self._across(res, gy), None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return what of ``dx`` is across the direction, over the length."""
        return self._across(res, dx)

    @staticmethod
    def _across(res: Any, v: Any) -> Any:
        y = res["y"]
        return (v - y * namespace(v).sum(y * v, axis=-1, keepdims=True)) / res["length"]
