"""A folder that is read while training: the same bits, little memory, and little waiting."""

from __future__ import annotations

import os
import signal
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from runs import theta_of, tiny_net

import pullback as pb
from pullback.core.errors import DataError, ModelFileError
from pullback.data.batches import Batches, StreamedBatches
from pullback.data.dataset import Dataset
from pullback.data.files import AHEAD, PIECE, Ahead, Pictures, reading_threads
from pullback.data.images import PictureFormat
from pullback.data.normalize import Affine, fit_normalizer
from pullback.data.rows import sample, spread
from pullback.engine import lower_batches
from pullback.train.events import Progress

DIGITS = pb.data.load("digits").train


def write(root: Path, count: int) -> None:
    for row in range(count):
        path = root / str(DIGITS.y[row % 1438]) / f"{row:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(DIGITS.x[row % 1438] * 15).save(path, compress_level=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("streaming") / "digits"
    write(path, 600)
    return path


@pytest.fixture(params=["read once", "streamed"])
def data(request, folder) -> pb.data.Data:
    return pb.data.from_folder(folder, stream=request.param == "streamed")


def streamed(folder: Path) -> pb.data.Data:
    return pb.data.from_folder(folder, stream=True)


def fit(data: pb.data.Data, out: Path | None = None, **changes) -> pb.Run:
    settings = {
        "net": tiny_net(), "loss": pb.losses.CrossEntropy(), "optimizer": pb.optim.Adam(0.01),
        "epochs": 3, "batch_size": 64, "validation": 0.2, "seed": 3, "out": out,
        "normalize": "scale",
    } | changes  # fmt: skip
    return pb.fit(settings.pop("net"), data, **settings)


@pytest.mark.parametrize("holdout", ["random", "stratified", "last"])
@pytest.mark.parametrize("augment", [None, pb.RandomShift(1)], ids=["", "shifted"])
def test_the_run_is_that_over_an_array(folder, holdout, augment):
    changes = {"holdout": holdout, "augment": augment, "epochs": 2}
    here = fit(pb.data.from_folder(folder, stream=False), **changes)
    there = fit(streamed(folder), **changes)
    np.testing.assert_array_equal(here.model.theta.flat, there.model.theta.flat)
    for name in ("loss", "val_loss", "val_accuracy"):
        assert here.history[name] == there.history[name]


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_streamed_run_that_is_interrupted_goes_on_bit_for_bit(
    tmp_path, folder, epoch, monkeypatch
):
    monkeypatch.setattr("pullback.train.loop.PROGRESS_SECONDS", 0.0)
    sent = []

    def interrupt(event):
        if isinstance(event, Progress) and event.epoch == epoch and event.step == 3 and not sent:
            sent.append(event)
            os.kill(os.getpid(), signal.SIGINT)

    take, at_once = Pictures.take, []

    def counted(self, index, out):
        at_once.append(len(index))
        take(self, index, out)

    monkeypatch.setattr(Pictures, "take", counted)
    whole = fit(streamed(folder), tmp_path / "whole")
    stopped = fit(streamed(folder), tmp_path / "cut", callbacks=[interrupt])
    assert stopped.stopped == "interrupted"
    resumed = pb.resume(tmp_path / "cut", streamed(folder))
    assert resumed.stopped == "epochs"
    np.testing.assert_array_equal(theta_of(tmp_path / "cut"), theta_of(tmp_path / "whole"))
    assert resumed.history["val_loss"] == whole.history["val_loss"]
    assert 64 not in at_once, "a batch was not read ahead"


def test_other_pictures_are_not_taken_for_the_same(tmp_path, folder):
    fit(streamed(folder), tmp_path / "run", max_steps=2)
    write(tmp_path / "other", 600)
    for path in (tmp_path / "other" / "4").iterdir():
        Image.fromarray(DIGITS.x[0] * 10).save(path)
    with pytest.raises(ModelFileError, match="training data is not what this run began with"):
        pb.resume(tmp_path / "run", streamed(tmp_path / "other"))


