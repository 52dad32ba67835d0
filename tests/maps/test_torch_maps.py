"""Maps against PyTorch: its own operations and autograd, and our code on its tensors."""

import numpy as np
import pytest
from arrays import each_part, largest_gradient_error, like_input, parts, relative_error
from contract_cases import CASES, Case, Setting, all_cases, setting

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed: comparisons with it are skipped"
)
from torch_maps import SEEN, THEIRS, apply  # noqa: E402

from pullback.core.map import MAPS  # noqa: E402
from pullback.core.theta import Theta, write_gradient  # noqa: E402
from pullback.core.tree import leaves, map_leaves  # noqa: E402

FOUND = all_cases()
every_case = pytest.mark.parametrize("case", FOUND.values(), ids=FOUND.keys())


def test_the_table_covers_the_registry():
    assert set(THEIRS) == set(MAPS) == set(CASES)


@every_case
def test_against_autograd(case: Case):
    s = setting(case)
    SEEN.clear()
    *inputs, flat = (torch.tensor(a, requires_grad=True) for a in (*parts(s.x), s.p.flat))
    expected = apply(s.net, Theta(s.p.layout, flat), like_input(s.x, inputs), s.ctx)
    total = torch.sum(expected * torch.tensor(s.gy))
    *of_inputs, of_flat = torch.autograd.grad(total, [*inputs, flat], materialize_grads=True)

    y, res = s.net.forward(s.p, s.x, s.ctx)
    gx, delta = s.net.pullback(s.p, res, s.gy)
    gradient = s.p.layout.view(np.zeros_like(s.p.flat))
    write_gradient(s.net.grads(s.p, res, delta), gradient)
    assert relative_error(y, expected.detach()) < 1e-10
    for found, right in zip(parts(gx), of_inputs, strict=True):
        assert relative_error(found, right) < 1e-10
    assert largest_gradient_error(gradient, Theta(s.p.layout, of_flat)) < 1e-10

    if case.train:
        after = dict(leaves(s.net.advance(s.ctx.state, res)))
        seen = {
            (*path.split(".")[1:], name): value
            for path, values in SEEN.items()
            for name, value in values.items()
        }
        assert after.keys() == seen.keys()
        assert all(relative_error(after[path], seen[path]) < 1e-10 for path in after)


def on_torch(s: Setting, dtype: torch.dtype = torch.float64) -> Setting:
    def tensor(array):
        return torch.tensor(array, dtype=dtype)

    p = Theta(s.p.layout, tensor(s.p.flat))
    ctx = s.ctx._replace(state=map_leaves(tensor, s.ctx.state))
    return Setting(s.net, p, each_part(tensor, s.x), tensor(s.gy), ctx)


@every_case
def test_the_same_code_on_tensors(case: Case, rng):
    s = setting(case)
    t = on_torch(s)
    y, res = s.net.forward(s.p, s.x, s.ctx)
    y_t, res_t = t.net.forward(t.p, t.x, t.ctx)
    assert relative_error(y_t, y) < 1e-12

    gx, delta = s.net.pullback(s.p, res, s.gy)
    gx_t, delta_t = t.net.pullback(t.p, res_t, t.gy)
    for found, right in zip(parts(gx_t), parts(gx), strict=True):
        assert relative_error(found, right) < 1e-12

    declared, declared_t = s.net.grads(s.p, res, delta), t.net.grads(t.p, res_t, delta_t)
    gradient = s.p.layout.view(np.zeros_like(s.p.flat))
    gradient_t = s.p.layout.view(torch.zeros_like(t.p.flat))
    write_gradient(declared, gradient)
    write_gradient(declared_t, gradient_t)
    assert largest_gradient_error(gradient_t, gradient) < 1e-12
    for (_, c), (_, c_t) in zip(leaves(declared), leaves(declared_t), strict=True):
        assert relative_error(c_t.each(), c.each()) < 1e-12
        assert relative_error(c_t.sq_norms(), c.sq_norms()) < 1e-12

    dx = each_part(lambda a: rng.standard_normal(a.shape), s.x)
    dp = rng.standard_normal(s.p.flat.shape)
    dy = s.net.pushforward(s.p, res, Theta(s.p.layout, dp), dx)
    dp_t = Theta(s.p.layout, torch.tensor(dp))
    dy_t = t.net.pushforward(t.p, res_t, dp_t, each_part(torch.tensor, dx))
    assert relative_error(dy_t, dy) < 1e-12

    if case.train:
        after = dict(leaves(s.net.advance(s.ctx.state, res)))
        after_t = dict(leaves(t.net.advance(t.ctx.state, res_t)))
        assert after.keys() == after_t.keys()
        assert all(relative_error(after_t[path], after[path]) < 1e-12 for path in after)


@every_case
def test_float32_tensors_stay(case: Case):
    t = on_torch(setting(case), torch.float32)
    y, res = t.net.forward(t.p, t.x, t.ctx)
    gx, _ = t.net.pullback(t.p, res, t.gy)
    dy = t.net.pushforward(t.p, res, t.p, t.x)
    assert {a.dtype for a in (y, *parts(gx), dy)} == {torch.float32}


def transposed(a: torch.Tensor) -> torch.Tensor:
    return a.transpose(0, -1).contiguous().transpose(0, -1)


def strided(a: torch.Tensor) -> torch.Tensor:
    return torch.stack([a, torch.full_like(a, 77.0)], dim=-1)[..., 0]


def expanded(a: torch.Tensor) -> torch.Tensor:
    """One number in every place with stride 0, as the cotangent of a sum is."""
    return a.reshape(-1)[:1].reshape((1,) * a.ndim).expand(a.shape)


@every_case
@pytest.mark.parametrize("layout", [transposed, strided, expanded])
def test_odd_tensors_change_nothing(case: Case, layout):
    t = on_torch(setting(case))
    x, gy = each_part(layout, t.x), layout(t.gy)
    for given, cotangent in ((x, t.gy), (t.x, gy), (x, gy)):
        found, right = (
            passed(t, *arrays)
            for arrays in (
                (given, cotangent),
                (each_part(torch.clone, given), cotangent.clone()),
            )
        )
        for a, b in zip(found, right, strict=True):
            assert a.shape == b.shape
            assert torch.linalg.norm(a - b) <= 1e-14 * max(1.0, float(torch.linalg.norm(b)))


def passed(t: Setting, x, gy: torch.Tensor) -> list[torch.Tensor]:
    y, res = t.net.forward(t.p, x, t.ctx)
    gx, delta = t.net.pullback(t.p, res, gy)
    gradient = t.p.layout.view(torch.zeros_like(t.p.flat))
    declared = t.net.grads(t.p, res, delta)
    write_gradient(declared, gradient)
    single = [array for _, c in leaves(declared) for array in (c.each(), c.sq_norms())]
    return [y, *parts(gx), gradient.flat, t.net.pushforward(t.p, res, t.p, x), *single]
