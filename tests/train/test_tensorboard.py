"""What TensorBoard itself reads of the events of a run."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
from runs import digits, fit_tiny, pullback

import pullback as pb
from pullback.core.errors import ConfigError
from pullback.train.events import EpochEnded, Progress
from pullback.train.loop import Loop

event_accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator",
    reason="TensorBoard reads what we wrote: pip install 'pullback[tensorboard]'",
)


def read(path):
    """TensorBoard's own reader, with every value."""
    everything = event_accumulator.STORE_EVERYTHING_SIZE_GUIDANCE
    return event_accumulator.EventAccumulator(str(path), everything).Reload()


def scalars(path, name):
    return [(one.step, one.value) for one in read(path).Scalars(name)]


def of_history(history, name):
    return [(e, np.float32(v)) for e, v in zip(history["epoch"], history[name], strict=True)]


def test_every_figure_of_every_epoch_is_there(tmp_path):
    run = fit_tiny(tensorboard=tmp_path / "tb", watch=["gradient_norm"])
    names = ["loss", "accuracy", "val_loss", "val_accuracy", "gradient_norm", "lr", "seconds"]
    assert sorted(read(tmp_path / "tb").Tags()["scalars"]) == sorted(names)
    for name in names:
        assert scalars(tmp_path / "tb", name) == of_history(run.history, name)


def test_the_configuration_the_settings_and_the_curves_are_there(tmp_path):
    from tensorboard.plugins.hparams import plugin_data_pb2
    from tensorboard.util.tensor_util import make_ndarray

    adam = pb.optim.Adam(pb.optim.OneCycle(0.01))
    run = fit_tiny(tmp_path / "run", tensorboard=tmp_path / "tb", optimizer=adam)
    found = read(tmp_path / "tb")
    text = make_ndarray(found.Tensors("configuration")[0].tensor_proto).item().decode()
    assert [line[4:] for line in text.splitlines()] == run.path.joinpath(
        "config.toml"
    ).read_text().splitlines()
    assert found.SummaryMetadata("configuration").plugin_data.plugin_name == "text"

    (image,) = found.Images("curves")
    assert image.step == 4
    assert image.encoded_image_string.startswith(b"\x89PNG")
    assert (image.width, image.height) == (1200, 432)

    data = plugin_data_pb2.HParamsPluginData
    content = found.PluginTagToContent("hparams")
    start = data.FromString(content["_hparams_/session_start_info"]).session_start_info
    assert start.hparams["optimizer"].string_value == "Adam"
    assert start.hparams["optimizer.lr"].string_value == "OneCycle"
    assert start.hparams["optimizer.lr.peak"].number_value == 0.01
    assert start.hparams["metrics.0"].string_value == "Accuracy"
    assert start.hparams["batch_size"].number_value == 64
    assert start.hparams["seed"].number_value == 3
    assert "Linear(units=24" in start.hparams["net"].string_value
    end = data.FromString(content["_hparams_/session_end_info"]).session_end_info
    assert end.status == 1  # success


def interrupt_at(kind, epoch):
    """A callback that presses Ctrl-C in an epoch."""
    import signal

    sent = []

    def callback(event):
        if isinstance(event, kind) and event.epoch == epoch and not sent:
            sent.append(event)
            os.kill(os.getpid(), signal.SIGINT)

    return callback


@pytest.mark.parametrize("kind", [EpochEnded, Progress])
def test_an_interrupted_run_goes_on_without_doubles(tmp_path, kind, monkeypatch):
    monkeypatch.setattr("pullback.train.loop.PROGRESS_SECONDS", 0.0)
    stop = interrupt_at(kind, 3)
    cut = fit_tiny(tmp_path / "run", callbacks=[stop], tensorboard=tmp_path / "tb")
    assert cut.stopped == "interrupted"
    assert scalars(tmp_path / "tb", "loss") == of_history(cut.history, "loss")
    run = pb.resume(tmp_path / "run", digits())
    for name in ("loss", "val_accuracy"):
        assert scalars(tmp_path / "tb", name) == of_history(run.history, name)
    assert len(read(tmp_path / "tb").Tensors("configuration")) == 1


class _Killed(BaseException):
    """Stands for a process that is killed."""


def test_an_epoch_that_was_written_and_never_saved_is_forgotten(tmp_path, monkeypatch):
    """Killed between the events of epoch 3 and its checkpoint, and in the midst of a record."""

    def emit_then_kill(self, event):
        emit(self, event)
        if isinstance(event, EpochEnded) and event.epoch == 3:
            raise _Killed

    emit = Loop.emit
    with monkeypatch.context() as patched:
        patched.setattr(Loop, "emit", emit_then_kill)
        with pytest.raises(_Killed):
            fit_tiny(tmp_path / "run", tensorboard=tmp_path / "tb")
    assert [step for step, _ in scalars(tmp_path / "tb", "loss")] == [1, 2, 3]
    (file,) = (tmp_path / "tb").iterdir()
    with file.open("ab") as torn:
        torn.write(file.read_bytes()[-500:-30])
    run = pb.resume(tmp_path / "run", digits())
    assert scalars(tmp_path / "tb", "loss") == of_history(run.history, "loss")


def test_a_run_resumed_into_another_folder_brings_its_history(tmp_path):
    fit_tiny(tmp_path / "run", callbacks=[interrupt_at(EpochEnded, 2)])
    run = pb.resume(tmp_path / "run", digits(), tensorboard=tmp_path / "tb")
    assert scalars(tmp_path / "tb", "loss") == of_history(run.history, "loss")


def test_the_events_of_another_run_are_left_alone(tmp_path):
    fit_tiny(tensorboard=tmp_path / "tb", epochs=1)
    before = {path: path.read_bytes() for path in (tmp_path / "tb").iterdir()}
    with pytest.raises(ConfigError, match="events of another run"):
        fit_tiny(tmp_path / "run", tensorboard=tmp_path / "tb", epochs=1)
    assert {path: path.read_bytes() for path in (tmp_path / "tb").iterdir()} == before
    assert not (tmp_path / "run").exists()


def test_a_run_that_fails_leaves_a_readable_file(tmp_path):
    with pytest.raises(pb.errors.NonFiniteError):
        fit_tiny(tensorboard=tmp_path / "tb", optimizer=pb.optim.SGD(lr=1e30))
    assert read(tmp_path / "tb").Tensors("configuration")


def test_without_tensorboard_its_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ConfigError, match=r"pip install 'pullback\[tensorboard\]'"):
        fit_tiny(tensorboard=tmp_path / "tb")


def test_from_the_command_line_without_tensorflow(tmp_path):
    """The option, and that writing loads no TensorFlow, installed or not."""
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("raise SystemExit('loaded')")
    told = pullback(
        "train", "digits", "--epochs", 2, "--tensorboard", "tb", "--out", "run", cwd=tmp_path
    )
    assert told.returncode == 0, told.stderr
    assert [step for step, _ in scalars(tmp_path / "tb", "val_loss")] == [1, 2]
