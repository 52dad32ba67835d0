"""What a model says of every example, and the pictures of it."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

import pullback as pb
from pullback.core.spec import Spec
from pullback.data.dataset import Dataset
from pullback.data.images import load_image
from pullback.data.normalize import Affine
from pullback.train.model import Model
from pullback.train.verdicts import SHOWN, Verdicts, judge

CLASSES = ("cat", "dog, large", "$cow$")


def dataset(n: int = 60, shape: tuple[int, ...] = (6, 5)) -> Dataset:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (n, *shape), np.uint8)
    return Dataset(x, np.arange(n) % 3, None, CLASSES)


@pytest.fixture
def verdicts() -> Verdicts:
    data = dataset()
    given = data.y.copy()
    given[[3, 4, 8]] = [1, 2, 0]
    share = np.full(60, 0.9)
    share[[3, 4, 8]] = [0.5, 0.99, 0.7]
    return Verdicts(data, given, share)


def test_confusions_are_counted(verdicts):
    np.testing.assert_array_equal(verdicts.confusion, [[19, 1, 0], [0, 19, 1], [1, 0, 19]])
    head, *rows = csv.reader(io.StringIO(verdicts.confusion_csv()))
    assert head[1:] == [row[0] for row in rows] == list(CLASSES)
    np.testing.assert_array_equal(np.array([r[1:] for r in rows], int), verdicts.confusion)


def test_the_wrong_ones_are_in_order_of_sureness(verdicts):
    np.testing.assert_array_equal(verdicts.wrong(), [4, 8, 3])
    np.testing.assert_array_equal(verdicts.wrong(2), [4, 8])


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3)], ids=str)
@pytest.mark.parametrize("wrong", [0, 1, 7, 60])
def test_they_are_drawn(tmp_path, shape, wrong):
    data = dataset(60, shape)
    given = np.where(np.arange(60) < wrong, (data.y + 1) % 3, data.y)
    verdicts = Verdicts(data, given, np.linspace(0.4, 1, 60))
    assert verdicts.of_pictures
    for draw, path in (
        (verdicts.draw_wrong, tmp_path / "wrong.png"),
        (verdicts.draw_confusion, tmp_path / "confusion.png"),
    ):
        draw(path)
        assert load_image(path).std() > 5
    assert len(verdicts.wrong()) == min(wrong, SHOWN)


def test_many_classes_and_letters_that_the_font_lacks(tmp_path):
    names = tuple(f"类 {i}" for i in range(70))
    y = np.arange(140) % 70
    for count in (5, 70):
        data = Dataset(np.zeros((140, 2), np.uint8), y % count, None, names[:count])
        verdicts = Verdicts(data, y % count, np.ones(140))
        assert not verdicts.of_pictures
        verdicts.draw_confusion(tmp_path / "confusion.png")
        assert (tmp_path / "confusion.png").stat().st_size > 0


@pytest.mark.parametrize("count", [1, 2000])
def test_a_model_is_judged_in_batches(count):
    net = pb.Chain(pb.Flatten(), pb.Linear(3))
    theta, state = pb.init(net, np.zeros((1, 6, 5), np.float32), seed=1)
    model = Model(net, theta, state, pb.losses.CrossEntropy(), Spec((6, 5), "uint8"),
                  Affine(1 / 255), CLASSES)  # fmt: skip
    data = dataset(count)
    found, shares = judge(model, data), model.predict_proba(data.x)
    np.testing.assert_array_equal(found.given, shares.argmax(axis=1))
    np.testing.assert_allclose(found.share, shares.max(axis=1), rtol=1e-6)


def test_one_output_for_two_classes():
    net = pb.Chain(pb.Flatten(), pb.Linear(1))
    theta, state = pb.init(net, np.zeros((1, 6, 5), np.float32), seed=1)
    model = Model(net, theta, state, pb.losses.BinaryCrossEntropy(), Spec((6, 5), "uint8"),
                  Affine(1 / 255), ("no", "yes"))  # fmt: skip
    data = Dataset(dataset(30).x, np.arange(30) % 2, None, ("no", "yes"))
    theta["1"]["b"] -= np.median(model.outputs(data.x))  # so that each is seen in half of them
    found, share = judge(model, data), model.predict_proba(data.x).reshape(-1)
    assert 10 < (share > 0.5).sum() < 20
    np.testing.assert_array_equal(found.given, share > 0.5)
    np.testing.assert_allclose(found.share, np.where(share > 0.5, share, 1 - share), rtol=1e-6)
    assert found.confusion.shape == (2, 2)
