"""Every map in PyTorch's own operations: what ours are compared with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch_sequences import SEQUENCES, with_apply

F = torch.nn.functional
torch.set_num_threads(1)  # on arrays this small, threads do nothing but wait for one another


def chain(net, p, x, ctx):
    for name, child in net.children().items():
        x = apply(child, p.get(name, {}), x, ctx.child(name))
    return x


def residual(net, p, x, ctx):
    return (x[0] if isinstance(x, tuple) else x) + chain(net, p, x, ctx)


def parallel(net, p, x, ctx):
    children = net.children().items()
    outputs = [apply(child, p.get(name, {}), x, ctx.child(name)) for name, child in children]
    if net.combine == "add":
        return torch.stack(outputs).sum(dim=0)
    return torch.cat(outputs, dim=-1)


def dropout(net, p, x, ctx):
    if not ctx.train:
        return x
    kept = torch.tensor(ctx.uniform(tuple(x.shape), "dropout") >= net.rate)
    return torch.where(kept, x / (1 - net.rate), torch.zeros_like(x))


def random_shift(net, p, x, ctx):
    if not ctx.train:
        return x
    size = net.pixels
    draws = np.floor(ctx.uniform((len(x), 2), "shift") * (2 * size + 1)).astype(int) - size
    padding = (0, 0) * (x.ndim - 3) + (size, size, size, size)
    inside = (slice(size, -size), slice(size, -size))
    moved = [
        torch.roll(F.pad(image, padding), (int(down), int(right)), dims=(0, 1))[inside]
        for image, (down, right) in zip(x, draws, strict=True)
    ]
    return torch.stack(moved)


def with_channels(function):
    """Images without channels are given one, and lose it again."""

    def on_images(net, p, x, ctx):
        if x.ndim == 4:
            return function(net, x, ctx)
        return function(net, x[..., None], ctx)[..., 0]

    return on_images


@with_channels
def random_crop(net, x, ctx):
    height, width = pairs(net.size)
    x = F.pad(x, (0, 0) + 4 * (net.padding,))
    free = np.array(x.shape[1:3]) - (height, width)
    draws = free // 2 * np.ones((len(x), 1), int)
    if ctx.train:
        draws = (ctx.uniform((len(x), 2), "crop") * (free + 1)).astype(int)
    return torch.stack(
        [a[i : i + height, j : j + width] for a, (i, j) in zip(x, draws.tolist(), strict=True)]
    )


@with_channels
def random_flip(net, x, ctx):
    if not ctx.train:
        return x
    draws = ctx.uniform((len(x), 2), "flip")
    flipped = []
    for image, (top, left) in zip(x, draws, strict=True):
        image = torch.flipud(image) if top < net.vertical else image
        flipped.append(torch.fliplr(image) if left < net.horizontal else image)
    return torch.stack(flipped)


@with_channels
def random_affine(net, x, ctx):
    """By the matrix of each sampling, as theirs has no second derivative."""
    if not ctx.train:
        return x
    (n, height, width, channels), draws = x.shape, ctx.uniform((len(x), 2), "affine")
    angle = torch.tensor(np.radians((2 * draws[:, 0] - 1) * net.degrees))
    factor = torch.tensor(1 - net.scale + 2 * net.scale * draws[:, 1])
    cos, sin, none = torch.cos(angle) / factor, torch.sin(angle) / factor, 0 * angle
    # columns come first, and both axes go from -1 to 1
    across = torch.stack([cos, -sin * height / width, none], dim=1)
    down = torch.stack([sin * width / height, cos, none], dim=1)
    grid = F.affine_grid(
        torch.stack([across, down], dim=1), [n, 1, height, width], align_corners=False
    )
    pixels = torch.eye(height * width, dtype=grid.dtype).reshape(1, -1, height, width)
    taken = F.grid_sample(pixels.expand(n, -1, -1, -1), grid, align_corners=False)
    return torch.einsum("nkij,nkc->nijc", taken.to(x.dtype), x.reshape(n, -1, channels))


@with_channels
def random_erasing(net, x, ctx):
    if not ctx.train:
        return x
    height, width = x.shape[1:3]
    erased = []
    for image, draws in zip(x, ctx.uniform((len(x), 5), "erase"), strict=True):
        chance, share, ratio, top, left = draws.tolist()
        area = (net.area[0] * (1 - share) + net.area[1] * share) * height * width
        ratio = np.exp(np.log(net.ratio) * (2 * ratio - 1))
        ratio = min(max(ratio, area / width**2), height**2 / area)  # tall, wide
        rows = min(max(round((area * ratio) ** 0.5), 1), height)
        columns = min(max(round((area / ratio) ** 0.5), 1), width)
        top, left = int(top * (height - rows + 1)), int(left * (width - columns + 1))
        if chance < net.probability:
            fill = image.mean(dim=(0, 1)) if net.fill == "mean" else torch.tensor(net.fill)
            inside = torch.ones(rows, columns, 1, dtype=torch.bool)
            edges = (0, 0, left, width - columns - left, top, height - rows - top)
            image = torch.where(F.pad(inside, edges), fill.to(image.dtype), image)
        erased.append(image)
    return torch.stack(erased)


def layer_norm(net, p, x, ctx):
    return F.layer_norm(x, (x.shape[-1],), p["gamma"], p["beta"], net.eps)


def batch_norm(net, p, x, ctx):
    rows = x.reshape(-1, x.shape[-1])
    mean, var = torch.tensor(ctx.state["mean"]), torch.tensor(ctx.state["var"])
    y = F.batch_norm(rows, mean, var, p["gamma"], p["beta"], ctx.train, net.momentum, net.eps)
    SEEN[ctx.path] = {"mean": mean, "var": var}
    return y.reshape(x.shape)


def group_norm(net, p, x, ctx):
    first = x.movedim(-1, 1)
    return F.group_norm(first, net.groups, p["gamma"], p["beta"], net.eps).movedim(1, -1)


def channel_dropout(net, p, x, ctx):
    if not ctx.train:
        return x
    drawn = ctx.uniform((len(x), x.shape[-1]), "dropout") >= net.rate
    kept = torch.tensor(drawn).reshape(len(x), *(1,) * (x.ndim - 2), x.shape[-1])
    return torch.where(kept, x / (1 - net.rate), torch.zeros_like(x))


def pairs(value, axes=2):
    return tuple(value) if isinstance(value, tuple) else (value,) * axes


def padded(net, x, kernel, stride, dilation, fill=0.0):
    """``x``, channels first, with the padding that ``net`` asks for."""
    axes, padding = len(kernel), net.padding
    if padding == "valid":
        return x
    if padding == "same":  # as TensorFlow's documentation has it
        sides = []
        for n, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True):
            short = max(0, (int(np.ceil(n / s)) - 1) * s + (k - 1) * d + 1 - n)
            sides.append((short // 2, short - short // 2))
    else:
        sides = [side if isinstance(side, tuple) else (side, side) for side in pairs(padding, axes)]
    return F.pad(x, [n for side in reversed(sides) for n in side], value=fill)


def conv(net, p, x, ctx):
    axes = x.ndim - 2
    stride, dilation = pairs(net.stride, axes), pairs(net.dilation, axes)
    first = padded(net, x.movedim(-1, 1), pairs(net.kernel_size, axes), stride, dilation)
    weight = p["W"].movedim((-1, -2), (0, 1))
    function = {1: F.conv1d, 2: F.conv2d}[axes]
    bias = p["b"] if net.bias else None
    y = function(first, weight, bias, stride, 0, dilation, net.groups)
    return y.movedim(1, -1)


def conv_transpose(net, p, x, ctx):
    stride, dilation = map(pairs, (net.stride, net.dilation))
    weight = p["W"].movedim((-2, -1), (0, 1))
    y = F.conv_transpose2d(x.movedim(-1, 1), weight, None, stride, dilation=dilation)
    if net.padding == "same":
        wanted = [n * s for n, s in zip(x.shape[1:], stride, strict=False)]
        if any(w > n for w, n in zip(wanted, y.shape[2:], strict=True)):
            y = F.pad(y, [0, max(0, wanted[1] - y.shape[3]), 0, max(0, wanted[0] - y.shape[2])])
        starts = [(n - w) // 2 for n, w in zip(y.shape[2:], wanted, strict=True)]
        y = y[:, :, starts[0] : starts[0] + wanted[0], starts[1] : starts[1] + wanted[1]]
    elif net.padding != "valid":
        sides = [s if isinstance(s, tuple) else (s, s) for s in pairs(net.padding)]
        (top, bottom), (left, right) = sides
        y = y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right]
    y = y.movedim(1, -1)
    return y + p["b"] if net.bias else y


def pool(net, p, x, ctx):
    size = pairs(net.size)
    stride = size if net.stride is None else pairs(net.stride)
    first = x.movedim(-1, 1)
    if type(net).__name__ == "MaxPool2d":
        y = F.max_pool2d(padded(net, first, size, stride, (1, 1), -torch.inf), size, stride)
        return y.movedim(1, -1)
    ones = padded(net, torch.ones_like(first), size, stride, (1, 1))
    sums = F.avg_pool2d(padded(net, first, size, stride, (1, 1)), size, stride)
    return (sums / F.avg_pool2d(ones, size, stride)).movedim(1, -1)


def upsample(net, p, x, ctx):
    factor = tuple(map(float, pairs(net.factor)))
    first = x.movedim(-1, 1)
    return F.interpolate(first, scale_factor=factor, mode=net.mode).movedim(1, -1)


def pad(net, p, x, ctx):
    return padded(net, x.movedim(-1, 1), (1, 1), (1, 1), (1, 1), net.fill).movedim(1, -1)


def gate(net, p, x, ctx):
    scale = chain(net, p, x, ctx)
    while scale.ndim < x.ndim:
        scale = scale[:, None]
    return x * scale


def log_mel(net, p, x, ctx):
    fft = net.fft or 1 << (net.frame - 1).bit_length()
    length, hop, size = (round(n * net.speed) for n in (net.frame, net.hop, fft))
    framed = x.unfold(1, length, hop) * torch.hann_window(length, dtype=x.dtype)
    power = (torch.fft.rfft(framed, size).abs() / net.speed).square()
    low, high = (2595 * np.log10(1 + f / 700) for f in (net.low, net.high or net.rate / 2))
    corners = 700 * (10 ** (torch.linspace(low, high, net.mels + 2, dtype=x.dtype) / 2595) - 1)
    bands = torch.zeros(size // 2 + 1, net.mels, dtype=x.dtype)
    for k in range(size // 2 + 1):
        for m in range(net.mels):
            a, b, c = corners[m : m + 3].tolist()
            f = net.speed * k * net.rate / size
            bands[k, m] = max(0.0, (f - a) / (b - a) if f <= b else (c - f) / (c - b))
    return (power @ bands + net.floor).log()


SEEN: dict[str, dict[str, torch.Tensor]] = {}
"""The running statistics after batch normalisation, by path."""


def each(net, p, x, ctx):
    own = ctx.child("body")._replace(first=ctx.first * x.shape[1])
    y = apply(net.body, p.get("body", {}), x.flatten(0, 1), own)
    return y.unflatten(0, x.shape[:2])


THEIRS: dict[str, Callable] = {
    "Chain": chain,
    "Residual": residual,
    "Parallel": parallel,
    "Shared": chain,
    "Linear": lambda net, p, x, ctx: F.linear(x, p["W"].T, p["b"] if net.bias else None),
    "Sigmoid": lambda net, p, x, ctx: torch.sigmoid(x),
    "Tanh": lambda net, p, x, ctx: torch.tanh(x),
    "ReLU": lambda net, p, x, ctx: F.relu(x),
    "LeakyReLU": lambda net, p, x, ctx: F.leaky_relu(x, net.negative_slope),
    "ELU": lambda net, p, x, ctx: F.elu(x, net.alpha),
    "GELU": lambda net, p, x, ctx: F.gelu(x, approximate="tanh"),
    "SiLU": lambda net, p, x, ctx: F.silu(x),
    # by default theirs is the identity above 20, which is 2e-9 off
    "Softplus": lambda net, p, x, ctx: F.softplus(x, threshold=700),
    "Softmax": lambda net, p, x, ctx: F.softmax(x, dim=-1),
    "LogSoftmax": lambda net, p, x, ctx: F.log_softmax(x, dim=-1),
    "LayerNorm": layer_norm,
    "BatchNorm": batch_norm,
    "Dropout": dropout,
    "RandomShift": random_shift,
    "RandomCrop": random_crop,
    "RandomFlip": random_flip,
    "RandomAffine": random_affine,
    "RandomErasing": random_erasing,
    "GroupNorm": group_norm,
    "ChannelDropout": channel_dropout,
    "Conv1d": conv,
    "Conv2d": conv,
    "ConvTranspose2d": conv_transpose,
    "MaxPool2d": pool,
    "AvgPool2d": pool,
    "GlobalAvgPool": lambda net, p, x, ctx: x.flatten(1, -2).mean(dim=1),
    "GlobalMaxPool": lambda net, p, x, ctx: x.flatten(1, -2).amax(dim=1),
    "AdaptiveAvgPool2d": lambda net, p, x, ctx: F.adaptive_avg_pool2d(
        x.movedim(-1, 1), net.output_size
    ).movedim(1, -1),
    "Upsample": upsample,
    "Pad": pad,
    "Gate": gate,
    "Each": each,
    "LogMel": log_mel,
    "UnitNorm": lambda net, p, x, ctx: x / (x.square().sum(dim=-1, keepdim=True) + net.eps).sqrt(),
    "Columns": lambda net, p, x, ctx: x[..., net.start : net.stop],
    "Flatten": lambda net, p, x, ctx: x.reshape(len(x), -1),
    "Channels": lambda net, p, x, ctx: x[..., None] if x.ndim == 3 else x,
    "Reshape": lambda net, p, x, ctx: x.reshape(len(x), *net.shape),
}


def apply(net, p, x, ctx):
    return THEIRS[type(net).__name__](net, p, x, ctx)


THEIRS |= SEQUENCES | with_apply(apply)
