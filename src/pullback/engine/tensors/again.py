"""What PyTorch's kernels do not keep is worked out again by the reference form when it is asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pullback.core.context import Context
from pullback.core.contraction import Contraction, Later
from pullback.core.map import Params
from pullback.engine.tensors.forms import TensorForm


class Known(Later):
    """A contraction whose sum a kernel gives; it is declared when more is asked.

    Args:
        declare: returns the contraction.
        total: the sum, or what returns it.
    """

    __slots__ = ("_declared_by", "_total")

    def __init__(self, declare: Callable[[], Contraction], total: Any) -> None:
        super().__init__()
        self._declared_by, self._total = declare, total

    def _declare(self) -> Contraction:
        return self._declared_by()

    def sum(self, out: Any = None) -> Any:
        """Return the gradient summed over the examples."""
        found = self._total() if callable(self._total) else self._total
        return found if out is None else out.copy_(found)


class Again(TensorForm):
    """Base of the forms whose residual is a dict of their own, with the input as ``x``.

    The delta is a dict too: ``gy``, and the sums of gradients by the parameters' names, or
    functions that return them. Residuals with the key ``source`` are of the source.
    """

    def of_source(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return what the source gives, for a case that the kernel does not know."""
        y, res = self.source.forward(p, x, ctx)
        return y, {"source": res}

    def pullback_of_source(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Pull ``gy`` back as the source does."""
        gx, delta = self.source.pullback(p, res["source"], gy)
        return gx, {"source": delta}

    def _residual(self, p: Params, res: Any) -> Any:
        if "source" not in res:
            res["source"] = self.source.forward(p, res["x"], Context(train=True))[1]
        return res["source"]

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare the sums that are there, and the rest when it is asked."""
        if "source" in delta:
            return self.source.grads(p, res["source"], delta["source"])

        def declare(name: str) -> Any:
            own = self._residual(p, res)
            _, again = self.source.pullback(p, own, delta["gy"])
            return self.source.grads(p, own, again)[name]

        totals = {name: found for name, found in delta.items() if name != "gy"}
        return {name: Known(partial(declare, name), found) for name, found in totals.items()}

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Push forward as the source does."""
        return self.source.pushforward(p, self._residual(p, res), dp, dx)
