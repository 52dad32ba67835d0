"""The derivative of the gradient along a direction: forward over reverse.

The complex step goes through forward pass, pullback and contractions, so the product of the Hessian
with a vector comes out exactly. Against it stand PyTorch's double backward, its own symmetry, and
5-point differences of the gradient.
"""

import numpy as np
import pytest
from arrays import largest_gradient_error, like_input, parts
from contract_cases import Setting, all_cases, setting
from loss_cases import all_loss_cases

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed: comparisons with it are skipped"
)
from networks import KINKED, SMOOTH, placed  # noqa: E402
from torch_losses import THEIRS  # noqa: E402
from torch_maps import apply  # noqa: E402

from pullback.core.analytic import analytic  # noqa: E402
from pullback.core.theta import Theta, write_gradient  # noqa: E402
from pullback.core.tree import leaves  # noqa: E402

CASES = all_cases()
LOSSES = all_loss_cases()
STEP = 1e-30


def gradients(s: Setting, x, flat):
    """``gx`` and the gradient as one vector, by our code; complex where ``x`` is."""
    p = Theta(s.p.layout, flat)
    _, res = s.net.forward(p, x, s.ctx)
    moved = np.iscomplexobj(flat)
    gx, delta = s.net.pullback(p, res, analytic(s.gy) if moved else s.gy)
    gradient = Theta(s.p.layout, np.zeros(flat.shape, np.asarray(flat).dtype))
    if not moved:
        write_gradient(s.net.grads(p, res, delta), gradient)
        return *map(np.array, parts(gx)), gradient.flat
    for path, contraction in leaves(s.net.grads(p, res, delta)):
        view = gradient
        for key in path:
            view = view[key]
        view += np.asarray(contraction.sum())  # where a parameter is shared, its places add up
    return *map(np.asarray, parts(gx)), gradient.flat


def product(s: Setting, *along):
    """The change of ``(gx, gradient)`` along ``(dx, dp)``, by the complex step."""
    moved = analytic(shifted(s, 1j * STEP, along))
    return [np.imag(found) / STEP for found in gradients(s, like_input(s.x, moved[:-1]), moved[-1])]


def shifted(s: Setting, step, along):
    """All inputs and the parameters, a step further."""
    at = (*parts(s.x), s.p.flat)
    return tuple(a + step * d for a, d in zip(at, along, strict=True))


def double_backward(function, at, along):
    """The same by PyTorch, for a scalar ``function`` of the tensors ``at``."""
    first = torch.autograd.grad(function(*at), at, create_graph=True, materialize_grads=True)
    inner = sum(torch.sum(g * torch.tensor(d)) for g, d in zip(first, along, strict=True))
    if not inner.requires_grad:  # the gradient is a constant
        return [np.zeros(tuple(a.shape)) for a in at]
    return [g.numpy(force=True) for g in torch.autograd.grad(inner, at, materialize_grads=True)]


def differences(s: Setting, *along, h):
    """The same by 5-point differences of the gradient."""

    def at(step):
        *inputs, flat = shifted(s, step, along)
        return gradients(s, like_input(s.x, inputs), flat)

    points = [at(step) for step in (h, -h, 2 * h, -2 * h)]
    return [(8 * (a - b) - (c - d)) / (12 * h) for a, b, c, d in zip(*points, strict=True)]


def gap(found, right) -> float:
    """The difference of two pairs, over the size of what is right, or 1."""
    pair = [np.concatenate([part.reshape(-1) for part in parts]) for parts in (found, right)]
    return float(np.linalg.norm(pair[0] - pair[1])) / max(1.0, float(np.linalg.norm(pair[1])))


def check(s: Setting, seed: int, smooth: bool) -> None:
    rng = np.random.default_rng(seed)
    along, other = (
        tuple(rng.standard_normal(a.shape) for a in (*parts(s.x), s.p.flat)) for _ in range(2)
    )
    found = product(s, *along)

    def scalar(*at):
        x, p = like_input(s.x, at[:-1]), Theta(s.p.layout, at[-1])
        return torch.sum(apply(s.net, p, x, s.ctx) * torch.tensor(s.gy))

    at = [torch.tensor(a, requires_grad=True) for a in (*parts(s.x), s.p.flat)]
    right = double_backward(scalar, at, along)
    assert gap(found, right) < 1e-10
    size = max(1.0, float(np.linalg.norm(right[-1])))
    assert largest_gradient_error(*(Theta(s.p.layout, a[-1] / size) for a in (found, right))) < 1e-9

    back = product(s, *other)
    one, two = (
        sum(float(np.sum(a * b)) for a, b in zip(*pair, strict=True))
        for pair in ((found, other), (back, along))
    )
    scale = sum(
        float(np.linalg.norm(a) * np.linalg.norm(b))
        for pair in ((found, other), (back, along))
        for a, b in zip(*pair, strict=True)
    )
    assert abs(one - two) <= 1e-12 * max(1.0, scale)
    if smooth:  # else a step may cross a kink
        assert gap(differences(s, *along, h=5e-4), found) < 1e-9


@pytest.mark.parametrize("name", CASES)
def test_every_case(name):
    check(setting(CASES[name]), 1, CASES[name].smooth)


@pytest.mark.parametrize("seed", range(60))
def test_networks(seed):
    maps = SMOOTH if seed % 2 else SMOOTH + KINKED
    net, _, p, x, gy, ctx = placed(5000 + seed, maps)
    check(Setting(net, p, x, gy, ctx), seed, smooth=False)


@pytest.mark.parametrize("seed", range(20))
def test_smooth_networks_against_differences(seed):
    net, _, p, x, gy, ctx = placed(7000 + seed, SMOOTH)
    s, rng = Setting(net, p, x, gy, ctx), np.random.default_rng(seed)
    along = rng.standard_normal(x.shape), rng.standard_normal(p.flat.shape)
    along = [direction / np.linalg.norm(direction) for direction in along]
    assert gap(differences(s, *along, h=1e-3), product(s, *along)) < 1e-7


@pytest.mark.parametrize("case", LOSSES.values(), ids=LOSSES)
def test_losses(case):
    y, target = case.arrays()
    rng = np.random.default_rng(1)
    g, dy, other = rng.standard_normal(len(y)), *rng.standard_normal((2, *y.shape))

    def along(direction):
        _, slope = case.loss.forward(analytic(y + 1j * STEP * direction), target)
        pulled = case.loss.pullback(np.asarray(slope), g)
        return np.imag(pulled) / STEP

    def scalar(at):
        values = THEIRS[type(case.loss).__name__](case.loss, at, torch.tensor(target))
        return torch.sum(values * torch.tensor(g))

    (right,) = double_backward(scalar, [torch.tensor(y, requires_grad=True)], [dy])
    found = along(dy)
    assert gap([found], [right]) < 1e-12
    assert abs(np.sum(found * other) - np.sum(along(other) * dy)) < 1e-12
