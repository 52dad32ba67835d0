"""Steps of sequences of different lengths: which are an example's own, the last, the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.arrays import count_up, namespace
from pullback.core.context import Context
from pullback.core.errors import ShapeError
from pullback.core.map import MAPS, Map, Params
from pullback.core.spec import Spec, Specs


def check_steps(what: str, x: Specs) -> None:
    """Raise ``ShapeError`` unless an example is ``(T, C)`` with at least one step."""
    if isinstance(x, tuple) or len(x.shape) != 2 or not x.shape[0]:
        found = getattr(x, "shape", x)
        raise ShapeError(f"{what} needs examples of shape (T, C), found {found}")


def lengths_in(ctx: Context, x: Any) -> Any:
    """Return the lengths of the sequences ``x (N, T, ...)``; where they are not known, all of T."""
    if ctx.lengths is not None:
        return ctx.lengths
    return count_up(x.shape[0], x, namespace(x).int64) * 0 + x.shape[1]


def own_steps(lengths: Any, count: int) -> Any:
    """Return whether each of ``count`` steps is each example's own, ``(N, count)`` of bool."""
    return count_up(count, lengths) < lengths[:, None]


def mask_of(lengths: Any, count: int, like: Any) -> Any:
    """Return ``own_steps`` as ``(N, count)`` ones and zeros in the dtype of ``like``."""
    return namespace(like).astype(own_steps(lengths, count), like.dtype)


class Choice(Map):
    """Base: ``y`` is ``x`` at some of the steps; with a mask as the residual."""

    passes_init: ClassVar[bool] = True

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``dx`` at those steps."""
        return self._chosen(res, dx)

    def _chosen(self, mask: Any, v: Any) -> Any:
        raise NotImplementedError


def only(mask: Any, v: Any) -> Any:
    """Return ``v (N, T, ...)`` where the mask ``(N, T)`` is True, else 0, even for NaN."""
    xp = namespace(v)
    return xp.where(mask.reshape((*mask.shape, *(1,) * (v.ndim - 2))), v, xp.zeros_like(v))


@MAPS.register
@dataclass(frozen=True)
class LastStep(Choice):
    """The last step of a sequence that is its own: ``(N, T, ...) -> (N, ...)``.

    Of a sequence of no steps it is 0. The pullback gives ``gy`` to that step.

    Raises:
        ShapeError: an example has no axis of steps, or none besides.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x[last]",
        "gx = gy at the last step, else 0",
    )

    def spec(self, x: Specs) -> Spec:
        """Return the spec of a step."""
        if isinstance(x, tuple) or len(x.shape) < 2 or not x.shape[0]:
            raise ShapeError(f"LastStep needs examples (T, ...), found {getattr(x, 'shape', x)}")
        return Spec(x.shape[1:], x.dtype)

    def out_lengths(self, lengths: Any) -> None:
        """Return None: there are no steps left."""

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the last steps; which they are is the residual."""
        lengths, steps = lengths_in(ctx, x), x.shape[1]
        mask = own_steps(lengths, steps) & ~own_steps(lengths - 1, steps)
        return self._chosen(mask, x), mask

    def _chosen(self, mask: Any, v: Any) -> Any:
        return namespace(v).sum(only(mask, v), axis=1)

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy`` at the last steps."""
        shape = (gy.shape[0], res.shape[1], *gy.shape[1:])
        return only(res, namespace(gy).broadcast_to(gy[:, None], shape)), None


@MAPS.register
@dataclass(frozen=True)
class Trim(Choice):
    """Steps beyond the end of a sequence become 0: before a map that looks at the neighbours.

    A convolution then sees what it sees beyond the end of a shorter batch. Where nothing is known
    of the lengths, ``y = x``.

    Raises:
        ShapeError: an example has no axis of steps, or none besides.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x, 0 beyond the end",
        "gx = gy, 0 beyond the end",
    )

    def spec(self, x: Specs) -> Specs:
        """Return the input's spec."""
        if isinstance(x, tuple) or len(x.shape) < 2:
            raise ShapeError(f"Trim needs examples (T, ...), found {getattr(x, 'shape', x)}")
        return x

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``x`` without what is beyond the ends."""
        mask = None if ctx.lengths is None else own_steps(ctx.lengths, x.shape[1])
        return self._chosen(mask, x), mask

    def _chosen(self, mask: Any, v: Any) -> Any:
        return v if mask is None else only(mask, v)

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy`` without what is beyond the ends."""
        return self._chosen(res, gy), None


@MAPS.register
@dataclass(frozen=True)
class CenterSteps(Choice):
    r"""Each channel less its mean over the steps: :math:`y_t = x_t - \frac{1}{T} \sum_s x_s`.

    Of logarithms of power it takes away what a microphone and a room do to every frame alike:
    Atal, "Effectiveness of linear prediction characteristics of the speech wave for automatic
    speaker identification and verification" (1974). The mean is that of a sequence's own steps, and
    ``y`` is 0 beyond its end. The map is linear and its own transpose: the pullback takes the mean
    of ``gy`` away.

    Shapes: ``x (N, T, C)``, ``y (N, T, C)``.

    Raises:
        ShapeError: an example is not a sequence of vectors.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x - mean x over the steps",
        "gx = gy - mean gy over the steps",
    )

    def spec(self, x: Specs) -> Specs:
        """Return the input's spec."""
        check_steps("CenterSteps", x)
        return x

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the differences; which steps are each example's own is the residual."""
        mask = None if ctx.lengths is None else own_steps(ctx.lengths, x.shape[1])
        return self._chosen(mask, x), mask

    def _chosen(self, mask: Any, v: Any) -> Any:
        xp = namespace(v)
        if mask is None:
            return v - xp.mean(v, axis=1, keepdims=True)
        own, ones = only(mask, v), mask_of(xp.sum(mask, axis=1), mask.shape[1], v)[..., None]
        count = xp.sum(ones, axis=1, keepdims=True)
        mean = xp.sum(own, axis=1, keepdims=True) / xp.where(count == 0, xp.ones_like(count), count)
        return own - ones * mean

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy`` less its mean."""
        return self._chosen(res, gy), None
