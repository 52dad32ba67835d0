"""Several sequences side by side in one array, for a map of several inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.arrays import namespace
from pullback.core.compose import Wrapper, checked_spec
from pullback.core.context import Context
from pullback.core.errors import ShapeError
from pullback.core.map import MAPS, Map, Params
from pullback.core.spec import Spec, Specs


@MAPS.register
@dataclass(frozen=True)
class SideBySide(Wrapper):
    """Gives the map within, which takes several sequences, the columns of one array.

    So a source and a target, of which ``EncoderDecoder`` makes its output, can be one example of a
    data set. The cotangents of the sequences become columns again.

    Shapes: ``x (N, T, k)``; the map within gets ``k`` arrays ``(N, T)``.

    Raises:
        ConfigError: ``body`` is not a map.
        ShapeError: an example is not ``(T, k)`` with at least two columns.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = f(x[:, :, 0], x[:, :, 1], ...)",
        "gx[:, :, i] = Jᵢᵀ gy",
    )

    body: Map

    stepwise = False

    def inputs(self, x: Specs) -> dict[str, Specs]:
        """Return the specs of the columns."""
        if isinstance(x, tuple) or len(x.shape) != 2 or x.shape[1] < 2:
            raise ShapeError(
                f"SideBySide needs examples (T, k), k at least 2, found {getattr(x, 'shape', x)}"
            )
        return {"body": tuple(Spec(x.shape[:1], x.dtype) for _ in range(x.shape[1]))}

    def spec(self, x: Specs) -> Specs:
        """Return the child's output spec."""
        return checked_spec("body", self.body, self.inputs(x)["body"])

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Apply the child to the columns."""
        own = ctx.child("body")._replace(lengths=None)
        y, res = self.body.forward(p.get("body", {}), _columns(x), own)
        return y, {"body": res}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Put the columns' cotangents side by side."""
        gx, delta = self.body.pullback(p.get("body", {}), res["body"], gy)
        wanted = gx is not None and gx[0] is not None
        return namespace(gy).stack(gx, axis=2) if wanted else None, {"body": delta}

    def out_lengths(self, lengths: Any) -> None:
        """Return None: the lengths are the columns' own."""

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Push the columns' changes forward."""
        return self.body.pushforward(p.get("body", {}), res["body"], dp.get("body", {}),
                                     _columns(dx))  # fmt: skip


def _columns(x: Any) -> tuple[Any, ...]:
    return tuple(x[:, :, i] for i in range(x.shape[2]))
