"""Convolutions: one linear map of every window, channels last."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.arrays import namespace
from pullback.core.context import Context
from pullback.core.contraction import C
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.initializers import Constant, Initializer
from pullback.core.map import MAPS, Map, Params
from pullback.core.spec import Param, Spec, Specs
from pullback.maps.linear import one_position_axis
from pullback.maps.window import (
    Padding,
    Sizes,
    Windows,
    check_positions,
    pads_of,
    per_axis,
    spans,
    windows,
)

AXES = "uv"
"""The letters of a kernel's axes in a contraction."""


class Windowed(Map):
    """Base of the convolutions: the fields, and what ``W`` and ``b`` start as."""

    axes: ClassVar[int]
    channels: int
    kernel_size: int | Sizes
    stride: int | Sizes
    padding: Padding
    dilation: int | Sizes
    bias: bool
    init: Initializer | None

    def __post_init__(self) -> None:
        if type(self.channels) is not int or self.channels < 1:
            raise ConfigError(
                f"{self.title}: channels={self.channels!r}; expected a whole number of at least 1"
            )
        for name in ("kernel_size", "stride", "dilation"):
            value = getattr(self, name)
            found = per_axis(self.title, name, value, self.axes)
            object.__setattr__(self, name, value if isinstance(value, int) else found)
        pads = pads_of(self.title, self.padding, self._kernel)
        if isinstance(self.padding, tuple | list):
            object.__setattr__(self, "padding", pads)

    @property
    def _kernel(self) -> Sizes:
        return per_axis(self.title, "kernel_size", self.kernel_size, self.axes)

    def over(self, inside: Sizes) -> Windows:
        """Return the windows over positions of spatial size ``inside``."""
        stride, dilation = (
            per_axis(self.title, name, getattr(self, name), self.axes)
            for name in ("stride", "dilation")
        )
        pads = pads_of(self.title, self.padding, self._kernel)
        return windows(self.title, inside, self._kernel, stride, dilation, pads)

    def params(self, x: Specs) -> dict[str, Any]:
        """Return ``W`` and, with a bias, ``b``."""
        shape = (*self._kernel, self._inputs(x), self.channels)
        declared = {"W": Param(shape, self.init)}
        if self.bias:
            declared["b"] = Param((self.channels,), Constant(0.0), decay=False)
        return declared

    def _inputs(self, x: Specs) -> int:
        """Return the channels that a weight sees."""
        return int(x.shape[-1])


