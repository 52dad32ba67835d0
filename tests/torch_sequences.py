"""The maps of sequences in PyTorch's own operations: what ours are compared with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from pullback.core.spec import spec_of

F = torch.nn.functional


def embedding(net, p, x, ctx):
    inside = (x >= 0)[..., None]
    return F.embedding(x.long().clamp(min=0), p["E"]) * inside.to(p["E"].dtype)


def recurrent(net, p, x, ctx):
    """PyTorch's own, which has a bias more: it is 0, but for that of the GRU's new state."""
    name = type(net).__name__
    theirs = getattr(torch.nn, name)(x.shape[-1], net.units, batch_first=True, dtype=x.dtype)
    zero = torch.zeros_like(p["b"])
    other = torch.cat([zero[: 2 * net.units], p["c"]]) if name == "GRU" else zero
    weights = {
        "weight_ih_l0": p["W"].T, "weight_hh_l0": p["U"].T, "bias_ih_l0": p["b"],
        "bias_hh_l0": other,
    }  # fmt: skip
    y, _ = torch.func.functional_call(theirs, weights, (x.flip(1) if net.reverse else x,))
    if net.states == "last":
        return y[:, -1]
    return y.flip(1) if net.reverse else y


def heads_of(net, x):
    return x.unflatten(-1, (net.heads, -1)).transpose(1, 2)


def turned(x):
    """Pairs as complex numbers, each turned by its angle."""
    size = x.shape[-1]
    speed = 10_000.0 ** (-torch.arange(0, size, 2, dtype=x.dtype) / size)
    angle = torch.arange(x.shape[-2], dtype=x.dtype)[:, None] * speed
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angle), angle)).flatten(-2)


def product(net, p, name, x):
    return F.linear(x, p[name].T, p[name.replace("W", "b")] if net.bias else None)


def mixed(net, p, q, k, v, causal=False):
    with sdpa_kernel(SDPBackend.MATH):  # the others have no second derivative
        y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return product(net, p, "Wo", y.transpose(1, 2).flatten(2))


def attention(net, p, x, ctx):
    q, k, v = (heads_of(net, part) for part in product(net, p, "W", x).chunk(3, dim=-1))
    if net.rotary:
        q, k = turned(q), turned(k)
    return mixed(net, p, q, k, v, net.causal)


def cross_attention(net, p, x, ctx):
    x, memory = x
    q = heads_of(net, product(net, p, "Wq", x))
    k, v = (heads_of(net, part) for part in product(net, p, "Wm", memory).chunk(2, dim=-1))
    return mixed(net, p, q, k, v)


def sines(net, p, x, ctx):
    steps, width = x.shape[1:]
    table = torch.zeros(steps, width, dtype=torch.float64)
    for t in range(steps):
        for i in range(width):
            angle = torch.tensor(t / net.base ** ((i - i % 2) / width), dtype=torch.float64)
            table[t, i] = torch.cos(angle) if i % 2 else torch.sin(angle)
    return x + table.to(x.dtype)


def own_part(x):
    """One example without its padding."""
    padding = x < 0 if x.ndim == 2 else x.isnan().all(dim=-1)
    kept = torch.nonzero(~padding[0])
    return x[:, : int(kept.max()) + 1] if len(kept) else x[:, :0]


def with_apply(apply: Callable) -> dict[str, Callable]:
    """What is made of other maps, which ``apply`` applies."""

    def child(net, name, p, x, ctx):
        return apply(net.children()[name], p.get(name, {}), x, ctx.child(name))

    def chain(net, p, x, ctx):
        x, memory = x
        for name, part in net.children().items():
            x = child(net, name, p, (x, memory) if part.with_memory else x, ctx)
        return x

    def side_by_side(net, p, x, ctx):
        return child(net, "body", p, tuple(x.unbind(2)), ctx)

    def encoder_decoder(net, p, x, ctx):
        memory = child(net, "encoder", p, x[0], ctx)
        return child(net, "decoder", p, (x[1], memory), ctx)

    def padded(net, p, x, ctx):
        """Every example alone, without its padding."""
        inputs = x if isinstance(x, tuple) else (x,)
        outputs = []
        for i in range(len(inputs[0])):
            own = [own_part(part[i : i + 1]) for part in inputs]
            if all(part.shape[1] for part in own):
                given = tuple(own) if isinstance(x, tuple) else own[0]
                outputs.append(child(net, "body", p, given, ctx)[0])
            else:
                outputs.append(None)
        like = next(y for y in outputs if y is not None)
        outputs = [like[:0] if y is None and like.ndim > 1 else y for y in outputs]
        outputs = [torch.zeros_like(like) if y is None else y for y in outputs]
        if like.ndim == 1:
            return torch.stack(outputs)
        spec = net.spec(tuple(spec_of(part) for part in inputs) if len(inputs) > 1 else spec_of(x))
        steps = spec.shape[0]
        return torch.stack([F.pad(y, (0, 0, 0, steps - len(y))) for y in outputs])

    return {
        "MemoryChain": chain,
        "EncoderDecoder": encoder_decoder,
        "SideBySide": side_by_side,
        "Padded": padded,
        "Product": lambda net, p, x, ctx: (
            child(net, "left", p, x, ctx) * child(net, "right", p, x, ctx)
        ),
    }


SEQUENCES: dict[str, Callable] = {
    "Embedding": embedding,
    "Unembedding": lambda net, p, x, ctx: F.linear(x, p["E"], p["b"] if net.bias else None),
    "Positions": lambda net, p, x, ctx: x + p["P"][: x.shape[1]],
    "SinusoidalPositions": sines,
    "RNN": recurrent,
    "LSTM": recurrent,
    "GRU": recurrent,
    "Attention": attention,
    "CrossAttention": cross_attention,
    "RMSNorm": lambda net, p, x, ctx: F.rms_norm(x, (x.shape[-1],), p["gamma"], net.eps),
    "LastStep": lambda net, p, x, ctx: x[:, -1],
    "CenterSteps": lambda net, p, x, ctx: x - x.mean(dim=1, keepdim=True),
    "Trim": lambda net, p, x, ctx: x,
}
