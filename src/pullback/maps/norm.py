"""Normalisation over the batch, over the features, and over groups of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.arrays import namespace
from pullback.core.context import Context
from pullback.core.contraction import C
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.initializers import Constant
from pullback.core.map import MAPS, Map, Params, check_rank
from pullback.core.spec import Param, Slot, Specs
from pullback.maps.linear import one_position_axis


class Normalization(Map):
    r"""Base: ``y = gamma h + beta`` with ``h = (x - mean) / sqrt(var + eps)``.

    Mean and variance go over ``axes`` (a subclass says which). Where they depend on ``x``, with
    :math:`\langle\cdot\rangle` the mean over those axes,
    :math:`g_x = (g_h - \langle g_h \rangle - h \langle g_h h \rangle) / \sigma`,
    and the pushforward has the same form, as this Jacobian is symmetric.
    """

    eps: float
    passes_init: ClassVar[bool] = True

    def spec(self, x: Specs) -> Specs:
        """Return the input's spec."""
        check_rank(type(self).__name__, x, 1)
        return x

    def params(self, x: Specs) -> dict[str, Any]:
        """Return the scale ``gamma`` and the shift ``beta``, one for each feature."""
        width = (x.shape[-1],)
        return {
            "gamma": Param(width, Constant(1.0), decay=False),
            "beta": Param(width, Constant(0.0), decay=False),
        }

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare ``gamma`` and ``beta``; axes between the first and the last become one."""
        h, axes = res["h"], "n"
        if h.ndim > 2:
            h, delta, axes = one_position_axis(h), one_position_axis(delta), "nt"
        return {
            "gamma": C(f"{axes}c,{axes}c->c", delta=delta, h=h),
            "beta": C(f"{axes}o->o", delta=delta),
        }

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return the cotangent of ``x``, and ``gy`` as the delta."""
        return self._through(res, gy * p["gamma"]), gy

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``gamma dh + h dgamma + dbeta``."""
        return p["gamma"] * self._through(res, dx) + res["h"] * dp["gamma"] + dp["beta"]

    def _through(self, res: Any, v: Any) -> Any:
        h, axes = res["h"], res["axes"]
        if axes is None:  # mean and variance were constants
            return v / res["sigma"]
        xp = namespace(v)
        centred = v - _mean(xp, v, axes)
        return (centred - h * _mean(xp, v * h, axes)) / res["sigma"]


def _check_eps(what: str, eps: float) -> None:
    if eps <= 0:
        raise ConfigError(f"{what}: eps={eps!r}; expected a small number above 0")


def _mean(xp: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """Return the mean over ``axes``, of float32 added up in float64: many add up to a large sum."""
    if x.dtype != xp.float32:
        return xp.mean(x, axis=axes, keepdims=True)
    count = math.prod(x.shape[axis] for axis in axes)
    total = xp.sum(x, axis=axes, keepdims=True, dtype=xp.float64)
    return xp.astype(total / count, xp.float32)


def _moments(x: Any, axes: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """Return mean, centred values and variance (divided by the count) over ``axes``."""
    xp = namespace(x)
    mean = _mean(xp, x, axes)
    centred = x - mean
    # what the mean of large numbers lost in rounding: equal numbers have a variance of 0
    centred = centred - _mean(xp, centred, axes)
    # a product rather than a power or abs, so that the complex step goes through
    return mean, centred, _mean(xp, centred * centred, axes)


@MAPS.register
@dataclass(frozen=True)
class LayerNorm(Normalization):
    """Each example's features (last axis) to mean 0 and variance 1, then scaled and shifted.

    Ba, Kiros, Hinton, "Layer normalization" (2016). Parameters ``gamma``, ``beta``: ``(C,)``.
    """

    stepwise = True

    formulas: ClassVar[tuple[str, ...]] = (
        "y = γ h + β, h = (x - mean x) / √(var x + ε) over the features",
        "gx = (gh - mean gh - h mean(gh h)) / √(var x + ε), gh = γ gy",
    )

    eps: float = 1e-5

    def __post_init__(self) -> None:
        _check_eps("LayerNorm", self.eps)

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Normalise over the last axis."""
        _, centred, variance = _moments(x, (-1,))
        sigma = namespace(x).sqrt(variance + self.eps)
        h = centred / sigma
        return p["gamma"] * h + p["beta"], {"h": h, "sigma": sigma, "axes": (-1,)}


