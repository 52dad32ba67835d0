"""The range test, the stability limit, the trials, and what is suggested."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from runs import digits

import pullback as pb
from pullback.core.errors import ConfigError, NonFiniteError
from pullback.optim import SGD, Adam, Momentum, Nesterov, OneCycle, chain
from pullback.optim.rates import highest_lr, with_lr
from pullback.train.finding import LrFinding, Trial
from pullback.train.lrfind import _Search
from pullback.train.range_test import range_test
from pullback.train.settings import settings_for
from pullback.train.stability import Stability, stability
from pullback.train.trial import Trials

CROSS = pb.losses.CrossEntropy()


def small_net():
    return pb.Chain(pb.Flatten(), pb.Linear(16), pb.ReLU(), pb.Linear(10))


def find(optimizer=None, **changes):
    settings = {"loss": CROSS, "batch_size": 32, "max_steps": 60, "seed": 0, **changes}
    return pb.lrfind(small_net(), digits(), optimizer=optimizer or SGD(0.1), **settings)


def trials_of(net, data, optimizer, loss=CROSS, **changes):
    return Trials(settings_for(net, data, loss=loss, optimizer=optimizer, **changes), data)


def bowl():
    """A linear regression whose Hessian is known: (settings' parts, its largest eigenvalue)."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 4)) * [3.0, 1.0, 0.5, 0.1]
    data = pb.data.from_arrays(x, (x @ [1.0, -1.0, 2.0, 0.5])[:, None])
    # the mean over the examples of half the squared error, or of all of it
    loss = pb.losses.SquaredError()
    values, _ = loss.forward(np.array([[2.0]]), np.array([[0.0]]))
    hessian = x.T @ x / len(x) * float(values[0]) / 2
    return data, loss, float(np.linalg.eigvalsh(hessian)[-1])


def bowl_trials(optimizer):
    data, loss, _ = bowl()
    net = pb.Chain(pb.Linear(1, bias=False))
    return trials_of(
        net, data, optimizer, loss, batch_size=None, normalize="none", dtype="float64", epochs=500
    )


def test_a_trial_takes_the_steps_of_fit():
    optimizer = chain(pb.optim.ClipGlobalNorm(1.0), Adam(0.01))
    settings = {"batch_size": 64, "seed": 5, "augment": pb.RandomShift(1), "steps_per_epoch": 6}
    net = pb.Chain(pb.Flatten(), pb.Linear(16), pb.BatchNorm(), pb.Dropout(0.3), pb.Linear(10))
    run = pb.fit(net, digits(), loss=CROSS, optimizer=optimizer, epochs=3, **settings)
    found = list(trials_of(net, digits(), optimizer, **settings).losses(optimizer, 18))
    means = np.reshape(found, (3, 6)).mean(axis=1)
    np.testing.assert_allclose(means, run.history["loss"], rtol=1e-6)


def test_trials_leave_no_trace_in_each_other():
    trials = trials_of(small_net(), digits(), SGD(0.1), batch_size=64)
    first = list(trials.losses(SGD(0.1), 7))
    list(trials.losses(SGD(3.0), 7))
    assert list(trials.losses(SGD(0.1), 7)) == first
    assert trials.taken == 21


def test_a_trial_that_diverges_ends_early():
    trials = trials_of(small_net(), digits(), SGD(0.1), batch_size=64)
    found = list(trials.losses(SGD(1e12), 50))
    assert 1 <= len(found) < 10
    assert np.isfinite(found).all()


def test_what_is_not_finite_at_the_start_is_no_answer():
    data = pb.data.from_arrays(np.full((64, 4), 1e30, np.float32), np.ones((64, 1), np.float32))
    with pytest.raises(NonFiniteError, match="step 0"):
        pb.lrfind(
            pb.Chain(pb.Linear(1)), data, loss=pb.losses.SquaredError(), optimizer=SGD(0.1),
            normalize="none", batch_size=16,
        )  # fmt: skip


# -- the range test


def test_the_range_test_grows_the_learning_rate_and_stops_where_the_loss_blows_up():
    data, _, sharpest = bowl()
    found = range_test(bowl_trials(SGD(0.7)))
    assert found.lrs[0] == pytest.approx(1e-5)
    np.testing.assert_allclose(np.diff(np.log(found.lrs)), np.log(1e7) / 100)
    assert len(found.lrs) == len(found.losses) == len(found.smoothed) < 100
    assert found.smoothed[-1] > 4 * min(found.smoothed) >= 4 * 0
    # descent is fastest below its limit, and above it the loss grows
    assert found.lowest < 10 * 2 / sharpest
    assert found.blown > 2 / sharpest
    assert len(data) == 64


def test_smoothed_losses_are_weighted_means():
    found = range_test(bowl_trials(SGD(0.1)), 12)
    weights = 0.9 ** np.arange(5)[::-1]
    expected = weights @ np.array(found.losses[:5]) / weights.sum()
    assert found.smoothed[4] == pytest.approx(expected)


def test_a_range_test_may_see_no_end():
    net = pb.Chain(pb.Flatten(), pb.Linear(10))
    flat = trials_of(net, digits(), chain(pb.optim.ClipGlobalNorm(1e-6), SGD(0.1)))
    assert range_test(flat).blown is None


# -- stability


@pytest.mark.parametrize("rule", [SGD(0.1), Momentum(0.1, momentum=0.7), Nesterov(0.1)], ids=repr)
def test_descent_is_stable_below_the_limit_and_not_above(rule):
    _, _, sharpest = bowl()
    trials = bowl_trials(rule)
    at = stability(trials)
    assert at.sharpness == pytest.approx(sharpest, rel=1e-6)
    assert at.gradient_descent == pytest.approx(2 / sharpest, rel=1e-6)
    assert at.examples == 64
    below = list(trials.losses(with_lr(rule, 0.98 * at.own), 400))
    above = list(trials.losses(with_lr(rule, 1.02 * at.own), 400))
    assert below[-1] < below[0] / 10
    assert above[-1] > above[0]


def test_rules_that_scale_each_parameter_have_no_limit_of_this_kind():
    at = stability(bowl_trials(chain(pb.optim.L2(0.0), Adam(0.1))))
    assert at.own is None
    assert at.gradient_descent is not None


@dataclass(frozen=True)
class Real(pb.Map):
    """Refuses complex numbers."""

    def spec(self, x):
        return x

    def forward(self, p, x, ctx):
        if np.iscomplexobj(x):
            raise TypeError("real numbers only")
        return x, None

    def pullback(self, p, res, gy):
        return gy, None


def test_a_map_without_second_derivatives_leaves_the_limit_unknown():
    net = pb.Chain(pb.Flatten(), pb.Linear(8), Real(), pb.Linear(10))
    assert stability(trials_of(net, digits(), SGD(0.1))) is None


NETWORKS = {
    "batch normalisation": pb.Chain(
        pb.Channels(), pb.Conv2d(4, 3), pb.BatchNorm(), pb.ReLU(), pb.MaxPool2d(), pb.Flatten(),
        pb.Dropout(0.2), pb.Linear(10),
    ),
    "LSTM": pb.Chain(pb.LSTM(8, "last"), pb.LayerNorm(), pb.Linear(10)),
}  # fmt: skip


@pytest.mark.parametrize("net", NETWORKS.values(), ids=NETWORKS)
def test_the_limit_is_known_for_networks_of_all_kinds(net):
    at = stability(trials_of(net, digits(), SGD(0.1), batch_size=32))
    assert at.own == pytest.approx(2 / at.sharpness)


# -- the suggestion


def test_the_suggestion_ends_about_as_low_as_the_best_of_a_grid():
    found = find()
    grid = np.geomspace(1e-4, 10, 15)
    trials = trials_of(small_net(), digits(), SGD(0.1), batch_size=32)
    ends = [np.mean(list(trials.losses(SGD(float(lr)), 60))[-12:]) for lr in grid]
    (own,) = {t.loss for t in found.trials if t.lr == found.lr and t.steps == 60}
    assert own <= 1.1 * min(ends)
    assert own == min(t.loss for t in found.trials if t.steps == 60)
    assert found.longest == found.run_steps == 60
    assert 100 < found.steps < 15 * 60


def test_the_learning_rate_of_the_optimiser_plays_no_part():
    assert find(SGD(1e-7)).lr == find(SGD(50.0)).lr


def test_a_schedule_is_as_long_as_the_trial():
    found = find(Adam(OneCycle(0.5)))
    chosen = Adam(OneCycle(found.lr))
    run = pb.fit(
        small_net(), digits(), loss=CROSS, optimizer=chosen, batch_size=32, epochs=5,
        steps_per_epoch=12, seed=0, metrics=(),
    )  # fmt: skip
    # its epochs are cut short, so the batches are others than those of the trial: about the same
    (own,) = {t.loss for t in found.trials if t.lr == found.lr and t.steps == 60}
    assert own == pytest.approx(run.history["loss"][-1], rel=0.25)


def test_trials_go_down_until_it_gets_worse():
    short = [trial for trial in find(Adam(0.1)).trials if trial.steps == 20]
    rates = [trial.lr for trial in short]
    assert rates == sorted(rates, reverse=True)
    losses = [trial.loss for trial in short]
    assert min(losses) == losses[-2] < losses[-1]
    assert losses[:-1] == sorted(losses[:-1], reverse=True)


class Told:
    """In the place of trials: the loss is a function of the learning rate alone."""

    def __init__(self, loss):
        self.loss, self.settings = (
            loss,
            settings_for(small_net(), digits(), loss=CROSS, optimizer=SGD(0.1)),
        )

    def losses(self, optimizer, steps):
        return [self.loss(highest_lr(optimizer))] * steps


@pytest.mark.parametrize("best", [1e-4, 0.003, 0.8, 1.0, 1.3, 40.0, 700.0])
def test_the_search_goes_both_ways_to_the_best(best):
    search = _Search(Told(lambda lr: abs(math.log(lr / best))), 60, lambda trial: None)
    short = search.descend(1.0)
    assert short.loss == min(trial.loss for trial in search.done)
    found = search.refine(short)
    assert abs(math.log(found.lr / best)) < math.log(1.5) / 2 + 0.01
    assert found.steps == 60


def test_the_search_goes_two_further_and_no_more():
    search = _Search(Told(lambda lr: lr), 60, lambda trial: None)
    found = search.refine(Trial(1.0, 20, 1.0))
    assert [trial.lr for trial in search.done] == [1.0, 0.667, 1.5, 0.445, 0.297]
    assert found.lr == 0.297
    search = _Search(Told(lambda lr: abs(lr - 1)), 60, lambda trial: None)
    assert search.refine(Trial(1.0, 20, 1.0)).lr == 1.0
    assert len(search.done) == 3


def test_large_networks_are_looked_at_on_fewer_examples(monkeypatch):
    trials = trials_of(small_net(), digits(), SGD(0.1), batch_size=128)
    assert stability(trials).examples == 128
    monkeypatch.setattr("pullback.train.stability.WORK", 40 * (64 * 16 + 16 * 10))
    assert stability(trials).examples == 40
    monkeypatch.setattr("pullback.train.stability.WORK", 1)
    assert stability(trials).examples == 16


def test_steps_bound_the_trials():
    assert find(steps=30).longest == 30
    assert find(steps=300).longest == 60


REFUSED = {
    "steps": ({"steps": 9}, "steps=9; expected a whole number of at least 10"),
    "unknown": ({"epoch": 3}, "unknown setting 'epoch'. Did you mean 'epochs'"),
    "batch": ({"batch_size": 9999}, "larger than the 1438 training"),
}


@pytest.mark.parametrize(("changes", "said"), REFUSED.values(), ids=REFUSED)
def test_wrong_settings_are_refused(changes, said):
    with pytest.raises(ConfigError, match=said):
        find(**changes)


def test_data_must_be_a_data_set():
    with pytest.raises(ConfigError, match="data is a ndarray"):
        pb.lrfind(small_net(), np.ones((3, 4)), loss=CROSS, optimizer=SGD(0.1))


# -- what is told


@pytest.fixture(scope="module")
def found():
    return find(Momentum(0.1))


def test_the_text_says_what_to_do_and_why(found):
    lines = str(found).splitlines()
    assert lines[0].startswith(f"learning rate {found.lr:g}: of {len(found.trials)} trials")
    assert lines[1].startswith("range test: the smoothed loss was lowest at")
    limit = found.stability.gradient_descent
    assert f"stable below 2 / {found.stability.sharpness:.3g} = {limit:.3g}" in lines[2]
    assert f", Momentum below {1.9 * limit:.3g}; the suggestion is" in lines[2]
    assert f"cost: {found.steps:,} steps; the run would take 60" in lines[3]


def test_the_text_tells_what_is_not_known(found):
    lr = found.lr
    assert "not known" in str(replace(found, stability=None))
    flat = Stability(-1.0, 32, None, None)
    assert "nothing bends upwards" in str(replace(found, stability=flat))
    adam = replace(found, rule="Adam", stability=Stability(2.0, 32, 1.0, None))
    assert "Adam scales the step of each parameter by itself" in str(adam)
    tight = Stability(2.0, 32, lr / 4, lr / 2)
    assert "the suggestion is 2 times that, so the network has to become flatter" in str(
        replace(found, stability=tight)
    )
    whole = replace(found, range_test=replace(found.range_test, blown=None))
    assert "did not blow up before" in str(whole)


def test_where_every_trial_diverged_nothing_is_suggested(found, tmp_path):
    lost = LrFinding(
        None, found.range_test, found.stability, (Trial(0.1, 20, math.inf),), 120, "SGD", 60
    )
    assert str(lost).startswith("no learning rate: every trial of 20 steps diverged")
    assert lost.to_dict()["trials"] == [{"lr": 0.1, "steps": 20, "loss": None}]
    assert "diverged" in str(lost.trials[0])
    lost.plot(tmp_path / "lost.png")


def test_it_is_plain_data_and_a_picture(found, tmp_path):
    again = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert again["lr"] == found.lr
    assert again["range_test"]["lowest"] == found.range_test.lowest
    assert len(again["trials"]) == len(found.trials)
    found.plot(tmp_path / "found.png")
    assert (tmp_path / "found.png").read_bytes()[:4] == b"\x89PNG"
