"""Runs whose images are varied or mixed: exact again after a stop, and refused where senseless."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from runs import digits, fit_tiny

import pullback as pb
from pullback.core.errors import ConfigError, PullbackError, ShapeError
from pullback.train.events import Audited, Progress
from pullback.train.fit import Training
from pullback.train.metrics import Accuracy
from pullback.train.mixup import mix
from pullback.train.settings import Settings

VARIED = pb.Chain(
    pb.RandomShift(1), pb.RandomAffine(10, 0.1), pb.RandomFlip(), pb.RandomErasing(0.3)
)
CROSS_ENTROPY = pb.losses.CrossEntropy()


def batch(rng, count=64, classes=10):
    return rng.standard_normal((count, 3, 4)), rng.integers(0, classes, count)


def mixed(x, target, step=3, **changes):
    settings = {"alpha": 0.4, "outputs": 10, "seed": 5, "step": step, **changes}
    return mix(x.copy(), target, **settings)


def share_and_partners(x, **changes):
    """The larger share, and the partner of each example, from mixtures of unit vectors."""
    count = len(x)
    y, _ = mixed(np.eye(count), np.zeros(count), **changes)
    share = np.diag(y).min()  # 1 for an example that is its own partner
    partners = np.where(np.diag(y) == 1, np.arange(count), (y - share * np.eye(count)).argmax(1))
    return share, partners


# -- what mixing does


def test_inputs_and_targets_are_mixed_alike(rng):
    x, target = batch(rng)
    y, rows = mixed(x, target)
    share, partners = share_and_partners(x)
    assert 0.5 <= share < 1
    assert sorted(partners) == list(range(len(x)))  # every example is a partner once
    np.testing.assert_allclose(y, share * x + (1 - share) * x[partners], rtol=1e-13)
    one_hot = np.eye(10)[target]
    np.testing.assert_allclose(rows, share * one_hot + (1 - share) * one_hot[partners])
    np.testing.assert_allclose(rows.sum(axis=1), 1)


def test_numbers_are_mixed_as_numbers(rng):
    x, _ = batch(rng)
    share, partners = share_and_partners(x)
    for target in (rng.standard_normal(64), rng.standard_normal((64, 2))):
        _, found = mixed(x, target)
        np.testing.assert_allclose(found, share * target + (1 - share) * target[partners])
    two = rng.integers(0, 2, 64)  # class numbers, for one logit
    _, found = mixed(x, two, outputs=1)
    np.testing.assert_allclose(found, share * two + (1 - share) * two[partners])


def test_dtypes_stay(rng):
    x, target = batch(rng)
    y, rows = mixed(x.astype(np.float32), target)
    assert y.dtype == rows.dtype == np.float32
    _, numbers = mixed(x.astype(np.float32), rng.standard_normal(64).astype(np.float32))
    assert numbers.dtype == np.float32


def test_the_draw_is_of_the_seed_and_the_step(rng):
    x, target = batch(rng)
    for a, b in zip(mixed(x, target), mixed(x, target), strict=True):
        np.testing.assert_array_equal(a, b)
    for change in ({"seed": 6}, {"step": 4}):
        assert not np.array_equal(mixed(x, target)[0], mixed(x, target, **change)[0])


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_are_those_of_beta(alpha):
    """Moments of |2 share - 1|: those of the distribution folded at one half."""
    pair = np.array([[1.0], [0.0]])
    shares = []
    for step in range(6000):
        y, _ = mixed(pair, np.zeros(2), alpha=alpha, step=step)
        if y[0, 0] != 1:  # else each of the two is its own partner
            shares.append(y[0, 0])
    shares = np.array(shares)
    assert abs(len(shares) / 6000 - 0.5) < 5 * 0.5 / np.sqrt(6000)
    squares = (2 * shares - 1) ** 2
    expected = 1 / (2 * alpha + 1)  # 4 times the variance of Beta(alpha, alpha)
    assert abs(squares.mean() - expected) < 5 * squares.std() / np.sqrt(len(squares))


def test_the_gradient_of_a_mixture_is_that_of_its_rows(rng):
    """Cross-entropy is linear in the target: with weights of classes and smoothing, too."""
    x, target = batch(rng)
    _, rows = mixed(x, target)
    share, partners = share_and_partners(x)
    outputs = rng.standard_normal((64, 10))
    for loss in (
        CROSS_ENTROPY,
        pb.losses.CrossEntropy(0.1),
        pb.losses.CrossEntropy(class_weights=tuple(range(1, 11))),
    ):
        values, slope = loss.forward(outputs, rows)
        own, other = loss.forward(outputs, target), loss.forward(outputs, target[partners])
        for found, a, b in zip((values, slope), own, other, strict=True):
            np.testing.assert_allclose(found, share * a + (1 - share) * b, rtol=1e-12, atol=1e-14)


# -- runs


def press_ctrl_c(epoch):
    sent = []

    def callback(event):
        if isinstance(event, Progress) and event.epoch == epoch and not sent:
            sent.append(event)
            os.kill(os.getpid(), signal.SIGINT)

    return callback


@pytest.mark.parametrize(
    "options",
    [
        {"augment": VARIED},
        {"augment": None, "mixup": 0.3},
        {"augment": VARIED, "mixup": 1.0, "accumulate": 2},
    ],
    ids=["varied", "mixed", "both, in parts"],
)
def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path, options, monkeypatch):
    monkeypatch.setattr("pullback.train.loop.PROGRESS_SECONDS", 0.0)
    whole = fit_tiny(tmp_path / "whole", **options)
    cut = fit_tiny(tmp_path / "cut", callbacks=[press_ctrl_c(2)], **options)
    assert cut.stopped == "interrupted"
    resumed = pb.resume(tmp_path / "cut", digits())
    np.testing.assert_array_equal(resumed.model.theta.flat, whole.model.theta.flat)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert resumed.history[name] == whole.history[name]


def test_a_run_in_parts_is_that_of_the_whole_batches():
    net = pb.Chain(pb.Flatten(), pb.Linear(16), pb.Tanh(), pb.Linear(10))
    common = {"net": net, "augment": VARIED, "mixup": 0.4, "dtype": "float64", "max_steps": 5}
    whole, parts = fit_tiny(**common), fit_tiny(**common, accumulate=3)
    np.testing.assert_allclose(parts.model.theta.flat, whole.model.theta.flat, rtol=1e-9)


def loop_of(data, **changes):
    settings = {
        "net": pb.Chain(pb.Flatten(), pb.Linear(10)),
        "loss": CROSS_ENTROPY,
        "optimizer": pb.optim.SGD(0.1),
        "metrics": (Accuracy(),),
        "batch_size": 50,
        "normalize": "none",
        "dtype": "float64",
        **changes,
    }
    return Training(Settings(**settings), data, None, ()).loop


def test_a_step_trains_on_the_mixtures():
    data = digits().train[:200]
    loop, rows = loop_of(data, mixup=0.4, seed=7), np.arange(100, 150)
    x, target, weight = loop.stepper.gather(rows)
    y, right = mix(data.x[rows].astype(np.float64), data.y[rows], alpha=0.4, outputs=10, seed=7,
                   step=0)  # fmt: skip
    np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(target, right)
    assert weight is None
    before = loop.learner.theta.flat.copy()
    _, gradient = pb.value_and_grad(loop.settings.net, CROSS_ENTROPY)(
        loop.learner.theta, y, right, pb.Context(train=True, seed=7)
    )
    loop.stepper.one_step(rows)
    np.testing.assert_allclose(
        before - loop.learner.theta.flat, 0.1 * gradient.flat, rtol=1e-9, atol=1e-15
    )


def test_accuracy_is_of_the_larger_share():
    """A network that always knows the example's own class is always right."""
    count = 40
    data = pb.data.from_arrays(np.eye(count), np.arange(count) % 4)
    net = pb.Chain(pb.Linear(4))
    loop = loop_of(data, net=net, mixup=0.2, batch_size=count)
    loop.learner.theta.flat[:] = 0
    loop.learner.theta["0"]["W"][:] = 50 * np.eye(4)[np.arange(count) % 4]
    loop.stepper.one_step(np.arange(count))
    found = loop.tally.results()
    assert found["accuracy"] == 1
    assert found["loss"] > 0


