"""Identity: groups, figures and files; classes that are held back are nowhere in training."""

import json

import numpy as np
import pytest
from PIL import Image

import pullback as pb
from pullback.recipes.identity import (
    area_under_roc,
    by_class,
    composed,
    embed,
    identity,
    joined,
    make_groups,
    one_shot,
    sheared,
    turned,
    unit,
)


@pytest.fixture(scope="module")
def digits():
    found = pb.data.load("digits").train
    return pb.data.from_arrays(found.x.reshape(-1, 8, 8), found.y, classes=found.classes)


@pytest.fixture(scope="module")
def result(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("identity") / "run"
    data = pb.data.Data(digits[:1200], digits[1200:], name="digits")
    return identity(data, folder, epochs=2, groups=20, width=4, seed=1)


def test_from_pictures_to_files(result):
    folder = result.run.path
    files = {path.name for path in folder.iterdir()}
    assert {"model.safetensors", "history.jsonl", "figures.json", "predictions.png"} <= files
    assert json.loads((folder / "figures.json").read_text()) == result.figures
    for name in ("auc", "one_shot", "plain_auc", "plain_one_shot"):
        assert 0 <= result.figures[name] <= 1


def test_one_part_is_enough_and_a_run_can_be_repeated(digits, tmp_path):
    data = pb.data.Data(digits[:600])
    settings = {"epochs": 1, "groups": 8, "width": 4, "held": 2}
    one, two = (identity(data, tmp_path / name, **settings) for name in ("a", "b"))
    assert one.figures == two.figures
    np.testing.assert_array_equal(one.run.model.theta.flat, two.run.model.theta.flat)


def test_pictures_of_a_folder(digits, tmp_path):
    for label in range(6):
        (tmp_path / "people" / f"person {label}").mkdir(parents=True)
        for i, x in enumerate(digits.x[digits.y == label][:6]):
            picture = Image.fromarray((15 * x).astype(np.uint8)).resize((16, 16))
            picture.save(tmp_path / "people" / f"person {label}" / f"{i}.png")
    people = pb.data.from_folder(tmp_path / "people", size=16, channels=3)
    found = identity(people, tmp_path / "run", epochs=1, groups=4, width=4, synthetic=False)
    assert 0 <= found.figures["auc"] <= 1


def test_classes_held_back_are_nowhere_in_training(digits):
    x = np.where((digits.y >= 7)[:, None, None], 99, digits.x)
    known, held = by_class(pb.data.from_arrays(x, digits.y, classes=digits.classes), 3)
    assert set(known.y) == set(range(7))
    assert set(held.y) == {7, 8, 9}
    assert held.x.min() == 99
    for synthetic in (True, False):
        assert make_groups(known, 30, 0, synthetic).x.max() == 16


@pytest.mark.parametrize("held", [0, 1, 9])
def test_both_sides_need_classes(digits, held):
    with pytest.raises(pb.errors.ConfigError, match="at least two classes on both sides"):
        by_class(digits, held)


def test_groups_are_functions_of_seed_and_number(digits):
    few, many = make_groups(digits, 3, 5, True), make_groups(digits, 6, 5, True)
    np.testing.assert_array_equal(few.x, many.x[:3])
    np.testing.assert_array_equal(few.y, many.y[:3])
    assert not np.array_equal(make_groups(digits, 3, 6, True).x, few.x)
    assert few.x.shape == (3, 14, 8, 8)
    for labels in many.y:
        assert (np.unique(labels, return_counts=True)[1] == 2).all()


def test_without_synthetic_classes_groups_hold_the_pictures_as_they_are(digits):
    groups = make_groups(digits, 4, 0, synthetic=False)
    label = {x.tobytes(): int(y) for x, y in zip(digits.x, digits.y, strict=True)}
    for pictures, numbers in zip(groups.x, groups.y, strict=True):
        own = np.array([label[x.tobytes()] for x in pictures])
        np.testing.assert_array_equal(
            own[:, None] == own, numbers[:, None] == numbers, "classes of a group are known ones"
        )


@pytest.fixture
def plain():
    """Eight classes of two pictures, each filled with a number of its class."""
    return [np.full((2, 8, 8), 10.0 * (c + 1)) for c in range(8)]


def test_composed_classes_have_two_halves_and_differ(plain):
    for seed in range(5):
        pictures = composed(plain, 7, np.random.default_rng(seed)).reshape(7, 2, 8, 8).round(6)
        # shearing fills the corners from outside; in the middle the halves are as they were
        middle = pictures[:, :, 3:5, 3:5]
        np.testing.assert_array_equal(middle[:, 0], middle[:, 1])
        halves = [set(np.unique(m)) for m in middle[:, 0]]
        assert all(own <= set(range(10, 90, 10)) for own in halves)
        assert {1, 2} >= {len(own) for own in halves} >= {2}


def test_turned_classes_of_a_group_are_known_ones(plain):
    data = pb.data.from_arrays(np.concatenate(plain), np.repeat(np.arange(8), 2))
    groups = make_groups(data, 2, 0, synthetic=True)
    middle = groups.x[0, :, 3:5, 3:5].round(6)
    shown = [np.unique(middle[groups.y[0] == k]) for k in range(7)]
    assert all(len(values) == 1 for values in shown)
    assert len(np.unique(shown)) == 7


def test_shearing_by_hand():
    picture = np.zeros((1, 3, 3))
    picture[:, :, 1] = 4.0
    np.testing.assert_array_equal(sheared(picture, np.zeros(1)), picture)
    np.testing.assert_array_equal(
        sheared(picture, np.array([0.5]))[0], [[0, 2, 2], [0, 4, 0], [2, 2, 0]]
    )
    np.testing.assert_array_equal(
        sheared(picture, np.array([-9.0]))[0], [[0, 0, 0], [0, 4, 0], [0, 0, 0]]
    )
    whole = (63 * picture).astype(np.uint8)
    found = sheared(np.stack([whole, whole], axis=-1), np.array([0.25]))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[0, :, :, 0], [[0, 189, 63], [0, 252, 0], [63, 189, 0]])
    np.testing.assert_array_equal(found[..., 0], found[..., 1])


