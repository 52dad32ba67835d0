"""Maps by PyTorch's fused kernels give what their reference forms give on NumPy's arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contract_cases import Case, all_cases, setting
from engine.test_torch_tensors import no_autograd
from engine.test_torch_tensors import tensor as as_tensor

import pullback as pb
from pullback.core.theta import Theta, write_gradient
from pullback.core.tree import leaves, map_leaves
from pullback.engine.devices import TorchDevice
from pullback.optim import Segment

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from pullback.engine.tensors import (  # noqa: E402
    lower_tensor_loss,
    lower_tensor_optimizer,
    lower_tensors,
)
from pullback.engine.tensors.forms import FORMS, TensorForm  # noqa: E402

CLOSE = {"float64": 1e-12, "float32": 2e-5}
NAMES = sorted({form.__name__ for form in FORMS})
CASES = {
    **all_cases(*NAMES),
    # a ReLU that takes the place of what is before it; batches of different sizes
    "in place": Case(pb.Chain(pb.Conv2d(4, 3), pb.ReLU(), pb.Conv2d(2, 3)), (3, 5, 6, 2), True),
    "dense": Case(pb.Chain(pb.Linear(4), pb.ReLU(), pb.Linear(3), pb.GELU()), (5, 2, 3), True),
    "last state": Case(pb.Chain(pb.LSTM(6, "last"), pb.Linear(2)), (3, 4, 5), True),
    "turned": Case(pb.Attention(2, causal=True, rotary=True), (2, 5, 8), True),
}


def close(found: Any, right: Any, dtype: str) -> None:
    assert isinstance(found, torch.Tensor)
    assert tuple(found.shape) == np.shape(right)
    error = np.linalg.norm(found.cpu().numpy().astype("float64") - right)
    assert error <= CLOSE[dtype] * max(1.0, float(np.linalg.norm(right)))


def passes(net: Any, p: Any, x: Any, gy: Any, ctx: Any, dx: Any, gradient: Any) -> list[Any]:
    y, res = net.forward(p, x, ctx)
    y = y + 0  # a form may write over it
    gx, delta = net.pullback(p, res, gy)
    gx = gx + 0
    declared = net.grads(p, res, delta)
    write_gradient(declared, gradient)
    single = [array for _, c in leaves(declared) for array in (c.each(), c.sq_norms())]
    return [y, gx, net.pushforward(p, res, p, dx), *single, gradient.flat]


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_forms_and_reference_agree(case, dtype):
    s = setting(case)
    dx = np.random.default_rng(1).standard_normal(s.x.shape)
    right = passes(s.net, s.p, s.x, s.gy, s.ctx, dx, Theta(s.p.layout, np.zeros_like(s.p.flat)))
    net = lower_tensors(s.net, case.spec(dtype), case.batch, input_gradient=True)
    tensor = lambda a: as_tensor(a.astype(dtype))  # noqa: E731
    p = Theta(s.p.layout, tensor(s.p.flat))
    ctx = s.ctx._replace(state=map_leaves(tensor, s.ctx.state))
    for _ in range(2):  # the second time in the same memory
        gradient = Theta(s.p.layout, torch.zeros_like(p.flat))
        with no_autograd():
            found = passes(net, p, tensor(s.x), tensor(s.gy), ctx, tensor(dx), gradient)
        for a, b in zip(found, right, strict=True):
            close(a, b, dtype)


def test_forms_stand_in_networks_with_any_batch():
    net = pb.Chain(pb.Conv2d(4, 3), pb.ReLU(), pb.MaxPool2d(), pb.Flatten(), pb.Linear(3))
    lowered = lower_tensors(net, pb.Spec((6, 6, 1)), 8)
    assert sum(isinstance(m, TensorForm) for m in lowered.maps) == 4
    theta, _ = pb.init(net, pb.Spec((6, 6, 1)), 0, "float32")
    p = Theta(theta.layout, torch.tensor(theta.flat))
    rng = np.random.default_rng(0)
    for count in (8, 3, 8, 0):
        x = rng.standard_normal((count, 6, 6, 1)).astype("float32")
        y, res = lowered.forward(p, torch.tensor(x), pb.Context(train=True))
        close(y, net.forward(theta, x, pb.Context(train=True))[0], "float32")
        gx, _ = lowered.pullback(p, res, torch.ones_like(y))
        assert gx is None or not count  # nobody wants it


@pytest.mark.parametrize("padded", [False, True])
def test_cross_entropy_over_positions(padded):
    rng = np.random.default_rng(0)
    y, target = rng.standard_normal((4, 5, 7)), rng.integers(-padded, 7, (4, 5))
    target[1] = -1 if padded else 0  # nothing but padding
    loss, g = pb.losses.CrossEntropy(), rng.standard_normal(4)
    form = lower_tensor_loss(loss)
    values, slope = form.forward(torch.tensor(y), torch.tensor(target))
    right, right_slope = loss.forward(y, target)
    close(values, right, "float64")
    close(slope, right_slope, "float64")
    close(form.pullback(slope, torch.tensor(g)), loss.pullback(right_slope, g), "float64")
    assert np.isnan(form.forward(torch.tensor(y), torch.tensor(target) + 7)[0].numpy()).any()


@pytest.mark.parametrize(
    "rule", [pb.optim.SGD(0.1), pb.optim.Adam(0.01), pb.optim.AdamW(0.01, weight_decay=0.3)]
)
@pytest.mark.parametrize("decay", [(True, False, True), (False,) * 3, (True,) * 3])
def test_fused_updates(rule, decay):
    rng = np.random.default_rng(0)
    edges, start = [0, 5, 9, 20], rng.standard_normal(20)
    pairs = zip(edges, edges[1:], decay, strict=False)
    segments = tuple(Segment(str(a), a, b, d) for a, b, d in pairs)
    thetas = []
    for one, given in ((rule, np.array), (lower_tensor_optimizer(rule), torch.tensor)):
        theta = given(start)
        slots = one.start(theta, segments)
        for step in range(6):
            gradient = given(np.random.default_rng(step).standard_normal(20))
            assert one.update(gradient, slots, theta, step) == rule.lr
        thetas.append(theta)
    assert lower_tensor_optimizer(rule) is not rule
    close(thetas[1], thetas[0], "float64")
    assert np.abs(thetas[0] - start).max() > 0.01


@pytest.mark.parametrize("rule", [pb.optim.SGD(0.1), pb.optim.AdamW(0.01)])
def test_rules_that_become_part_of_a_graph_keep_their_scratch(rule):
    assert TorchDevice("cuda").lower_optimizer(rule) is rule
    assert TorchDevice("cpu").lower_optimizer(rule) is not rule


@pytest.mark.parametrize("wrong", [11, 2.5, np.nan])
def test_what_is_no_id_is_refused(wrong):
    net = pb.Embedding(11, 3)
    form = lower_tensors(net, pb.Spec((4,)), 2, input_gradient=True)
    theta, _ = pb.init(net, pb.Spec((4,)), 0, "float32")
    x = torch.ones(2, 4)
    x[1, 2] = wrong
    with pytest.raises(pb.errors.DataError, match=r"\(1, 2\)"):
        form.forward(Theta(theta.layout, torch.tensor(theta.flat)), x, pb.Context())
