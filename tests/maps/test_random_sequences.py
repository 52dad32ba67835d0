"""Random networks on padded batches against PyTorch's autograd on each sequence alone."""

import numpy as np
import pytest
from arrays import largest_gradient_error, like_input, parts, relative_error

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed: comparisons with it are skipped"
)
from sequence_networks import placed  # noqa: E402
from torch_maps import apply  # noqa: E402

from pullback.check import adjoint_error  # noqa: E402
from pullback.core.map import Map  # noqa: E402
from pullback.core.spec import spec_of  # noqa: E402
from pullback.core.theta import Theta, write_gradient  # noqa: E402
from pullback.core.tree import leaves  # noqa: E402
from pullback.engine import lower  # noqa: E402

NETWORKS = 200
BATCHES = 10


def ours(net, p, x, gy, ctx):
    y, res = net.forward(p, x, ctx)
    gx, delta = net.pullback(p, res, gy)
    gradient = Theta(p.layout, np.zeros_like(p.flat))
    declared = net.grads(p, res, delta)
    write_gradient(declared, gradient)
    return np.array(y), [np.array(part) for part in parts(gx)], gradient, declared


@pytest.mark.parametrize("batch", range(BATCHES))
def test_against_autograd(batch, rng):
    size = NETWORKS // BATCHES
    for seed in range(batch * size, (batch + 1) * size):
        net, p, x, gy, ctx = placed(seed)
        *inputs, flat = (torch.tensor(a, requires_grad=True) for a in (*parts(x), p.flat))
        y_t = apply(net, Theta(p.layout, flat), like_input(x, inputs), ctx)
        total = torch.sum(y_t * torch.tensor(gy))
        *of_inputs, of_flat = torch.autograd.grad(total, [*inputs, flat], materialize_grads=True)
        right = Theta(p.layout, of_flat)
        for form in (net, lower(net, spec_of(x), 4, input_gradient=True)):
            y, gx, gradient, declared = ours(form, p, x, gy, ctx)
            assert relative_error(y, y_t.detach()) < 1e-10, (seed, net)
            for found, wanted in zip(gx, of_inputs, strict=True):
                assert relative_error(found, wanted) < 1e-10, (seed, net)
            assert largest_gradient_error(gradient, right) < 1e-10, (seed, net)
            for path, c in leaves(declared):
                each = c.each()
                assert np.linalg.norm(each.sum(axis=0) - c.sum()) < 1e-12 * (
                    1 + np.linalg.norm(each)
                ), (seed, path)
        assert adjoint_error(net, p, x, ctx, rng) < 1e-12, (seed, net)


def test_the_networks_are_of_all_kinds():
    def kinds(net: Map) -> set[str]:
        return {type(net).__name__}.union(*map(kinds, net.children().values()))

    seen = [kinds(placed(seed)[0]) for seed in range(NETWORKS)]
    for name in (
        "RNN", "LSTM", "GRU", "Attention", "CrossAttention", "Embedding", "EncoderDecoder",
        "Conv1d", "RMSNorm", "Positions", "SinusoidalPositions", "Product", "Residual",
        "GlobalAvgPool", "GlobalMaxPool", "LastStep",
    ):  # fmt: skip
        assert sum(name in found for found in seen) >= NETWORKS // 20, name
