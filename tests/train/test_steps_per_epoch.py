"""Epochs of so many steps, shorter than going through all examples."""

import signal

import numpy as np
import pytest
from runs import digits, fit_tiny, theta_of

import pullback as pb
from pullback.core.errors import ConfigError
from pullback.data.split import epoch_order, split
from pullback.train.events import EpochEnded, Progress, Started


def test_an_epoch_ends_after_so_many_steps():
    events = []
    fit_tiny(steps_per_epoch=3, callbacks=[events.append])
    (started,) = [event for event in events if isinstance(event, Started)]
    assert started.steps_per_epoch == 3
    assert [e.epoch for e in events if isinstance(e, EpochEnded)] == [1, 2, 3, 4]


def test_its_batches_are_the_first_of_the_order_of_the_epoch():
    net = pb.Chain(pb.Flatten(), pb.Linear(10))
    options = {
        "net": net, "optimizer": pb.optim.SGD(0.01), "augment": None, "normalize": "none",
        "epochs": 2, "dtype": "float64",
    }  # fmt: skip
    run = fit_tiny(steps_per_epoch=3, **options)
    train, _ = split(digits().train, 0.2, 3)
    p, _ = pb.init(net, pb.Spec(train.x.shape[1:]), 3, "float64")
    compute = pb.value_and_grad(net, pb.losses.CrossEntropy())
    for epoch in range(2):
        for batch in epoch_order(train, 64, 3, epoch)[: 3 * 64].reshape(3, 64):
            p.flat[:] -= 0.01 * compute(p, train.x[batch].astype(float), train.y[batch])[1].flat
    np.testing.assert_allclose(run.model.theta.flat, p.flat, rtol=1e-9, atol=1e-12)


def test_schedules_are_of_these_steps():
    schedule = pb.optim.CosineDecay(0.01)
    run = fit_tiny(steps_per_epoch=3, optimizer=pb.optim.Adam(schedule))
    assert run.history["lr"][-1] < 0.001 < run.history["lr"][0]


def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setattr("pullback.train.loop.PROGRESS_SECONDS", 0.0)

    def interrupt(event):
        if isinstance(event, Progress) and (event.epoch, event.step) == (2, 3):
            signal.raise_signal(signal.SIGINT)

    fit_tiny(tmp_path / "whole", steps_per_epoch=5)
    cut = fit_tiny(tmp_path / "cut", steps_per_epoch=5, callbacks=[interrupt])
    assert cut.stopped == "interrupted"
    pb.resume(tmp_path / "cut", digits())
    np.testing.assert_array_equal(theta_of(tmp_path / "cut"), theta_of(tmp_path / "whole"))


@pytest.mark.parametrize("wrong", [0, 2.5, 1000])
def test_what_is_refused(wrong):
    with pytest.raises(ConfigError, match=f"steps_per_epoch={wrong}"):
        fit_tiny(steps_per_epoch=wrong)
