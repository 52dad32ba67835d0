"""A thousand random networks against PyTorch's autograd, each of them lowered too."""

import numpy as np
import pytest
from arrays import largest_gradient_error, relative_error

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed: comparisons with it are skipped"
)
from networks import KINKED, SMOOTH, placed  # noqa: E402
from torch_maps import apply  # noqa: E402

from pullback.core.map import Map  # noqa: E402
from pullback.core.theta import Theta, write_gradient  # noqa: E402
from pullback.engine import lower  # noqa: E402
from pullback.maps import BatchNorm, Dropout, LayerNorm, Parallel, Residual, Shared  # noqa: E402

NETWORKS = 1000
BATCHES = 50


def ours(net, p, x, gy, ctx):
    y, res = net.forward(p, x, ctx)
    gx, delta = net.pullback(p, res, gy)
    gradient = Theta(p.layout, np.zeros_like(p.flat))
    write_gradient(net.grads(p, res, delta), gradient)
    return np.array(y), np.array(gx), gradient


@pytest.mark.parametrize("batch", range(BATCHES))
def test_against_autograd(batch):
    size = NETWORKS // BATCHES
    for seed in range(batch * size, (batch + 1) * size):
        net, spec, p, x, gy, ctx = placed(seed)
        x_t, flat = torch.tensor(x, requires_grad=True), torch.tensor(p.flat, requires_grad=True)
        y_t = apply(net, Theta(p.layout, flat), x_t, ctx)
        torch.sum(y_t * torch.tensor(gy)).backward()
        right = Theta(p.layout, flat.grad)
        for form in (net, lower(net, spec, 6, input_gradient=True)):
            y, gx, gradient = ours(form, p, x, gy, ctx)
            assert relative_error(y, y_t.detach()) < 1e-10, (seed, net)
            # the cotangent of a normalised input may be nothing but rounding
            gap = np.linalg.norm(gx - x_t.grad.numpy())
            assert gap < 1e-10 * max(1e-3, float(x_t.grad.norm())), (seed, net)
            assert largest_gradient_error(gradient, right) < 1e-10, (seed, net)


def test_the_networks_are_of_all_kinds():
    def kinds(net: Map) -> set[str]:
        inside = [kinds(child) for child in net.children().values()]
        return {type(net).__name__}.union(*inside)

    seen = [kinds(placed(seed)[0]) for seed in range(NETWORKS)]
    for cls in (Residual, Parallel, Shared, BatchNorm, LayerNorm, Dropout, *SMOOTH, *KINKED):
        name = cls.__name__ if isinstance(cls, type) else type(cls).__name__
        assert sum(name in found for found in seen) >= NETWORKS // 10, name
