"""A whole run against the same loop in PyTorch, from the same weights in the same order."""

from __future__ import annotations

import numpy as np
import pytest
from arrays import relative_error

import pullback as pb
from pullback.data.split import order

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed: comparisons with it are skipped"
)

EPOCHS, BATCH = 3, 50
CASES = {
    "reference": (
        pb.losses.CrossEntropy(),
        pb.optim.SGD(0.05),
        lambda y, t: torch.nn.functional.cross_entropy(y, t),
        lambda p: torch.optim.SGD(p, 0.05),
    ),
    "smoothed, Adam": (
        pb.losses.CrossEntropy(label_smoothing=0.1),
        pb.optim.Adam(0.002),
        lambda y, t: torch.nn.functional.cross_entropy(y, t, label_smoothing=0.1),
        lambda p: torch.optim.Adam(p, 0.002),
    ),
    "squared, Nesterov": (
        pb.losses.SquaredError(),
        pb.optim.Nesterov(0.05),
        lambda y, t: torch.nn.functional.mse_loss(
            y, torch.nn.functional.one_hot(t, 10).to(y.dtype)
        ),
        lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
    ),
}


def network():
    return pb.Chain(pb.Flatten(), pb.Linear(24), pb.Tanh(), pb.Linear(16), pb.ReLU(), pb.Linear(10))


def torch_network(p):
    layers = []
    for name, after in (("1", torch.nn.Tanh()), ("3", torch.nn.ReLU()), ("5", None)):
        weight, bias = p[name]["W"], p[name]["b"]
        linear = torch.nn.Linear(*weight.shape, dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight.T.copy()))
            linear.bias.copy_(torch.from_numpy(bias.copy()))
        layers += [linear] if after is None else [linear, after]
    return torch.nn.Sequential(*layers)


@pytest.mark.parametrize(("loss", "optimizer", "their_loss", "their_optimizer"), CASES.values(),
                         ids=CASES)  # fmt: skip
def test_losses_and_weights_are_those_of_pytorch(loss, optimizer, their_loss, their_optimizer):
    digits = pb.data.load("digits")
    data = digits.train
    run = pb.fit(
        network(), digits, loss=loss, optimizer=optimizer, epochs=EPOCHS, batch_size=BATCH,
        dtype="float64", normalize="scale", seed=2,
    )  # fmt: skip
    p, _ = pb.init(network(), data.x[:1], seed=2, dtype="float64")
    net = torch_network(p)
    update = their_optimizer(net.parameters())
    x = torch.from_numpy(data.x.reshape(len(data), -1) / 16.0)
    y = torch.from_numpy(data.y)
    for epoch in range(EPOCHS):
        total = 0.0
        for rows in torch.from_numpy(order(len(data), 2, epoch)).split(BATCH):
            value = their_loss(net(x[rows]), y[rows])
            update.zero_grad()
            value.backward()
            update.step()
            total += value.item() * len(rows)
        assert run.history["loss"][epoch] == pytest.approx(total / len(data), rel=1e-10)
    theirs = np.concatenate([t.detach().numpy().T.ravel() for t in net.parameters()])
    assert relative_error(run.model.theta.flat, theirs) < 1e-9