def test_a_model_evaluates_and_predicts(data):
    model = fit(data, epochs=8).model
    figures = model.evaluate(data.train)
    assert figures["accuracy"] > 0.9
    right = model.predict(data.train.x) == data.train.y
    assert right.mean() == pytest.approx(figures["accuracy"])


def test_a_file_that_goes_bad_stops_the_run_by_name(tmp_path):
    write(tmp_path / "pics", 200)
    data = streamed(tmp_path / "pics")
    path = sorted((tmp_path / "pics" / "7").iterdir())[3]
    path.write_bytes(path.read_bytes()[:-60])
    threads = threading.active_count()
    with pytest.raises(DataError, match=f"^{path}: the picture cannot be read"):
        fit(data, normalize="none")
    assert threading.active_count() == threads


# -- the array of files


def pictures(folder: Path) -> tuple[Pictures, np.ndarray]:
    data = streamed(folder)
    return data.train.x, pb.data.from_folder(folder, stream=False).train.x


def test_rows_and_parts_of_the_array(folder):
    files, array = pictures(folder)
    assert (files.shape, files.ndim, files.dtype, len(files)) == ((600, 8, 8), 3, np.uint8, 600)
    np.testing.assert_array_equal(files[7], array[7])
    np.testing.assert_array_equal(files[-1], array[-1])
    for rows in (slice(10, 300, 7), np.array([5, 5, 599, 0]), slice(None, None, -50), slice(0, 0)):
        assert isinstance(files[rows], Pictures)
        np.testing.assert_array_equal(np.asarray(files[rows]), array[rows])
        np.testing.assert_array_equal(np.asarray(files[rows][::-1]), array[rows][::-1])
    assert np.asarray(files[:3], np.float32).dtype == np.float32


def test_parts_of_a_data_set_read_nothing(folder, monkeypatch):
    data = streamed(folder)
    monkeypatch.setattr(PictureFormat, "read", lambda self, path: pytest.fail("it was read"))
    rest, held = pb.data.split(data.train, 0.25, seed=0, holdout="stratified")
    assert (len(rest), len(held)) == (450, 150)
    assert rest.x.shape == (450, 8, 8)


def test_what_stands_for_all_is_a_fixed_sample(folder, monkeypatch):
    files, array = pictures(folder)
    rows = np.arange(512) * 600 // 512
    np.testing.assert_array_equal(files.sample, array[rows])
    np.testing.assert_array_equal(sample(files), array[rows])
    kept, found = Dataset(files, np.zeros(600)), []
    read = PictureFormat.read
    monkeypatch.setattr(PictureFormat, "read", lambda *args: found.append(1) or read(*args))
    standard = fit_normalizer("standard", kept)
    assert StreamedBatches(kept, standard, 8, "float32").sparse is False
    assert StreamedBatches(kept, Affine(0.0), 8, "float32").sparse is True
    assert not found
    np.testing.assert_allclose(standard.scale, 1 / array[rows].std())
    np.testing.assert_allclose(standard.shift, -array[rows].mean() / array[rows].std())


def test_positions_are_spread():
    for count in (1, 5, 511, 512, 513, 10_000_000):
        rows = spread(count)
        assert len(rows) == len(set(rows)) == min(count, 512)
        assert rows.min() == 0
        assert rows.max() >= count - 1 - count // 512
    assert len(spread(1000, 3)) == 3
    assert len(spread(0)) == 0


# -- batches


