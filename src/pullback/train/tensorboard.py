"""Event files for TensorBoard: the figures of each epoch, the settings, the curves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pullback.core.config import TYPE, to_config
from pullback.core.errors import ConfigError
from pullback.plots import picture
from pullback.train.events import EpochEnded, Event, Sampled, Started, Stopped
from pullback.train.history import History
from pullback.train.settings import Settings
from pullback.train.storage import make_folder

PATTERN = "events.out.tfevents.*"
VERSION = "brain.Event:2"
RGBA = 4
TEXT = {
    "missing": "TensorBoard is not installed; pip install 'pullback[tensorboard]', or leave out "
    "tensorboard={path}",
    "there": "{path}: there are TensorBoard events of another run here; choose another folder",
    "configuration": "configuration",
    "sample": "sample",
    "curves": "curves",
}


class TensorBoard:
    """A callback that writes what happens to event files in one folder.

    The scalars have the names that the history has, and the step is the epoch. Each session writes
    a file of its own; that of a run which goes on says from which epoch it counts, so that readers
    forget what an earlier one wrote of later epochs. After every epoch the file is readable.

    Args:
        path: the folder.
        settings: of the run.
        config: the text of its ``config.toml``.
        history: what there is of a run that goes on; None for a new run.

    Raises:
        ConfigError: TensorBoard is not installed, or events of another run are in the folder.
    """

    def __init__(
        self, path: str | Path, settings: Settings, config: str, history: History | None = None
    ) -> None:
        self.path, self.settings, self.config = Path(path), settings, config
        self.history = History() if history is None else History(history.records)
        self._file = self.path  # named when the run begins
        try:
            import tensorboard  # noqa: F401
        except ImportError:
            raise ConfigError(TEXT["missing"].format(path=path)) from None
        if history is None and self._files():
            raise ConfigError(TEXT["there"].format(path=path))

    def __call__(self, event: Event) -> None:
        """Write what an event says."""
        if isinstance(event, Started):
            self._begin(event.epoch)
        elif isinstance(event, EpochEnded):
            self.history.append(dict(event.figures))
            self._scalars(event.epoch, self.history.records[-1])
        elif isinstance(event, Sampled):
            self._summary(event.epoch, _text(TEXT["sample"], event.text))
        elif isinstance(event, Stopped):
            self._end(event)

    def _files(self) -> int:
        return len(list(self.path.glob(PATTERN)))

    def _begin(self, epoch: int) -> None:
        from tensorboard.compat.proto.event_pb2 import SessionLog

        make_folder(self.path)
        earlier = self._files()
        # readers take the files in the order of their names
        name = PATTERN.replace("*", f"{int(time.time()):010d}.{earlier:04d}.pullback")
        self._file = self.path / name
        self._write(file_version=VERSION)
        if earlier:
            self._write(step=epoch + 1, session_log=SessionLog(status=SessionLog.START))
            return
        self._summary(0, _text(TEXT["configuration"], self.config))
        self._summary(0, _session_started(hyperparameters(self.settings)))
        for record in self.history.records:
            self._scalars(record["epoch"], record)

    def _end(self, event: Stopped) -> None:
        if len(self.history):
            drawn = picture(self.history.draw()[0])
            self._summary(event.epoch, _image(TEXT["curves"], drawn))
        if event.reason != "interrupted":
            self._summary(event.epoch, _session_ended())

    def _scalars(self, epoch: int, record: dict[str, Any]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [
            Summary.Value(tag=name, simple_value=value)
            for name, value in record.items()
            if isinstance(value, int | float) and name != "epoch"
        ]
        self._summary(epoch, *values)

    def _summary(self, step: int, *values: Any) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write(step=step, summary=Summary(value=values))

    def _write(self, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event as Record
        from tensorboard.summary.writer.record_writer import RecordWriter

        record = Record(wall_time=time.time(), **content)
        # opened for each record: whatever ends the run, nothing is left open or half written
        with self._file.open("ab") as file:
            RecordWriter(file).write(record.SerializeToString())


def hyperparameters(settings: Settings) -> dict[str, bool | int | float | str]:
    """Return the settings as one level of plain values: ``optimizer``, ``optimizer.lr``, ...

    What is None is left out, and the network is the text of its description.
    """
    config = to_config(settings)
    others = {key: value for key, value in config.items() if key not in (TYPE, "net")}
    return {"net": str(settings.net), **dict(_flat(others))}


def _flat(config: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        name = prefix + key
        if isinstance(value, dict):
            yield name, value[TYPE]
            yield from _flat({k: v for k, v in value.items() if k != TYPE}, name + ".")
        elif isinstance(value, list):
            yield from _flat({str(place): item for place, item in enumerate(value)}, name + ".")
        elif value is not None:
            yield name, value


def _text(tag: str, text: str) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.text.metadata import create_summary_metadata
    from tensorboard.util.tensor_util import make_tensor_proto

    # indented, for the text is Markdown, in which that means: as it is
    body = "\n".join(f"    {line}" for line in text.splitlines())
    metadata = create_summary_metadata(display_name=tag, description="")
    return Summary.Value(tag=tag, metadata=metadata, tensor=make_tensor_proto(body.encode()))


def _image(tag: str, png: bytes) -> Any:
    from struct import unpack

    from tensorboard.compat.proto.summary_pb2 import Summary

    width, height = unpack(">II", png[16:24])  # of the file's first chunk
    content = Summary.Image(width=width, height=height, colorspace=RGBA, encoded_image_string=png)
    return Summary.Value(tag=tag, image=content)


def _session_started(values: dict[str, Any]) -> Any:
    from google.protobuf.struct_pb2 import Value
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    info = plugin_data_pb2.SessionStartInfo(start_time_secs=time.time())
    for name, value in values.items():
        if isinstance(value, bool):
            kind = Value(bool_value=value)
        elif isinstance(value, str):
            kind = Value(string_value=value)
        else:
            kind = Value(number_value=value)
        info.hparams[name].CopyFrom(kind)
    data = plugin_data_pb2.HParamsPluginData(session_start_info=info)
    return _hparams(metadata.SESSION_START_INFO_TAG, data)


def _session_ended() -> Any:
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    info = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=time.time())
    data = plugin_data_pb2.HParamsPluginData(session_end_info=info)
    return _hparams(metadata.SESSION_END_INFO_TAG, data)


def _hparams(tag: str, data: Any) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata

    about = metadata.create_summary_metadata(data)
    return Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)
