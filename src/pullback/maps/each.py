"""A map of every member of a group: examples that consist of examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.compose import Wrapper, checked_spec
from pullback.core.context import Context
from pullback.core.contraction import Contraction, Later
from pullback.core.errors import ShapeError
from pullback.core.map import MAPS, Map, Params
from pullback.core.spec import Spec, Specs
from pullback.core.tree import map_leaves


@MAPS.register
@dataclass(frozen=True)
class Each(Wrapper):
    r"""The same map of every member of an example: :math:`y_{nm} = f(p, x_{nm})`.

    An example is a group of ``M`` inputs, such as a pair, a triplet, or pictures to be compared;
    the members have one set of parameters. Pullback :math:`g_{x,nm} = J_{nm}^T g_{y,nm}`; in a
    parameter's gradient the members are one more axis that is summed over.

    Shapes: ``x (N, M, ...)``, ``y (N, M, ...)``.

    Raises:
        ConfigError: ``body`` is not a map.
        ShapeError: an example has no axis of members.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y[m] = f(x[m]) for every member m",
        "gx[m] = Jₘᵀ gy[m]",
    )

    body: Map

    stepwise = False

    def examples(self, x: Specs) -> int:
        """Return the number of members."""
        return int(x.shape[0])

    def inputs(self, x: Specs) -> dict[str, Specs]:
        """Return the spec of a member."""
        if isinstance(x, tuple) or not x.shape or not x.shape[0]:
            raise ShapeError(f"Each needs examples (members, ...), found {getattr(x, 'shape', x)}")
        return {"body": Spec(x.shape[1:], x.dtype)}

    def spec(self, x: Specs) -> Spec:
        """Return the members' outputs."""
        y = checked_spec("body", self.body, self.inputs(x)["body"])
        if isinstance(y, tuple):
            raise ShapeError("Each needs a map with one output")
        return Spec((x.shape[0], *y.shape), y.dtype)

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Apply the child to all members as one batch; their number is kept."""
        n, members = x.shape[:2]
        own = ctx.child("body")._replace(first=ctx.first * members, lengths=None)
        y, res = self.body.forward(p.get("body", {}), _joined(x), own)
        # no child can be called "": what is not a child's residual has that name
        return y.reshape((n, members, *y.shape[1:])), {"body": res, "": (n, members)}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Pull the members' cotangents back as one batch."""
        gx, delta = self.body.pullback(p.get("body", {}), res["body"], _joined(gy))
        return None if gx is None else gx.reshape((*res[""], *gx.shape[1:])), {"body": delta}

    def out_lengths(self, lengths: Any) -> None:
        """Return None: the members are no steps."""

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare the child's gradients, with the members as an axis that is summed over."""
        members = res[""][1]
        found = super().grads(p, res, delta)
        declared: dict[str, Any] = map_leaves(lambda c: OverMembers(c, members), found)
        return declared

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Push the members forward as one batch."""
        dy = self.body.pushforward(p.get("body", {}), res["body"], dp.get("body", {}), _joined(dx))
        return dy.reshape((*res[""], *dy.shape[1:]))

    def multiply_adds(self, x: Specs) -> int:
        """Return the child's for every member."""
        return self.examples(x) * super().multiply_adds(x)


def _joined(x: Any) -> Any:
    """Return ``(N, M, ...)`` as ``(N M, ...)``."""
    return x.reshape((x.shape[0] * x.shape[1], *x.shape[2:]))


class OverMembers(Later):
    """The contraction over groups, of one over all their members.

    The sum is the same. All else needs the members as an axis of their own, which is made when it
    is asked for, as a child's declaration may be deferred too.
    """

    __slots__ = ("_inner", "_members")

    def __init__(self, inner: Contraction, members: int) -> None:
        super().__init__()
        self._inner, self._members = inner, members

    def sum(self, out: Any = None) -> Any:
        """Return the gradient summed over the examples."""
        return self._inner.sum(out)

    def _declare(self) -> Contraction:
        inner = self._inner
        letter = next(c for c in "mabcdefghijkl" if c not in inner.equation)
        operands = {
            name: a.reshape((a.shape[0] // self._members, self._members, *a.shape[1:]))
            for name, a in zip(inner.names, inner.operands, strict=True)
        }
        return Contraction(inner.equation.replace("n", "n" + letter), **operands)