def test_what_is_held_out_is_not_mixed():
    """With a rate of almost 0, training loss is that of mixtures and validation loss is not."""
    one = pb.optim.SGD(1e-12)
    net = pb.Chain(pb.Flatten(), pb.Linear(10))
    plain, mixtures = (
        fit_tiny(net=net, augment=None, optimizer=one, epochs=1, mixup=mixup)
        for mixup in (0.0, 1.0)
    )
    assert plain.history["val_accuracy"] == mixtures.history["val_accuracy"]
    assert plain.history["loss"] != mixtures.history["loss"]


def test_mixtures_can_be_learned():
    run = fit_tiny(augment=None, mixup=0.2, epochs=25)
    assert run.history["val_accuracy"][-1] > 0.9


def test_an_audit_goes_through_variations_and_mixtures():
    audited = []
    fit_tiny(
        augment=VARIED, mixup=0.3, audit=5, epochs=1,
        callbacks=[lambda event: audited.append(event) if isinstance(event, Audited) else None],
    )  # fmt: skip
    assert len(audited) >= 3
    assert max(event.error for event in audited) < 1e-6


def test_the_settings_are_read_back(tmp_path):
    fit_tiny(tmp_path / "run", augment=VARIED, mixup=0.3, epochs=1)
    from pullback.train.run_folder import RunFolder

    settings, _ = RunFolder(tmp_path / "run").read_config()
    assert (settings.augment, settings.mixup) == (VARIED, 0.3)