def test_batches_of_pictures_are_those_of_an_array(folder):
    files, array = pictures(folder)
    y = np.arange(600)
    normalizer = Affine(0.5, -1)
    there = lower_batches(Dataset(files, y), normalizer, 32, "float32")
    here = Batches(Dataset(array, y), normalizer, 32, "float32")
    assert isinstance(there, StreamedBatches)
    rows = np.random.default_rng(0).permutation(600)
    turn = lambda raw: raw[:, ::-1]  # noqa: E731
    with there.ahead(rows):
        for start in range(0, 600, 32):
            index = rows[start : start + 32]
            vary = turn if start % 64 else None
            found = there.gather(index, vary)
            np.testing.assert_array_equal(found[0], here.gather(index, vary)[0])
            np.testing.assert_array_equal(found[1], index)
            again = index[::2]  # out of the order, as an audit asks for its rows once more
            np.testing.assert_array_equal(there.gather(again)[0], here.gather(again)[0])
    np.testing.assert_array_equal(there.gather(y[:9])[0], here.gather(y[:9])[0])


class Slow(PictureFormat):
    """Takes a while, and counts."""

    seconds, count = 0.0, 0

    def read(self, path):
        time.sleep(self.seconds)
        type(self).count += 1
        return super().read(path)


@pytest.fixture
def slow(folder) -> Pictures:
    Slow.count, Slow.seconds = 0, 0.0
    files, _ = pictures(folder)
    return Pictures(files.root, files.names, Slow(8, 8, 1), np.arange(600).repeat(20))


def test_no_more_is_read_ahead_than_so_many(slow):
    with Ahead(slow, np.arange(len(slow))) as ahead:
        out = np.empty((10, 8, 8), np.uint8)
        ahead.take(out)
        time.sleep(1.5)
        most = AHEAD + PIECE
        assert Slow.count <= most
        ahead.take(out)
        assert 10 < Slow.count <= most
    assert Slow.count < len(slow)


def test_what_is_not_needed_is_given_up(slow):
    Slow.seconds = 0.002
    threads = threading.active_count()
    with Ahead(slow, np.arange(len(slow))) as ahead:
        ahead.take(np.empty((1, 8, 8), np.uint8))
        assert threading.active_count() > threads
    assert Slow.count <= (2 * reading_threads() + 1) * PIECE
    assert threading.active_count() == threads


def test_the_step_does_not_wait_where_reading_is_faster(slow):
    y, rows = np.zeros(len(slow), np.int64), np.arange(1024)
    Slow.seconds = 0.0002
    batches = StreamedBatches(Dataset(slow, y), Affine(), 64, "float32")
    began = time.perf_counter()
    with batches.ahead(rows):
        for start in range(0, 1024, 64):
            batches.gather(rows[start : start + 64])
            time.sleep(0.1)  # a step: reading takes half of it
    assert batches.waited < 0.05 * (time.perf_counter() - began)


def test_waiting_is_counted(slow):
    y, rows = np.zeros(len(slow), np.int64), np.arange(128)
    Slow.seconds = 0.003
    batches = StreamedBatches(Dataset(slow, y), Affine(), 64, "float32")
    with batches.ahead(rows):
        batches.gather(rows[:64])
    assert batches.waited > 0.5 * 64 * 0.003 / reading_threads()


def test_memory_is_that_of_the_pictures_ahead_however_many_there_are(tmp_path, monkeypatch):
    """All of 3,000 pictures of 64 x 64 would take 12 MB, the 256 ahead take 1."""
    monkeypatch.setattr("pullback.data.files.AHEAD", 256)
    path = tmp_path / "a.png"
    Image.fromarray(np.kron(DIGITS.x[0] * 15, np.ones((8, 8))).astype(np.uint8)).save(path)
    image = PictureFormat(64, 64, 1)
    files = Pictures(tmp_path, ("a.png",), image, np.zeros(3000, np.int64))
    data = Dataset(files, np.zeros(3000, np.int64))
    batches = StreamedBatches(data, Affine(1 / 255), 32, "float32")
    rows, held = np.arange(3000), []
    tracemalloc.start()
    try:
        with batches.ahead(rows):
            for start in range(0, 3000, 32):
                batches.gather(rows[start : start + 32])
                held.append(tracemalloc.get_traced_memory()[0])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 << 20
    assert max(held[len(held) // 2 :]) < max(held[: len(held) // 2]) + (1 << 20)
