"""Runs over sequences: windows of a stream and batches by length, stopped and gone on with."""

import os
import signal

import numpy as np
import pytest
from runs import theta_of

import pullback as pb
from pullback.data.dataset import Dataset
from pullback.data.rows import padded
from pullback.data.text import windows
from pullback.train.evaluate import evaluation_batch
from pullback.train.events import Progress


def by_length():
    rng = np.random.default_rng(0)
    ids, lengths = padded([rng.integers(0, 9, n) for n in rng.integers(1, 12, 60)])
    return Dataset(ids, rng.integers(0, 2, 60), None, ("a", "b"), lengths=lengths), pb.Linear(2)


def of_a_stream():
    ids = np.random.default_rng(0).integers(0, 5, 70).astype(np.int16)
    net = pb.Chain(pb.Linear(6 * 5), pb.Reshape((6, 5)))
    return windows(ids, 6), net


KINDS = {"lengths": by_length, "windows": of_a_stream}


def fit(kind, out=None, **options):
    data, net = KINDS[kind]()
    return pb.fit(
        net, data, loss=pb.losses.CrossEntropy(), optimizer=pb.optim.SGD(0.01), batch_size=8,
        epochs=3, out=out, **options,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("epoch", [1, 2])
def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path, monkeypatch, kind, epoch):
    monkeypatch.setattr("pullback.train.loop.PROGRESS_SECONDS", 0.0)
    sent = []

    def interrupt(event):
        if isinstance(event, Progress) and event.epoch == epoch and event.step == 3 and not sent:
            sent.append(event)
            os.kill(os.getpid(), signal.SIGINT)

    whole = fit(kind, tmp_path / "whole")
    assert fit(kind, tmp_path / "cut", callbacks=[interrupt]).stopped == "interrupted"
    resumed = pb.resume(tmp_path / "cut", KINDS[kind]()[0])
    assert resumed.stopped == "epochs"
    np.testing.assert_array_equal(theta_of(tmp_path / "cut"), theta_of(tmp_path / "whole"))
    assert resumed.history["loss"] == whole.history["loss"]


def test_windows_train_as_the_same_examples_in_an_array():
    data, net = of_a_stream()
    copied = Dataset(np.asarray(data.x), np.asarray(data.y))
    found = []
    for each in (data, copied):
        run = pb.fit(
            net, each, loss=pb.losses.CrossEntropy(), optimizer=pb.optim.SGD(0.01), batch_size=8,
            epochs=2, normalize="none", validation=0.2, dtype="float64",
        )  # fmt: skip
        found.append(run.model.theta.flat)
        assert np.isfinite(run.history["val_accuracy"][-1])
        assert np.isfinite(run.model.evaluate(data)["loss"])
    np.testing.assert_array_equal(*found)


def test_tokens_are_not_normalised():
    for kind in KINDS:
        run = fit(kind, max_steps=1)
        assert (run.model.normalizer.scale, run.model.normalizer.shift) == (1.0, 0.0)


def test_evaluation_takes_fewer_long_sequences_at_once():
    for outputs, steps, count in ((10, None, 1024), (10, 16, 1024), (10, 64, 256), (9000, 64, 29)):
        net = pb.Chain(pb.Linear(outputs))
        shape = (4,) if steps is None else (steps, 4)
        assert evaluation_batch(net, pb.Spec(shape)) == count


def test_evaluation_takes_fewer_sequences_at_once_that_are_long_within():
    words = pb.Parallel(
        pb.Chain(pb.LSTM(3, "last"), pb.Linear(2)), pb.Chain(pb.Linear(3), pb.GlobalAvgPool())
    )
    for steps, count in ((16, 1024), (64, 256)):
        assert evaluation_batch(words, pb.Spec((steps, 4))) == count
    heard = pb.Chain(pb.LogMel(8000), pb.LastStep())  # 128 frames
    assert evaluation_batch(heard, pb.Spec((10360,))) == 128