@MAPS.register
@dataclass(frozen=True)
class RMSNorm(Normalization):
    r"""Each example's features (last axis) to a mean square of 1, then scaled.

    ``y = gamma h`` with ``h = x / sqrt(<x^2> + eps)``: a ``LayerNorm`` that takes no mean away and
    adds no shift. Pullback :math:`g_x = (g_h - h \langle g_h h \rangle) / \sigma`, and the
    pushforward has the same form. Zhang and Sennrich, "Root mean square layer normalization"
    (2019). Parameter ``gamma``: ``(C,)``.
    """

    stepwise = True

    formulas: ClassVar[tuple[str, ...]] = (
        "y = γ h, h = x / √(mean x² + ε) over the features",
        "gx = (gh - h mean(gh h)) / √(mean x² + ε), gh = γ gy",
    )

    eps: float = 1e-6

    def __post_init__(self) -> None:
        _check_eps("RMSNorm", self.eps)

    def params(self, x: Specs) -> dict[str, Any]:
        """Return the scale ``gamma``, one for each feature."""
        return {"gamma": super().params(x)["gamma"]}

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Normalise over the last axis."""
        xp = namespace(x)
        sigma = xp.sqrt(_mean(xp, x * x, (-1,)) + self.eps)
        h = x / sigma
        return p["gamma"] * h, {"h": h, "sigma": sigma}

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare ``gamma``."""
        return {"gamma": super().grads(p, res, delta)["gamma"]}

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``gamma dh + h dgamma``."""
        return p["gamma"] * self._through(res, dx) + res["h"] * dp["gamma"]

    def _through(self, res: Any, v: Any) -> Any:
        h = res["h"]
        return (v - h * _mean(namespace(v), v * h, (-1,))) / res["sigma"]


@MAPS.register
@dataclass(frozen=True)
class GroupNorm(Normalization):
    """Groups of features (last axis), over all positions of an example, to mean 0 and variance 1.

    Wu and He, "Group normalization" (2018); one group: of the whole example. Parameters ``gamma``,
    ``beta``: ``(C,)``, one for each feature.

    Raises:
        ConfigError: ``groups`` is not a whole number of at least 1.
        ShapeError: ``groups`` does not divide the features.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = γ h + β, h = (x - mean x) / √(var x + ε) over positions and a group of features",
        "gx = (gh - mean gh - h mean(gh h)) / √(var x + ε), gh = γ gy",
    )

    groups: int = 32
    eps: float = 1e-5

    def __post_init__(self) -> None:
        _check_eps("GroupNorm", self.eps)
        if type(self.groups) is not int or self.groups < 1:
            raise ConfigError(
                f"GroupNorm: groups={self.groups!r}; expected a whole number of at least 1"
            )

    def spec(self, x: Specs) -> Specs:
        """Return the input's spec."""
        check_rank("GroupNorm", x, 1)
        if x.shape[-1] % self.groups:
            raise ShapeError(
                f"GroupNorm: {x.shape[-1]} features cannot be divided into groups={self.groups}"
            )
        return x

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Normalise over the positions and the features of a group."""
        _, centred, variance = _moments(self._split(x), (1, 3))
        sigma = namespace(x).sqrt(variance + self.eps)
        h = (centred / sigma).reshape(x.shape)
        return p["gamma"] * h + p["beta"], {"h": h, "sigma": sigma, "axes": (1, 3)}

    def _split(self, x: Any) -> Any:
        """Return ``x`` as ``(N, positions, groups, features of a group)``."""
        features = x.shape[-1] // self.groups
        return x.reshape((x.shape[0], math.prod(x.shape[1:-1]), self.groups, features))

    def _through(self, res: Any, v: Any) -> Any:
        split = {**res, "h": self._split(res["h"])}
        return super()._through(split, self._split(v)).reshape(v.shape)


@MAPS.register
@dataclass(frozen=True)
class BatchNorm(Normalization):
    r"""Each feature (last axis) to mean 0 and variance 1 over the batch, scaled and shifted.

    The features of images are their channels: mean and variance go over all positions too.

    In training the batch's own mean and variance are used, and the running ones move towards
    them: ``r <- (1 - momentum) r + momentum b``, with the unbiased variance; otherwise the
    running ones are used. Ioffe and Szegedy, "Batch normalization" (2015), algorithm 1.

    Parameters ``gamma``, ``beta``: ``(C,)``. State ``mean``, ``var``: ``(C,)``.

    Raises:
        ShapeError: a training batch with a single value a feature, whose variance is undefined.
    """

    stepwise = True

    formulas: ClassVar[tuple[str, ...]] = (
        "y = γ h + β, h = (x - mean x) / √(var x + ε) over the batch",
        "gx = (gh - mean gh - h mean(gh h)) / √(var x + ε), gh = γ gy",
    )

    eps: float = 1e-5
    momentum: float = 0.1

    couples_batch: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_eps("BatchNorm", self.eps)
        if not 0 < self.momentum <= 1:
            raise ConfigError(
                f"BatchNorm: momentum={self.momentum!r}; expected a number above 0, at most 1"
            )

    def state(self, x: Specs) -> dict[str, Any]:
        """Return the running mean and variance."""
        return {"mean": Slot((x.shape[-1],)), "var": Slot((x.shape[-1],), fill=1.0)}

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Normalise over all axes but the last."""
        xp = namespace(x)
        if not ctx.train:
            sigma = xp.sqrt(ctx.state["var"] + self.eps)
            h = (x - ctx.state["mean"]) / sigma
            return p["gamma"] * h + p["beta"], {"h": h, "sigma": sigma, "axes": None}
        count = math.prod(x.shape[:-1])
        if count < 2:
            raise ShapeError(
                f"{ctx.path or 'BatchNorm'}: BatchNorm cannot train on a batch with one value a "
                "feature; use a larger batch, or LayerNorm"
            )
        axes = tuple(range(x.ndim - 1))
        mean, centred, variance = _moments(x, axes)
        sigma = xp.sqrt(variance + self.eps)
        h = centred / sigma
        seen = {
            "mean": mean.reshape((-1,)),
            "var": variance.reshape((-1,)) * (count / (count - 1)),
        }
        return p["gamma"] * h + p["beta"], {"h": h, "sigma": sigma, "axes": axes, "seen": seen}

    def advance(self, state: Mapping[str, Any], res: Any) -> Mapping[str, Any]:
        """Move the running mean and variance towards those of the batch."""
        m = self.momentum
        return {name: (1 - m) * state[name] + m * res["seen"][name] for name in ("mean", "var")}