# -- what is refused


def weighted():
    data = digits().train
    return pb.data.from_arrays(data.x, data.y, weight=np.ones(len(data)))


def positions():
    """A class for each of several places."""
    rng = np.random.default_rng(0)
    return pb.data.from_arrays(rng.standard_normal((80, 3)), rng.integers(0, 4, (80, 3)))


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"mixup": -1.0}, ConfigError, "mixup=-1.0"),
        ({"mixup": float("nan")}, ConfigError, "mixup=nan"),
        ({"augment": "flip"}, ConfigError, "augment='flip'"),
        ({"augment": pb.Linear(3)}, ConfigError, "has parameters or state"),
        ({"augment": pb.BatchNorm()}, ConfigError, "has parameters or state"),
        ({"augment": pb.RandomCrop(6)}, ShapeError, "at the beginning of the network"),
        ({"augment": pb.RandomErasing(fill=300.0)}, PullbackError, "images of bytes"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_used(changes, kind, said):
    with pytest.raises(kind) as caught:
        fit_tiny(**changes)
    assert said in str(caught.value)


def test_examples_with_weights_are_not_mixed():
    with pytest.raises(ConfigError, match="the examples have weights"):
        loop_of(weighted(), mixup=0.2)


def test_examples_with_several_classes_are_not_mixed():
    net = pb.Chain(pb.Linear(3))
    with pytest.raises(ConfigError, match="needs one class an example"):
        loop_of(positions(), net=net, loss=pb.losses.SquaredError(), metrics=(), mixup=0.2)


def test_a_crop_belongs_into_the_network():
    """There it is random in training, and the middle afterwards."""
    net = pb.Chain(pb.RandomCrop(6), pb.Flatten(), pb.Linear(10))
    run = fit_tiny(net=net, augment=None, epochs=2)
    x = digits().test.x
    middle = run.model.normalizer.apply(x[:, 1:7, 1:7], "float32").reshape(len(x), -1)
    y = middle @ run.model.theta["2"]["W"] + run.model.theta["2"]["b"]
    np.testing.assert_array_equal(run.model.predict(x), y.argmax(axis=1))
