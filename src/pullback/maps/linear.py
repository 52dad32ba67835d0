"""The linear map: ``y = x W + b``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.context import Context
from pullback.core.contraction import C
from pullback.core.errors import ConfigError
from pullback.core.initializers import Constant, Initializer
from pullback.core.map import MAPS, Map, Params, check_rank
from pullback.core.spec import Param, Spec, Specs


@MAPS.register
@dataclass(frozen=True)
class Linear(Map):
    r"""``y = x W + b`` over the last axis.

    Pullback :math:`g_x = g_y W^T`; gradients :math:`G_W = \sum_n x_n^T g_{y,n}` and
    :math:`G_b = \sum_n g_{y,n}` (summed over the axes between the first and the last too).

    Args:
        units: width of the output.
        bias: whether there is a ``b``.
        init: how ``W`` starts; None takes what the following map asks for (He before ReLU and
            its kin, else Glorot). ``b`` starts at zero.

    Shapes: ``x (N, ..., in)``, ``W (in, units)``, ``b (units,)``, ``y (N, ..., units)``.

    Raises:
        ConfigError: ``units`` is not a positive whole number.
        ShapeError: the input has no axis besides the batch.
    """

    stepwise = True

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x W + b",
        "gx = gy Wᵀ",
    )

    units: int
    bias: bool = True
    init: Initializer | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.units, int) or isinstance(self.units, bool) or self.units < 1:
            raise ConfigError(
                f"Linear: units={self.units!r}; expected a whole number of at least 1"
            )

    def spec(self, x: Specs) -> Spec:
        """Return the input's spec with ``units`` on the last axis."""
        check_rank("Linear", x, 1)
        return Spec((*x.shape[:-1], self.units), x.dtype)

    def params(self, x: Specs) -> dict[str, Any]:
        """Return ``W`` and, with a bias, ``b``."""
        declared = {"W": Param((x.shape[-1], self.units), self.init)}
        if self.bias:
            declared["b"] = Param((self.units,), Constant(0.0), decay=False)
        return declared

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``x W + b`` and ``x``."""
        y = x @ p["W"]
        return (y + p["b"] if self.bias else y), x

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy W^T``, and ``gy`` as the layer's delta."""
        return gy @ p["W"].T, gy

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare ``W`` and ``b``; axes between the first and the last become one, ``t``."""
        x, axes = res, "n"
        if x.ndim > 2:
            x, delta, axes = one_position_axis(x), one_position_axis(delta), "nt"
        declared = {"W": C(f"{axes}o,{axes}i->io", delta=delta, x=x)}
        if self.bias:
            declared["b"] = C(f"{axes}o->o", delta=delta)
        return declared

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``dx W + x dW + db``."""
        dy = dx @ p["W"] + res @ dp["W"]
        return dy + dp["b"] if self.bias else dy

    def multiply_adds(self, x: Specs) -> int:
        """Return ``in * units`` for each position."""
        return int(x.size * self.units)


def one_position_axis(x: Any) -> Any:
    """Return ``x (N, ..., C)`` with the axes between the first and the last made one."""
    # counted, for -1 cannot be worked out in a batch of no examples
    return x.reshape((x.shape[0], math.prod(x.shape[1:-1]), x.shape[-1]))
