"""The same run on PyTorch's tensors: step by step what NumPy's arrays and the kernels give."""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np
import pytest

import pullback as pb
from pullback import models
from pullback.core.errors import ConfigError, NonFiniteError
from pullback.core.tree import leaves
from pullback.data import from_arrays, load
from pullback.train.events import EpochEnded
from pullback.train.fit import Training
from pullback.train.settings import settings_for
from pullback.train.stepping import Stepper

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

ADAM = pb.optim.chain(pb.optim.ClipGlobalNorm(1.0), pb.optim.AdamW(0.01), pb.optim.EMA(0.9))


def digits(count: int = 192) -> Any:
    train = load("digits").train
    return from_arrays(train.x[:count], train.y[:count])


def tokens(count: int = 96) -> Any:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 11, (count, 7))
    return from_arrays(x, np.roll(x, -1, axis=1))


DENSE = pb.Chain(pb.Flatten(), pb.Linear(32), pb.ReLU(), pb.Dropout(0.2), pb.Linear(10))
PLAIN = pb.Chain(pb.Flatten(), pb.Linear(32), pb.ReLU(), pb.Linear(10))
CONVOLUTIONS = pb.Chain(
    pb.Channels(),
    pb.Conv2d(6, 3),
    pb.BatchNorm(),
    pb.ReLU(),
    pb.MaxPool2d(),
    pb.Flatten(),
    pb.Linear(10),
)
RECURRENT = pb.Chain(pb.Reshape((8, 8)), pb.LSTM(12, "last"), pb.Linear(10))
ATTENTION = models.char_transformer(11, layers=1, heads=2, width=8, block=7)
RUNS = {
    "dense": (DENSE, digits, ADAM, {"validation": 0.25, "patience": 3}),
    "plain": (PLAIN, digits, pb.optim.AdamW(0.01), {}),
    "kfac": (DENSE, digits, pb.extend.KFAC(0.1), {}),
    "convolutions": (CONVOLUTIONS, digits, pb.optim.Momentum(0.05), {"validation": 0.25}),
    "accumulated": (DENSE, digits, pb.optim.SGD(0.1), {"accumulate": 3, "audit": 2}),
    "recurrent": (RECURRENT, digits, pb.optim.Adam(0.01), {"mixup": 0.3}),
    "attention": (ATTENTION, tokens, ADAM, {"normalize": "none"}),
    "augmented": (CONVOLUTIONS, digits, pb.optim.SGD(0.1), {"augment": pb.RandomShift(1)}),
    "watched": (DENSE, digits, pb.optim.SGD(0.1), {"watch": ["noise_scale", "gradient_norm"]}),
}


def run(name: str, device: str, **changes: Any) -> Any:
    net, data, optimizer, others = RUNS[name]
    settings = {"epochs": 2, "batch_size": 48, "dtype": "float64", "seed": 3} | others | changes
    return pb.fit(
        net, data(), loss=pb.losses.CrossEntropy(), optimizer=optimizer, device=device, **settings
    )


ACCELERATOR = pytest.param(
    "cuda",
    marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no CUDA device"),
)
CLOSE = {"torch": 1e-12, "cuda": 1e-10}
"""Sums are in another order on an accelerator, and rounding grows with every step."""


@pytest.mark.parametrize("device", ["torch", ACCELERATOR])
@pytest.mark.parametrize("name", RUNS)
def test_the_same_run(name, device):
    here, there = run(name, "cpu"), run(name, device)
    assert isinstance(there.model.theta.flat, np.ndarray)
    start, _ = pb.init(RUNS[name][0], pb.Spec(here.model.input.shape, "float64"), 3, "float64")
    assert np.linalg.norm(here.model.theta.flat - start.flat) > 1e-2
    gap = np.abs(here.model.theta.flat - there.model.theta.flat).max()
    assert gap < CLOSE[device] * max(1.0, float(np.abs(here.model.theta.flat).max()))
    for mine, theirs in zip(here.history.records, there.history.records, strict=True):
        assert mine.keys() == theirs.keys()
        for key in mine.keys() - {"seconds"}:
            assert theirs[key] == pytest.approx(mine[key], rel=1e-8), key


def test_no_array_of_numpy_is_trained(monkeypatch):
    kinds = set()
    one_step = Stepper.one_step

    def noted(self: Stepper, index: np.ndarray) -> None:
        learner = self.learner
        arrays = (learner.theta.flat, learner.gradient.flat, *self.gather(index)[:2])
        kinds.update(type(a) for a in arrays)
        assert not learner.theta.flat.requires_grad
        one_step(self, index)

    monkeypatch.setattr(Stepper, "one_step", noted)
    run("dense", "torch")
    assert kinds == {torch.Tensor}


@pytest.mark.parametrize("device", ["torch", ACCELERATOR])
@pytest.mark.parametrize("back", [False, True])
def test_a_checkpoint_goes_on_elsewhere(device, back, tmp_path):
    first, other = (device, "cpu") if back else ("cpu", device)
    whole = run("convolutions", first, epochs=3)

    def interrupt(event):
        if isinstance(event, EpochEnded) and event.epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)

    begun = run("convolutions", first, epochs=3, out=tmp_path / "run", callbacks=[interrupt])
    assert begun.stopped == "interrupted"
    data = RUNS["convolutions"][1]
    found = pb.resume(tmp_path / "run", data(), device=other)
    assert len(found.history.records) == 3
    gap = np.abs(found.model.theta.flat - whole.model.theta.flat).max()
    assert gap < CLOSE[device]
    for path, value in leaves(whole.model.state):
        assert np.abs(dict(leaves(found.model.state))[path] - value).max() < CLOSE[device]


@pytest.mark.parametrize(
    ("device", "message"),
    [("gpu", "expected cpu"), ("cuda:9", "CUDA devices"), (1, "expected cpu"), ("cuda:", "expect")],
)
def test_what_is_not_there_is_refused(device, message):
    with pytest.raises(ConfigError, match=message):
        run("dense", device)


def test_numbers_that_are_not_finite_are_explained():
    net = pb.Chain(pb.Flatten(), pb.Linear(8), pb.ReLU(), pb.Linear(10))
    for device in ("cpu", "torch"):
        with pytest.raises(NonFiniteError, match="finite"):
            pb.fit(
                net, digits(), loss=pb.losses.SquaredError(), optimizer=pb.optim.SGD(1e30),
                device=device, epochs=4,
            )  # fmt: skip


@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no CUDA device")
def test_which_steps_become_a_graph():
    """Those of these runs; the others say why not, and take their steps one by one."""
    reasons = {"kfac": "rule", "watched": "draws", "attention": "rule"}
    for name in ("convolutions", "plain", "recurrent", *reasons):
        net, data, optimizer, others = RUNS[name]
        settings = settings_for(
            net, data(), loss=pb.losses.CrossEntropy(), optimizer=optimizer, batch_size=48,
            device="cuda", **{k: v for k, v in others.items() if k == "normalize"},
        )  # fmt: skip
        stepper = Training(settings, data(), None, ()).loop.stepper
        captured = stepper._program is not None
        assert captured == (name not in reasons), stepper.not_captured
        if not captured:
            assert reasons[name] in stepper.not_captured