def test_there_are_eight_ways_to_turn():
    picture = np.arange(9).reshape(1, 3, 3)
    ways = [turned(picture, way) for way in range(8)]
    assert len({way.tobytes() for way in ways}) == 8
    np.testing.assert_array_equal(ways[0], picture)
    assert all(sorted(way.reshape(-1)) == list(range(9)) for way in ways)


def test_vectors_are_those_of_the_network(result, digits):
    model = result.run.model
    group = digits.x[:14]
    np.testing.assert_allclose(unit(embed(model, group)), model.outputs(group[None])[0], atol=1e-6)
    many = digits.x[:150]
    np.testing.assert_allclose(embed(model, many)[100:], embed(model, many[100:]), atol=1e-5)


def test_joined_vectors_have_the_mean_cosine():
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(5, 3)) * size for size in (1.0, 9.0)]
    cosines = [unit(part) @ unit(part).T for part in parts]
    together = joined(parts)
    np.testing.assert_allclose(together @ together.T, np.mean(cosines, axis=0), atol=1e-12)


def test_area_under_roc_by_hand():
    scores, same = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False])
    assert area_under_roc(scores, same) == 3 / 4
    assert area_under_roc(-scores, same) == 1 / 4
    assert area_under_roc(np.zeros(4), same) == 1 / 2


def test_area_under_roc_against_all_pairs_and_scikit_learn():
    rng = np.random.default_rng(0)
    scores, same = rng.integers(0, 30, 200) / 7, rng.uniform(size=200) < 0.3
    over = scores[same][:, None] - scores[~same]
    every = (over > 0).mean() + (over == 0).mean() / 2
    assert area_under_roc(scores, same) == pytest.approx(every, abs=1e-14)
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    assert area_under_roc(scores, same) == pytest.approx(metrics.roc_auc_score(same, scores))


def test_one_shot():
    labels = np.arange(60) % 3
    assert one_shot(np.eye(3)[labels], labels, 0) == 1.0
    noise = unit(np.random.default_rng(0).normal(size=(60, 8)))
    assert one_shot(noise, labels, 0) == pytest.approx(1 / 3, abs=0.06)