class Convolution(Windowed):
    r"""Base: ``y[p] = sum_u x[p * stride + u * dilation - before] W[u] + b``.

    With :math:`P_{n,t,u}` the patches (what window ``t`` of example ``n`` sees at ``u``), the
    product is :math:`y_{nt} = \sum_u P_{ntu} W_u + b`; the pullback adds :math:`g_{y,nt} W_u^T`
    up where the windows overlap, and :math:`G_{W,u} = \sum_{nt} P_{ntu}^T g_{y,nt}`.
    """

    groups: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.groups) is not int or self.groups < 1 or self.channels % self.groups:
            raise ConfigError(
                f"{self.title}: groups={self.groups!r}; expected a whole number that divides "
                f"channels={self.channels}"
            )

    def spec(self, x: Specs) -> Spec:
        """Return the spatial size of the windows, and ``channels``."""
        check_positions(self.title, x, self.axes)
        if x.shape[-1] % self.groups:
            raise ShapeError(
                f"{self.title}: {x.shape[-1]} channels cannot be divided into groups={self.groups}"
            )
        return Spec((*self.over(x.shape[:-1]).outside, self.channels), x.dtype)

    def _inputs(self, x: Specs) -> int:
        return int(x.shape[-1]) // self.groups

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the convolution and ``x``."""
        y = self._product(x, p["W"])
        return (y + p["b"] if self.bias else y), x

    def _product(self, x: Any, w: Any) -> Any:
        over = self.over(tuple(x.shape[1:-1]))
        rows = self._by_groups(over.cut(x), over.count)
        weights = self._weights(w)
        y = namespace(x).matmul(rows, weights)  # (groups, N T, channels / groups)
        y = namespace(x).permute_dims(y, (1, 0, 2))
        # rows in order, or what is added up later depended on how they lie
        shape = (x.shape[0], *over.outside, self.channels)
        return namespace(x).reshape(y, shape, copy=True)

    def _by_groups(self, patches: Any, count: int) -> Any:
        """Return ``(N, ..., count, C)`` as ``(groups, N T, count C / groups)``."""
        inputs = patches.shape[-1] // self.groups
        rows = math.prod(patches.shape[:-2])
        split = patches.reshape((rows, count, self.groups, inputs))
        split = namespace(patches).permute_dims(split, (2, 0, 1, 3))
        return split.reshape((self.groups, rows, count * inputs))

    def _weights(self, w: Any) -> Any:
        """Return ``W`` as ``(groups, kernel C / groups, channels / groups)``."""
        outputs = self.channels // self.groups
        split = w.reshape((math.prod(w.shape[:-1]), self.groups, outputs))
        return namespace(w).permute_dims(split, (1, 0, 2))

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy W^T`` added up where windows overlap, and ``gy`` as the delta."""
        xp, over = namespace(gy), self.over(tuple(res.shape[1:-1]))
        rows = math.prod(gy.shape[:-1])
        split = gy.reshape((rows, self.groups, self.channels // self.groups))
        split = xp.permute_dims(split, (1, 0, 2))
        weights = xp.permute_dims(self._weights(p["W"]), (0, 2, 1))
        g = xp.matmul(split, weights)
        inputs = res.shape[-1] // self.groups
        g = xp.permute_dims(g.reshape((self.groups, rows, over.count, inputs)), (1, 2, 0, 3))
        return over.add(g.reshape((*gy.shape[:-1], over.count, res.shape[-1]))), gy

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare ``W`` over the patches, and ``b``; the positions are one axis, ``t``."""
        over = self.over(tuple(res.shape[1:-1]))
        delta = one_position_axis(delta)
        patches = over.cut(res).reshape((*delta.shape[:2], *over.kernel, res.shape[-1]))
        u = AXES[: self.axes]
        if self.groups == 1:
            declared = {"W": C(f"nto,nt{u}i->{u}io", delta=delta, patches=patches)}
        else:
            own = self._own_patches(patches)
            declared = {"W": C(f"nto,nt{u}oi->{u}io", delta=delta, patches=own)}
        if self.bias:
            declared["b"] = self.bias_gradient(delta)
        return declared

    def bias_gradient(self, delta: Any) -> C:
        """Declare ``b``."""
        return C("nto->o", delta=one_position_axis(delta))

    def _own_patches(self, patches: Any) -> Any:
        """Return ``(..., C)`` as ``(..., channels, C / groups)``: what each output sees."""
        xp, each = namespace(patches), self.channels // self.groups
        inputs = patches.shape[-1] // self.groups
        split = patches.reshape((*patches.shape[:-1], self.groups, 1, inputs))
        every = xp.broadcast_to(split, (*split.shape[:-2], each, inputs))
        return every.reshape((*patches.shape[:-1], self.channels, inputs))

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``dx * W + x * dW + db``, where ``*`` convolves."""
        dy = self._product(dx, p["W"]) + self._product(res, dp["W"])
        return dy + dp["b"] if self.bias else dy

    def multiply_adds(self, x: Specs) -> int:
        """Return the kernel's size times its channels in and out, for each window."""
        over = self.over(x.shape[:-1])
        return math.prod(over.outside) * over.count * self._inputs(x) * self.channels


@MAPS.register
@dataclass(frozen=True)
class Conv2d(Convolution):
    """Convolution of images (cross-correlation, as everywhere in the field), channels last.

    LeCun and others, "Gradient-based learning applied to document recognition" (1998);
    dilation: Yu and Koltun (2016); groups: Krizhevsky and others (2012), depthwise where there are
    as many groups as channels: Chollet, "Xception" (2017).

    Args:
        channels: of the output.
        kernel_size: rows and columns of a window, one number for both, or two.
        stride: from one window to the next.
        padding: ``"same"`` (``ceil(size / stride)`` windows), ``"valid"`` (none), or numbers: one,
            one an axis, or (before, after) an axis. It is of zeros.
        dilation: from one input of a window to the next.
        groups: the channels are divided into so many groups that do not see each other.
        bias: whether there is a ``b``.
        init: how ``W`` starts; None takes what the following map asks for.

    Shapes: ``x (N, H, W, C)``, ``W (rows, columns, C / groups, channels)``, ``b (channels,)``,
    ``y (N, H', W', channels)`` with ``H' = (H + padding - dilation (rows - 1) - 1) / stride + 1``,
    rounded down.

    Raises:
        ConfigError: a value that cannot be used.
        ShapeError: the input is no image with channels, or smaller than a window.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y[p] = Σᵤ x[p s + u d] W[u] + b",
        "gx[p s + u d] = Σ gy[p] W[u]ᵀ",
    )

    axes: ClassVar[int] = 2
    channels: int
    kernel_size: int | Sizes = 3
    stride: int | Sizes = 1
    padding: Padding = "same"
    dilation: int | Sizes = 1
    groups: int = 1
    bias: bool = True
    init: Initializer | None = None


@MAPS.register
@dataclass(frozen=True)
class Conv1d(Convolution):
    """Convolution of sequences, channels last: ``Conv2d`` with one spatial axis.

    Shapes: ``x (N, T, C)``, ``W (kernel_size, C / groups, channels)``, ``b (channels,)``,
    ``y (N, T', channels)``. Arguments and errors are those of ``Conv2d``.
    """

    formulas: ClassVar[tuple[str, ...]] = Conv2d.formulas

    axes: ClassVar[int] = 1
    channels: int
    kernel_size: int | Sizes = 3
    stride: int | Sizes = 1
    padding: Padding = "same"
    dilation: int | Sizes = 1
    groups: int = 1
    bias: bool = True
    init: Initializer | None = None

    def out_lengths(self, lengths: Any) -> Any:
        """Return how many windows each sequence has; put ``Trim`` before, so that all else is 0."""
        (stride,) = per_axis(self.title, "stride", self.stride, 1)
        pads = pads_of(self.title, self.padding, self._kernel)
        if isinstance(pads, str):
            return -(-lengths // stride)
        (span,) = spans(self._kernel, per_axis(self.title, "dilation", self.dilation, 1))
        count = (lengths + sum(pads[0]) - span) // stride + 1
        return count * (count > 0) * (lengths > 0)


@MAPS.register
@dataclass(frozen=True)
class ConvTranspose2d(Windowed):
    r"""The adjoint of a convolution: every input adds ``x[p] W`` to what its window sees.

    Zeiler and others, "Deconvolutional networks" (2010). With :math:`P_{n,t,u}` the patches of
    :math:`g_y`: :math:`g_{x,nt} = \sum_u P_{ntu} W_u^T` and
    :math:`G_{W,u} = \sum_{nt} x_{nt}^T P_{ntu}`.

    Args:
        channels, kernel_size, stride, dilation, bias, init: as those of ``Conv2d``.
        padding: how much of the output is cut off: ``"same"`` leaves ``size * stride`` positions,
            ``"valid"`` all ``(size - 1) * stride + dilation * (kernel_size - 1) + 1`` of them.

    Shapes: ``x (N, H, W, C)``, ``W (rows, columns, C, channels)``, ``b (channels,)``,
    ``y (N, H', W', channels)``.

    Raises:
        ConfigError: a value that cannot be used.
        ShapeError: the input is no image with channels, or nothing is left of the output.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y[p s + u d] = Σ x[p] W[u] + b",
        "gx[p] = Σᵤ gy[p s + u d] W[u]ᵀ",
    )

    axes: ClassVar[int] = 2
    channels: int
    kernel_size: int | Sizes = 3
    stride: int | Sizes = 1
    padding: Padding = "same"
    dilation: int | Sizes = 1
    bias: bool = True
    init: Initializer | None = None

    def spec(self, x: Specs) -> Spec:
        """Return the spatial size that windows of this size and stride cover."""
        check_positions(self.title, x, self.axes)
        return Spec((*self.over_output(x.shape[:-1]).inside, self.channels), x.dtype)

    def over_output(self, count: Sizes) -> Windows:
        """Return the windows over the output, of which there are ``count``."""
        stride = per_axis(self.title, "stride", self.stride, self.axes)
        dilation = per_axis(self.title, "dilation", self.dilation, self.axes)
        span = spans(self._kernel, dilation)
        pads = pads_of(self.title, self.padding, self._kernel)
        if isinstance(pads, str):
            size = tuple(n * s for n, s in zip(count, stride, strict=True))
        else:
            every = zip(count, stride, span, pads, strict=True)
            size = tuple((n - 1) * s + k - sum(pad) for n, s, k, pad in every)
        return self.over(size)

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the sums, and ``x``."""
        y = self._sums(x, p["W"])
        return (y + p["b"] if self.bias else y), x

    def _sums(self, x: Any, w: Any) -> Any:
        over = self.over_output(tuple(x.shape[1:-1]))
        each = namespace(x).matmul(x, self._weights(w))
        return over.add(each.reshape((*x.shape[:-1], over.count, self.channels)))

    def _weights(self, w: Any) -> Any:
        """Return ``W`` as ``(C, kernel channels)``."""
        count, inputs = math.prod(w.shape[:-2]), w.shape[-2]
        split = w.reshape((count, inputs, self.channels))
        split = namespace(w).permute_dims(split, (1, 0, 2))
        return split.reshape((inputs, count * self.channels))

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return the patches of ``gy`` times ``W^T``, and ``gy`` as the delta."""
        over = self.over_output(tuple(res.shape[1:-1]))
        patches = over.cut(gy).reshape((*res.shape[:-1], over.count * self.channels))
        weights = self._weights(p["W"])
        return namespace(gy).matmul(patches, namespace(gy).permute_dims(weights, (1, 0))), gy

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare ``W`` over the patches of ``gy``, and ``b``."""
        over, x = self.over_output(tuple(res.shape[1:-1])), one_position_axis(res)
        patches = over.cut(delta).reshape((*x.shape[:2], *over.kernel, self.channels))
        declared = {"W": C("nti,ntuvo->uvio", x=x, patches=patches)}
        if self.bias:
            declared["b"] = C("nto->o", delta=one_position_axis(delta))
        return declared

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return what ``dx`` and ``dW`` add, and ``db``."""
        dy = self._sums(dx, p["W"]) + self._sums(res, dp["W"])
        return dy + dp["b"] if self.bias else dy

    def multiply_adds(self, x: Specs) -> int:
        """Return the kernel's size times its channels in and out, for each input position."""
        return int(x.size * math.prod(self._kernel) * self.channels)
