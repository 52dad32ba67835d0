"""Graphs of our own and of other tools as models: the same outputs, the same gradients."""

import numpy as np
import pytest
from networks import placed

from pullback import exchange, models
from pullback.core.context import Context
from pullback.core.map import init
from pullback.core.spec import Spec
from pullback.core.tree import map_leaves
from pullback.losses import CrossEntropy
from pullback.losses.gradient import value_and_grad
from pullback.maps import (
    GRU,
    LSTM,
    RNN,
    BatchNorm,
    Chain,
    Conv1d,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    LeakyReLU,
    Linear,
    MaxPool2d,
    ReLU,
)

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'pullback[onnx]'")
helper = pytest.importorskip("onnx.helper")

NETS = {
    "images": (
        Chain(Conv2d(4, stride=2), BatchNorm(), ReLU(), MaxPool2d(), Conv2d(6, 2, groups=2),
              Flatten(), Linear(3)),
        (9, 8, 2),
    ),
    "signal": (Chain(Conv1d(4, 3, dilation=2), LeakyReLU(), GlobalMaxPool(), Linear(3)), (9, 2)),
    "up": (Chain(ConvTranspose2d(3, 3, stride=2), ReLU(), GlobalAvgPool(), Linear(3)), (3, 4, 2)),
    "lstm": (Chain(LSTM(4), LSTM(3, "last"), Linear(3)), (5, 2)),
    "gru": (Chain(GRU(4), GRU(3, "last"), Linear(3)), (5, 2)),
    "rnn": (Chain(RNN(4), RNN(3, "last"), Linear(3)), (5, 2)),
    "lenet": (models.lenet(3), (28, 28)),
    "resnet": (models.resnet(8, 4, 3), (8, 8, 1)),
}  # fmt: skip


def by_value(p, gradient):
    """Each parameter's numbers in order, with the gradients beside them."""
    every = [(p.flat[e.start : e.stop], gradient.flat[e.start : e.stop]) for e in p.layout.entries]
    places = {e.start: pair for e, pair in zip(p.layout.entries, every, strict=True)}
    numbers, slopes = (np.concatenate(side) for side in zip(*places.values(), strict=True))
    order = np.lexsort((slopes.round(3), numbers))
    return numbers[order], slopes[order]


def the_same_comes_back(net, p, state, x, path, opset):
    exchange.to_onnx(net, path, p, x, state=state, opset=opset)
    model = exchange.from_onnx(path)
    y, _ = net.forward(p, x, Context(state=state))
    same, _ = model.net.forward(model.theta, x, Context(state=model.state))
    np.testing.assert_allclose(same, y, rtol=0, atol=1e-5)
    target = np.arange(len(x)) % y.shape[-1]
    loss = CrossEntropy()
    _, wanted = value_and_grad(net, loss)(p, x, target, Context(state=state))
    ctx = Context(state=model.state)
    _, found = value_and_grad(model.net, loss)(model.theta, x, target, ctx)
    numbers, slopes = by_value(p, wanted)
    same_numbers, same_slopes = by_value(model.theta, found)
    np.testing.assert_allclose(same_numbers, numbers, rtol=0, atol=1e-6)
    np.testing.assert_allclose(same_slopes, slopes, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("opset", [17, 23])
@pytest.mark.parametrize("name", NETS)
def test_what_was_written_is_read(name, opset, tmp_path, rng):
    net, shape = NETS[name]
    p, state = init(net, Spec(shape), 3)
    p.flat[:] += 0.1 * rng.standard_normal(p.flat.shape).astype("float32")
    state = map_leaves(lambda a: (a + rng.uniform(0, 0.5, a.shape)).astype("float32"), state)
    the_same_comes_back(net, p, state, rng.standard_normal((4, *shape)).astype("float32"),
                        tmp_path / "net.onnx", opset)  # fmt: skip


@pytest.mark.parametrize("seed", range(30))
def test_random_networks_come_back(seed, tmp_path):
    net, _, p, x, _, ctx = placed(seed)
    theta = p.layout.view(p.flat.astype("float32"))
    state = map_leaves(lambda a: a.astype("float32"), ctx.state)
    the_same_comes_back(net, theta, state, x.astype("float32"), tmp_path / "net.onnx", 20)
