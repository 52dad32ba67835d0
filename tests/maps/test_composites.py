"""A thousand random networks against PyTorch's autograd, each lowered too, and second order."""

import numpy as np
import pytest
from arrays import largest_gradient_error, relative_error

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed: comparisons with it are skipped"
)
from torch_maps import apply  # noqa: E402

from pullback.check.analytic import analytic  # noqa: E402
from pullback.core.context import Context  # noqa: E402
from pullback.core.map import Map, init  # noqa: E402
from pullback.core.spec import Spec  # noqa: E402
from pullback.core.theta import Theta, write_gradient  # noqa: E402
from pullback.core.tree import map_leaves  # noqa: E402
from pullback.engine import lower  # noqa: E402
from pullback.maps import (  # noqa: E402
    ELU,
    GELU,
    BatchNorm,
    Chain,
    Dropout,
    Flatten,
    LayerNorm,
    LeakyReLU,
    Linear,
    LogSoftmax,
    Parallel,
    ReLU,
    Reshape,
    Residual,
    Shared,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)

NETWORKS = 1000
BATCHES = 50
SMOOTH = (Sigmoid(), Tanh(), GELU(), SiLU(), Softplus(), Softmax(), LogSoftmax())
KINKED = (ReLU(), LeakyReLU(0.1), ELU(0.7))
WIDTH = 4


def random_map(rng: np.random.Generator, depth: int, maps: tuple[Map, ...]) -> Map:
    """A map of ``(N, ..., WIDTH)`` to the same shape."""
    kind = rng.integers(0, 8 if depth else 4)
    if kind == 0:
        return Linear(WIDTH, bias=bool(rng.integers(2)))
    if kind == 1:
        return maps[rng.integers(len(maps))]
    if kind == 2:
        return LayerNorm() if rng.integers(2) else BatchNorm()
    if kind == 3:
        return Dropout(float(rng.uniform(0.1, 0.5)))
    inside = [random_map(rng, depth - 1, maps) for _ in range(3)]
    if kind == 4:
        return Residual(Chain(*inside))
    if kind == 5:
        return Parallel(*inside, combine="add")
    if kind == 6:
        return Chain(Parallel(*inside), Linear(WIDTH))
    tied = Shared("tied", Linear(WIDTH))
    return Chain(tied, inside[0], tied, inside[1], Residual(tied))


def random_network(rng: np.random.Generator, maps: tuple[Map, ...]) -> tuple[Map, Spec]:
    body = [random_map(rng, 2, maps) for _ in range(rng.integers(2, 5))]
    if rng.integers(2):
        return Chain(Reshape((2, WIDTH)), *body, Flatten(), Linear(3)), Spec((2 * WIDTH,))
    return Chain(Linear(WIDTH), *body, Linear(3)), Spec((5,))


def placed(seed: int, maps: tuple[Map, ...] = SMOOTH + KINKED):
    rng = np.random.default_rng(seed)
    net, spec = random_network(rng, maps)
    spec = Spec(spec.shape, "float64")
    p, state = init(net, spec, seed, "float64")
    p.flat[:] += 0.2 * rng.standard_normal(p.flat.size)
    state = map_leaves(lambda a: a + rng.uniform(0, 0.5, a.shape), state)
    x, gy = rng.standard_normal((6, *spec.shape)), rng.standard_normal((6, 3))
    return net, spec, p, x, gy, Context(bool(rng.integers(2)), seed, 1, state=state)


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


def hessian_product(net, p, x, gy, ctx, dx, dp, h=1e-30):
    """The change of ``(gx, gradient)`` along ``(dx, dp)``, by the complex step through both."""
    moved = Theta(p.layout, analytic(p.flat + 1j * h * dp))
    _, res = net.forward(moved, analytic(x + 1j * h * dx), ctx)
    gx, delta = net.pullback(moved, res, analytic(gy))
    gradient = Theta(p.layout, np.zeros(p.flat.shape, np.complex128))
    for path, contraction in leaves_of(net.grads(moved, res, delta)):
        view = gradient
        for key in path:
            view = view[key]
        view += np.asarray(contraction.sum())
    return np.imag(np.asarray(gx)) / h, np.imag(gradient.flat) / h


def leaves_of(tree):
    from pullback.core.tree import leaves

    return leaves(tree)


@pytest.mark.parametrize("seed", range(40))
def test_second_order(seed):
    """Forward over reverse, against PyTorch's double backward, differences, and symmetry."""
    net, _, p, x, gy, ctx = placed(5000 + seed, SMOOTH)
    rng = np.random.default_rng(seed)
    (dx, dx2), (dp, dp2) = rng.standard_normal((2, *x.shape)), rng.standard_normal((2, p.flat.size))
    hx, hp = hessian_product(net, p, x, gy, ctx, dx, dp)

    x_t, flat = torch.tensor(x, requires_grad=True), torch.tensor(p.flat, requires_grad=True)
    y_t = apply(net, Theta(p.layout, flat), x_t, ctx)
    inner = torch.sum(y_t * torch.tensor(gy))
    first = torch.autograd.grad(inner, (x_t, flat), create_graph=True)
    along = torch.sum(first[0] * torch.tensor(dx)) + torch.sum(first[1] * torch.tensor(dp))
    if along.requires_grad:
        right = torch.autograd.grad(along, (x_t, flat), allow_unused=True)
        for found, expected in zip((hx, hp), right, strict=True):
            expected = np.zeros_like(found) if expected is None else expected.numpy()
            assert np.linalg.norm(found - expected) < 1e-9 * max(1.0, np.linalg.norm(expected))

    kx, kp = hessian_product(net, p, x, gy, ctx, dx2, dp2)
    one, other = np.sum(hx * dx2) + hp @ dp2, np.sum(kx * dx) + kp @ dp
    assert abs(one - other) < 1e-9 * max(1.0, abs(one))

    h = 1e-4
    _, ahead_x, ahead_p = ours(net, Theta(p.layout, p.flat + h * dp), x + h * dx, gy, ctx)
    _, back_x, back_p = ours(net, Theta(p.layout, p.flat - h * dp), x - h * dx, gy, ctx)
    size = max(1.0, float(np.linalg.norm(hp)), float(np.linalg.norm(hx)))
    assert np.linalg.norm((ahead_p.flat - back_p.flat) / (2 * h) - hp) < 1e-4 * size
    assert np.linalg.norm((ahead_x - back_x) / (2 * h) - hx) < 1e-4 * size
