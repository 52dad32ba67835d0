"""Sequences of different lengths in one batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pullback.core.arrays import count_up, namespace
from pullback.core.compose import Wrapper, checked_spec
from pullback.core.context import Context
from pullback.core.errors import ShapeError
from pullback.core.map import MAPS, Map, Params
from pullback.core.spec import Specs
from pullback.maps.steps import only, own_steps


@MAPS.register
@dataclass(frozen=True)
class Padded(Wrapper):
    """Tells the map within how long each sequence of the batch is.

    Where a sequence ends is read from the input: ids ``(N, T)`` are padded with numbers below 0,
    vectors ``(N, T, C)`` with steps of nothing but NaN, which the map within gets as 0. The maps
    that look at other steps (recurrent ones, attention, pools) then leave out those beyond the
    end, and every example is what it would be alone. An output that has steps is 0 beyond the end,
    and so is the cotangent of the input.

    Of a tuple of inputs each has its own lengths.

    Raises:
        ConfigError: ``body`` is not a map.
        ShapeError: an input is neither ids nor vectors, or the output has other steps than the
            maps within say, or is a single number for each.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = f(x), lengths known; 0 beyond the end",
        "gx = Jᵀ gy, 0 beyond the end",
    )

    body: Map

    stepwise = False

    @property
    def with_memory(self) -> bool:  # type: ignore[override]
        """As the body."""
        return self.body.with_memory

    def spec(self, x: Specs) -> Specs:
        """Return the child's output spec."""
        parts = x if isinstance(x, tuple) else (x,)
        for part in parts:
            if len(part.shape) not in (1, 2) or not part.shape[0]:
                raise ShapeError(
                    f"Padded needs ids (T,) or vectors (T, C) for an example, found {part.shape}"
                )
        y = checked_spec("body", self.body, x)
        whole = tuple(np.array([part.shape[0]]) for part in parts)
        after = self.body.out_lengths(whole if isinstance(x, tuple) else whole[0])
        if isinstance(y, tuple):
            raise ShapeError("Padded needs a map with one output")
        if after is not None and (len(y.shape) < 2 or y.shape[0] != after[0]):
            raise ShapeError(
                f"Padded: of {parts[0].shape[0]} steps the map within makes {y.shape}, expected "
                f"({after[0]}, ...); a map that changes the steps must say so in out_lengths"
            )
        return y

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Apply the child to what is not padding."""
        given = x if isinstance(x, tuple) else (x,)
        lengths = tuple(lengths_of(part) for part in given)
        parts = tuple(_filled(part, n) for part, n in zip(given, lengths, strict=True))
        own = ctx.child("body")._replace(lengths=lengths if isinstance(x, tuple) else lengths[0])
        inside = parts if isinstance(x, tuple) else parts[0]
        y, res = self.body.forward(p.get("body", {}), inside, own)
        after = self.body.out_lengths(own.lengths)
        # no child can be called "": what is not a child's residual has that name
        return _zeroed(y, after), {"body": res, "": {"in": lengths, "out": after}}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Pull what is not padding back."""
        known = res[""]
        gx, delta = self.body.pullback(p.get("body", {}), res["body"], _zeroed(gy, known["out"]))
        return _each_zeroed(gx, known["in"]), {"body": delta}

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Push what is not padding forward."""
        inside = _each_zeroed(dx, res[""]["in"])
        dy = self.body.pushforward(p.get("body", {}), res["body"], dp.get("body", {}), inside)
        return _zeroed(dy, res[""]["out"])


def lengths_of(x: Any) -> Any:
    """Return how many steps of each example are its own, ``(N,)``: up to the last with a value."""
    xp = namespace(x)
    # half way to -1: a number that stands for an id need not be quite whole
    own = x > -0.5 if x.ndim == 2 else ~xp.all(xp.isnan(x), axis=-1)
    after = count_up(x.shape[1], x, xp.int64) + 1
    return xp.max(xp.where(own, after, xp.zeros_like(after)), axis=1)


def _filled(x: Any, lengths: Any) -> Any:
    """Return ``x`` with 0 in the vectors of padding; ids of padding stay below 0."""
    return x if x.ndim == 2 else _zeroed(x, lengths)


def _zeroed(v: Any, lengths: Any) -> Any:
    if lengths is None or v is None:  # there are no steps, or nobody wants the cotangent
        return v
    return only(own_steps(lengths, v.shape[1]), v)


def _each_zeroed(v: Any, lengths: tuple[Any, ...]) -> Any:
    if isinstance(v, tuple):
        return tuple(_zeroed(part, n) for part, n in zip(v, lengths, strict=True))
    return _zeroed(v, lengths[0])
