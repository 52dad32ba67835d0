"""Every map in PyTorch's own operations: what ours are compared with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

F = torch.nn.functional
torch.set_num_threads(1)  # on arrays this small, threads do nothing but wait for one another


def chain(net, p, x, ctx):
    for name, child in net.children().items():
        x = apply(child, p.get(name, {}), x, ctx.child(name))
    return x


def residual(net, p, x, ctx):
    return x + chain(net, p, x, ctx)


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


def layer_norm(net, p, x, ctx):
    return F.layer_norm(x, (x.shape[-1],), p["gamma"], p["beta"], net.eps)


def batch_norm(net, p, x, ctx):
    rows = x.reshape(-1, x.shape[-1])
    mean, var = torch.tensor(ctx.state["mean"]), torch.tensor(ctx.state["var"])
    y = F.batch_norm(rows, mean, var, p["gamma"], p["beta"], ctx.train, net.momentum, net.eps)
    SEEN[ctx.path] = {"mean": mean, "var": var}
    return y.reshape(x.shape)


SEEN: dict[str, dict[str, torch.Tensor]] = {}
"""The running statistics after batch normalisation, by path."""

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
    "Flatten": lambda net, p, x, ctx: x.reshape(len(x), -1),
    "Reshape": lambda net, p, x, ctx: x.reshape(len(x), *net.shape),
}


def apply(net, p, x, ctx):
    return THEIRS[type(net).__name__](net, p, x, ctx)
