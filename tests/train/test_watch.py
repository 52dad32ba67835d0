"""Quantities watched while a network trains, against the steps taken one by one from outside."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest
from runs import pullback

import pullback as pb
from pullback import extend
from pullback.core.context import Context
from pullback.core.errors import ConfigError
from pullback.core.map import init
from pullback.core.spec import Spec
from pullback.data.split import epoch_order
from pullback.engine.program import Program
from pullback.train.events import EpochEnded, Progress

OF_NORMS = [
    "gradient_norm", "total_variance", "covariance_trace", "gradient_sq_norm", "noise_scale",
    "norm_test",
]  # fmt: skip
CE, LR, SIZE, COUNT = pb.losses.CrossEntropy(), 0.2, 20, 210


def network():
    return pb.Chain(pb.Linear(12), pb.ReLU(), pb.Linear(3))


def examples(weighted=False):
    rng = np.random.default_rng(4)
    x = rng.integers(0, 4, (COUNT, 16), dtype=np.uint8)
    y = ((x - 1.5) @ rng.standard_normal((16, 3))).argmax(axis=1)
    weight = rng.uniform(0.5, 2, COUNT) if weighted else None
    return pb.data.from_arrays(x, y, weight=weight)


def fit(watch=(), data=None, net=None, **changes):
    settings = {
        "loss": CE, "optimizer": pb.optim.SGD(LR), "epochs": 2, "batch_size": SIZE, "seed": 3,
        "dtype": "float64", "normalize": "none", **changes,
    }  # fmt: skip
    return pb.fit(net or network(), data or examples(), watch=watch, **settings)


class Averages:
    """What ``Moments`` are, averaged over what was seen."""

    def __init__(self, seen):
        self.mean_sq_norm = np.mean([at.mean_sq_norm for at, _ in seen])
        self.sq_norm = np.mean([at.sq_norm for at, _ in seen])
        self.effective_examples = np.mean([at.effective_examples for at, _ in seen])


def seen_by_hand(data, every=1, epochs=2):
    """The evidence of every step that is to be watched, epoch by epoch; plain descent by hand."""
    net, step = network(), 0
    p, _ = init(net, Spec((16,), "float64"), 3, "float64")
    for epoch in range(epochs):
        rows, seen = epoch_order(data, SIZE, 3, epoch), []
        for first in range(0, COUNT, SIZE):
            index = rows[first : first + SIZE]
            weight = None if data.weight is None else data.weight[index]
            ctx = Context(True, 3, step)
            x = data.x[index].astype(float)
            at = extend.Evidence.of(net, CE, p, x, data.y[index], ctx, weight, LR)
            if len(index) == SIZE and step % every == 0:
                seen.append((at, extend.stability(at)))
            p.flat[:] -= LR * at.gradient.flat
            step += 1
        yield seen


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("every", [1, 3])
def test_what_is_watched_is_that_of_the_steps(every, weighted):
    data = examples(weighted)
    run = fit([*OF_NORMS, "stability"], data, every=every)
    fast = fit(OF_NORMS, data, every=every)
    for epoch, seen in enumerate(seen_by_hand(data, every)):
        assert len(seen) == (10 if every == 1 else 4 - epoch)
        for name in OF_NORMS:
            expected = getattr(extend, name)(Averages(seen))
            assert run.history[name][epoch] == pytest.approx(expected, rel=1e-10), name
            assert fast.history[name][epoch] == pytest.approx(expected, rel=1e-10), name
        expected = np.mean([stability for _, stability in seen])
        assert run.history["stability"][epoch] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_that_are_watched_are_taken_many_at_a_time_and_are_the_same(monkeypatch, dtype):
    taken, original = [], Program.run

    def run(self, *arguments):
        taken.append(original(self, *arguments))
        return taken[-1]

    monkeypatch.setattr(Program, "run", run)
    plain = fit(dtype=dtype)
    assert sum(taken) == 2 * (COUNT // SIZE) - 1
    del taken[:]
    watched = fit(OF_NORMS, dtype=dtype)
    assert sum(taken) == 2 * (COUNT // SIZE) - 1
    np.testing.assert_array_equal(watched.model.theta.flat, plain.model.theta.flat)
    del taken[:]
    beside = fit(["lambda_max"], every=4, dtype=dtype)
    assert sum(taken) == 2 * (COUNT // SIZE) - 1
    np.testing.assert_array_equal(beside.model.theta.flat, plain.model.theta.flat)


@pytest.mark.parametrize(
    "changes", [{"accumulate": 3}, {"batch_size": None}, {"optimizer": pb.optim.AdamW(0.01)}]
)
def test_it_is_the_same_however_the_steps_are_taken(changes):
    beside = fit(["gradient_curvature", *OF_NORMS], **changes)
    for name in OF_NORMS:
        assert fit(OF_NORMS, **changes).history[name] == pytest.approx(beside.history[name])


def test_a_run_goes_on_with_what_it_has_watched(tmp_path, monkeypatch):
    monkeypatch.setattr("pullback.train.loop.PROGRESS_SECONDS", 0.0)
    watch = ["noise_scale", "gradient_curvature"]
    whole = fit(watch, every=2)
    pressed = []

    def interrupt(event):
        late = isinstance(event, Progress) and event.epoch == 2 and event.step >= 3
        if late and not pressed:
            pressed.append(event)
            os.kill(os.getpid(), signal.SIGINT)

    stopped = fit(watch, every=2, out=tmp_path / "run", callbacks=[interrupt])
    assert stopped.stopped == "interrupted"
    resumed = pb.resume(tmp_path / "run", examples())
    for name in ("loss", *watch):
        assert resumed.history[name] == whole.history[name]


def test_batch_normalisation_has_no_gradient_of_one_example():
    net = pb.Chain(pb.Linear(8), pb.BatchNorm(), pb.ReLU(), pb.Linear(3))
    with pytest.raises(ConfigError, match=r"BatchNorm.*depend on the whole batch"):
        fit(["noise_scale"], net=net)
    run = fit(["gradient_norm", "gradient_curvature"], net=net)
    assert np.isfinite(run.history["gradient_norm"]).all()
    assert np.isfinite(run.history["gradient_curvature"]).all()


def test_names_and_numbers_that_cannot_be_watched():
    with pytest.raises(ConfigError, match="Did you mean 'noise_scale'"):
        fit(["noise_scal"])
    with pytest.raises(ConfigError, match=r"it is not one number.*pullback\.quantities"):
        fit(["variance"])
    with pytest.raises(ConfigError, match="every=0"):
        fit(["noise_scale"], every=0)
    with pytest.raises(ConfigError, match="at least 2 examples"):
        fit(["noise_scale"], batch_size=1)


def test_an_epoch_in_which_nothing_was_due_has_no_number():
    run = fit(["lambda_max"], every=15)
    assert np.isfinite(run.history["lambda_max"]).all()
    run = fit(["lambda_max"], every=40)
    assert np.isnan(run.history["lambda_max"]).tolist() == [False, True]


def test_the_events_and_the_command_line_have_it(tmp_path):
    seen = []
    fit(["noise_scale"], callbacks=[lambda e: isinstance(e, EpochEnded) and seen.append(e)])
    assert all(event.figures["noise_scale"] > 0 for event in seen)
    done = pullback(
        "train", "digits", "--epochs", 1, "--watch", "noise_scale", "--watch", "stability",
        "--every", 5, "--out", "run", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "run/history.jsonl").read_text())
    assert record["noise_scale"] > 0
    assert 0 < record["stability"] < 10
