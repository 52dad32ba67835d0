"""A batch cut into micro-batches gives the gradient, and the run, of the whole batch."""

from __future__ import annotations

import numpy as np
import pytest
from arrays import relative_error
from runs import digits

import pullback as pb
from pullback.losses.gradient import forward_error_backward
from pullback.train.step import parts

NET = pb.Chain(
    pb.Flatten(), pb.Linear(20), pb.LayerNorm(), pb.GELU(), pb.Dropout(0.3), pb.Linear(10)
)
LOSS = pb.losses.CrossEntropy(label_smoothing=0.1)


def gradient(p, x, y, pieces, weight=None):
    found = type(p)(p.layout, np.zeros_like(p.flat))
    total = float(len(x)) if weight is None else float(weight.sum())
    for i, part in enumerate(parts(len(x), pieces)):
        forward_error_backward(
            NET, LOSS, p, x[part], y[part], found,
            pb.Context(train=True, seed=1, step=7, first=part.start),
            weight=None if weight is None else weight[part], total=total, accumulate=i > 0,
        )  # fmt: skip
    return found.flat


@pytest.mark.parametrize("pieces", [2, 3, 5, 16])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_of_the_pieces_is_that_of_the_batch(pieces, weighted):
    data = digits().train[:97]
    x = data.x.astype(np.float64) / 16
    weight = np.linspace(0.1, 2, 97) if weighted else None
    p, _ = pb.init(NET, x[:1], dtype="float64")
    whole = gradient(p, x, data.y, 1, weight)
    assert relative_error(gradient(p, x, data.y, pieces, weight), whole) < 1e-12


@pytest.mark.parametrize("pieces", [2, 4, 7])
def test_the_run_is_that_of_the_whole_batches(pieces):
    """Below 1e-12 after one step; after many, what rounding has grown to."""
    common = {
        "loss": LOSS, "optimizer": pb.optim.Momentum(0.05), "batch_size": 60, "dtype": "float64",
    }  # fmt: skip
    for steps, bound in ((1, 1e-12), (60, 1e-10)):
        whole = pb.fit(NET, digits(), max_steps=steps, **common)
        cut = pb.fit(NET, digits(), max_steps=steps, accumulate=pieces, **common)
        assert relative_error(cut.model.theta.flat, whole.model.theta.flat) < bound


def test_what_is_recorded_is_that_of_the_whole_batches():
    common = {
        "loss": LOSS, "optimizer": pb.optim.SGD(0.05), "batch_size": 60, "dtype": "float64",
        "epochs": 2,
    }  # fmt: skip
    whole, cut = (pb.fit(NET, digits(), accumulate=n, **common) for n in (1, 4))
    assert whole.history["accuracy"][1] != whole.history["accuracy"][0]
    for name in ("loss", "accuracy"):
        assert list(cut.history[name]) == pytest.approx(list(whole.history[name]), rel=1e-12)


def test_batch_normalisation_advances_with_every_piece():
    net = pb.Chain(pb.Flatten(), pb.BatchNorm(momentum=0.5), pb.Linear(10))
    data = digits().train[:40]
    run = pb.fit(
        net, data, loss=LOSS, optimizer=pb.optim.SGD(0.0), batch_size=40, epochs=1, accumulate=2,
        normalize="none", dtype="float64",
    )  # fmt: skip
    from pullback.data.split import order

    x = data.x.reshape(40, -1)[order(40, 0, 0)].astype(np.float64)
    mean = 0.5 * (0.5 * x[:20].mean(axis=0)) + 0.5 * x[20:].mean(axis=0)
    np.testing.assert_allclose(run.model.state["1"]["mean"], mean, rtol=1e-12)
