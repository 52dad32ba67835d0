"""A run that stops, by request or by SIGKILL, goes on bit for bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time

import numpy as np
import pytest
from runs import command, digits, environment, fit_tiny, pullback, theta_of

import pullback as pb
from pullback.core.errors import ConfigError, ModelFileError, NonFiniteError
from pullback.train.checkpoint import NAME as CHECKPOINT
from pullback.train.events import EpochEnded, Progress

KILLS, EPOCHS = 20, 20
RUN = (
    "train", "digits", "--epochs", EPOCHS, "--batch-size", 32, "--dropout", 0.1, "--ema", 0.99,
    "--optimizer", "nadam", "--schedule", "cosine", "--patience", 50, "--accumulate", 2,
    "--out", "run",
)  # fmt: skip


def interrupt_at(kind, epoch):
    """A callback that presses Ctrl-C at the first event of ``kind`` in ``epoch``."""
    sent = []

    def callback(event):
        if isinstance(event, kind) and event.epoch == epoch and not sent:
            sent.append(event)
            os.kill(os.getpid(), signal.SIGINT)

    return callback


@pytest.fixture
def progress_at_every_step(monkeypatch):
    monkeypatch.setattr("pullback.train.loop.PROGRESS_SECONDS", 0.0)


@pytest.mark.parametrize("kind", [EpochEnded, Progress])
@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path, kind, epoch, progress_at_every_step):
    whole = fit_tiny(tmp_path / "whole")
    stopped = fit_tiny(tmp_path / "cut", callbacks=[interrupt_at(kind, epoch)])
    assert stopped.stopped == ("epochs" if (kind, epoch) == (EpochEnded, 4) else "interrupted")
    resumed = pb.resume(tmp_path / "cut", digits())
    np.testing.assert_array_equal(theta_of(tmp_path / "cut"), theta_of(tmp_path / "whole"))
    assert resumed.stopped == "epochs"
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "lr"):
        assert resumed.history[name] == whole.history[name]
    assert (tmp_path / "cut" / "history.jsonl").read_text().count("\n") == 4


def test_early_stopping_survives_an_interruption(tmp_path, progress_at_every_step):
    options = {"patience": 3, "epochs": 60, "optimizer": pb.optim.SGD(lr=3.0)}
    whole = fit_tiny(tmp_path / "whole", **options)
    assert whole.stopped == "patience"
    fit_tiny(tmp_path / "cut", callbacks=[interrupt_at(Progress, 3)], **options)
    resumed = pb.resume(tmp_path / "cut", digits())
    assert resumed.stopped == "patience"
    np.testing.assert_array_equal(resumed.model.theta.flat, whole.model.theta.flat)


def test_a_finished_run_can_be_resumed_and_stays_as_it_is(tmp_path):
    done = fit_tiny(tmp_path / "run")
    again = pb.resume(tmp_path / "run", digits())
    assert again.stopped == done.stopped
    np.testing.assert_array_equal(again.model.theta.flat, done.model.theta.flat)


def test_a_batch_of_all_examples_stays_one(tmp_path, progress_at_every_step):
    """None is not written to config.toml: it must be what is read where nothing is."""
    whole = fit_tiny(batch_size=None)
    fit_tiny(tmp_path / "cut", batch_size=None, callbacks=[interrupt_at(Progress, 2)])
    resumed = pb.resume(tmp_path / "cut", digits())
    np.testing.assert_array_equal(resumed.model.theta.flat, whole.model.theta.flat)


def test_a_run_that_failed_before_its_first_checkpoint_does_not_block_its_folder(tmp_path):
    with pytest.raises(NonFiniteError):
        fit_tiny(tmp_path / "run", optimizer=pb.optim.SGD(1e38))
    fit_tiny(tmp_path / "run")
    assert (tmp_path / "run" / CHECKPOINT).exists()


def test_other_data_are_refused(tmp_path):
    fit_tiny(tmp_path / "run")
    with pytest.raises(ModelFileError, match="not what this run began with"):
        pb.resume(tmp_path / "run", digits().train[:1000])


def test_a_damaged_checkpoint_is_one_line(tmp_path):
    fit_tiny(tmp_path / "run")
    path = tmp_path / "run" / CHECKPOINT
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelFileError, match="not a readable safetensors file") as caught:
        pb.resume(tmp_path / "run", digits())
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="there is no run here"):
        pb.resume(tmp_path, digits())


def test_a_run_never_overwrites_another(tmp_path):
    fit_tiny(tmp_path / "run")
    with pytest.raises(ConfigError, match="there is a run here already"):
        fit_tiny(tmp_path / "run")


def run_whole(folder):
    done = pullback(*RUN, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_same_seed_in_two_processes_gives_the_same_bits(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        run_whole(tmp_path / name)
    np.testing.assert_array_equal(theta_of(tmp_path / "a/run"), theta_of(tmp_path / "b/run"))


def epochs_in(history):
    return history.read_bytes().count(b"\n") if history.exists() else 0


def killed_in(folder, epoch, seconds):
    """Start the run, and kill it so long after ``epoch`` epochs; tell whether it was alive."""
    config, history = folder / "run" / "config.toml", folder / "run" / "history.jsonl"
    process = subprocess.Popen(
        command(*RUN), cwd=folder, env=environment(), stdout=subprocess.DEVNULL
    )
    while not config.exists() or epochs_in(history) < epoch:
        if process.poll() is not None:
            return False
        time.sleep(0.002)
    time.sleep(seconds)
    alive = process.poll() is None
    process.kill()
    process.wait()
    return alive


def test_killed_at_random_moments_a_run_goes_on_bit_for_bit(tmp_path):
    (tmp_path / "whole").mkdir()
    expected = run_whole(tmp_path / "whole")
    an_epoch = expected["seconds"] / EPOCHS
    rng = random.Random(0)
    alive = 0
    for kill in range(KILLS):
        folder = tmp_path / str(kill)
        folder.mkdir()
        alive += killed_in(folder, rng.randrange(EPOCHS), rng.uniform(0.0, an_epoch))
        resumed = pullback("resume", "run", "--json", cwd=folder)
        assert resumed.returncode == 0, resumed.stderr
        np.testing.assert_array_equal(theta_of(folder / "run"), theta_of(tmp_path / "whole/run"))
        figures = json.loads(resumed.stdout.splitlines()[-1])
        assert figures["test_accuracy"] == expected["test_accuracy"]
        assert not list((folder / "run").glob(".*")), "a half-written file was left"
    assert alive >= KILLS // 2  # most were in the middle of it
