"""On torch tensors, maps, losses and updates give what they give on NumPy arrays: no autograd."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from arrays import parts
from contract_cases import all_cases, setting
from loss_cases import all_loss_cases
from optim_cases import CURVATURE, SEGMENTS, SIZE, TABLE, whole

import pullback as pb
from pullback.core.theta import Theta, write_gradient
from pullback.core.tree import leaves, map_leaves
from pullback.losses.gradient import forward_error_backward
from pullback.optim import Segment

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

CASES, LOSSES = all_cases(), all_loss_cases()
CLOSE = 1e-12


DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def tensor(x: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(map(tensor, x))
    return torch.tensor(x, device=DEVICE) if isinstance(x, np.ndarray) else x


@contextmanager
def no_autograd():
    """Every operation on tensors passes here; none may leave a node of a graph."""

    class Watch(torch.overrides.TorchFunctionMode):
        seen = 0

        def __torch_function__(self, function, types, args=(), kwargs=None):
            found = function(*args, **(kwargs or {}))
            for one in found if isinstance(found, tuple | list) else (found,):
                if isinstance(one, torch.Tensor):
                    assert not one.requires_grad, function
                    Watch.seen += 1
            return found

    with Watch():
        yield Watch


def agree(found: Any, right: Any) -> None:
    assert isinstance(found, torch.Tensor)
    assert tuple(found.shape) == np.shape(right)
    assert found.dtype == torch.float64
    assert np.linalg.norm(found.cpu().numpy() - right) <= CLOSE * max(
        1.0, float(np.linalg.norm(right))
    )


def everything(net, p, x, gy, ctx, dx, gradient):
    y, res = net.forward(p, x, ctx)
    gx, delta = net.pullback(p, res, gy)
    declared = net.grads(p, res, delta)
    write_gradient(declared, gradient)
    state = net.advance(ctx.state, res) if ctx.state and ctx.train else {}
    single = [array for _, c in leaves(declared) for array in (c.each(), c.sq_norms())]
    dy = net.pushforward(p, res, p, dx)
    return [y, *parts(gx), dy, *single, *(value for _, value in leaves(state)), gradient.flat]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_maps(case):
    s = setting(case)
    rng = np.random.default_rng(1)
    dx = tuple(rng.standard_normal(a.shape) for a in parts(s.x))
    dx = dx if isinstance(s.x, tuple) else dx[0]
    zeros = np.zeros_like(s.p.flat)
    right = everything(s.net, s.p, s.x, s.gy, s.ctx, dx, Theta(s.p.layout, zeros))
    p = Theta(s.p.layout, tensor(s.p.flat.copy()))
    ctx = s.ctx._replace(state=map_leaves(tensor, s.ctx.state))
    gradient = Theta(s.p.layout, torch.zeros(len(zeros), dtype=torch.float64, device=DEVICE))
    with no_autograd() as watch:
        found = everything(s.net, p, tensor(s.x), tensor(s.gy), ctx, tensor(dx), gradient)
    assert watch.seen or not s.p.flat.size
    for a, b in zip(found, right, strict=True):
        agree(a, b)


@pytest.mark.parametrize("case", LOSSES.values(), ids=LOSSES.keys())
def test_losses(case):
    y, target = case.arrays()
    g = np.random.default_rng(1).standard_normal(len(y))
    loss = case.loss
    values, slope = loss.forward(y, target)
    right = values, loss.pullback(slope, g), loss.link(y)
    with no_autograd() as watch:
        values, slope = loss.forward(tensor(y), tensor(target))
        found = values, loss.pullback(slope, tensor(g)), loss.link(tensor(y))
    assert watch.seen
    for a, b in zip(found, right, strict=True):
        agree(a, b)


@pytest.mark.parametrize("name", TABLE)
def test_updates(name):
    rule, thetas = whole(name), []
    for as_given in (np.array, tensor):
        theta = as_given(np.random.default_rng(1).normal(size=SIZE))
        slots = rule.start(theta, SEGMENTS)
        for step in range(5):
            rng = np.random.default_rng(step)
            curvature, noise = as_given(CURVATURE), as_given(0.1 * rng.normal(size=SIZE))
            rule.update(curvature * theta + noise, slots, theta, step)
            rule.observe(slots, float(rng.random()))
        averaged = rule.averaged(slots)
        thetas.append((theta, theta if averaged is None else averaged))
    for found, right in zip(thetas[1], thetas[0], strict=True):
        agree(found, right)


@pytest.mark.parametrize("rule", [pb.optim.AdamW(0.01), pb.extend.KFAC(0.1, inverses_every=5)])
def test_training_of_a_network(rule):
    """Forward, error, backward, update: ten steps, K-FAC's looks at the batch among them."""
    net = pb.Chain(pb.Linear(8), pb.Tanh(), pb.LayerNorm(), pb.Linear(3))
    loss = pb.losses.CrossEntropy()
    x, y = np.random.default_rng(0).standard_normal((10, 16, 5)), np.arange(16) % 3
    start, state = pb.init(net, pb.Spec((5,), "float64"), seed=0, dtype="float64")
    segments = tuple(
        Segment(e.name, e.start, e.stop, e.decay) for e in start.layout.entries if not e.alias
    )
    flats = []
    for as_given in (np.array, tensor):
        p = Theta(start.layout, as_given(start.flat.copy()))
        gradient = p.copy()
        slots = rule.start(p.flat, segments)
        for step in range(10):
            batch, target = as_given(x[step]), as_given(y)
            ctx = pb.Context(True, 0, step, 0, "", state)
            forward_error_backward(net, loss, p, batch, target, gradient, ctx)
            if rule.due(step):
                evidence = pb.extend.Evidence.of(net, loss, p, batch, target, ctx)
                if step == 0:
                    slots |= rule.fitted(evidence)
                rule.look(evidence, slots)
            rule.update(gradient.flat, slots, p.flat, step)
        flats.append(p.flat)
    assert np.abs(flats[0] - start.flat).max() > 1e-3
    agree(flats[1], flats[0])
