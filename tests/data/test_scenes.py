"""Scenes: functions of the seed and the number, with boxes and masks that fit what is drawn."""

import numpy as np
import pytest

import pullback as pb
from pullback.data.boxes import areas, intersections
from pullback.data.scenes import FEWEST, INK, MOST, OVERLAP, SIZE, make_scenes


@pytest.fixture(scope="module")
def pictures():
    """Grey pictures of 28 x 28: the bundled digits, enlarged."""
    data = pb.data.load("digits")
    images = (np.clip(data.train.x, 0, 16) * 15).astype(np.uint8)
    wide = np.zeros((len(images), 28, 28), np.uint8)
    wide[:, 2:26, 2:26] = images.reshape(-1, 8, 8).repeat(3, axis=1).repeat(3, axis=2)
    return pb.data.from_arrays(wide, data.train.y, name="wide digits")


@pytest.fixture(scope="module")
def scenes(pictures):
    return make_scenes(pictures, 40, seed=3)


def test_shapes_and_counts(scenes):
    assert len(scenes) == 40
    assert scenes.images.shape == scenes.masks.shape == (40, SIZE, SIZE)
    assert scenes.images.dtype == scenes.masks.dtype == np.uint8
    count = (scenes.labels >= 0).sum(axis=1)
    assert count.min() >= FEWEST
    assert count.max() <= MOST
    np.testing.assert_array_equal(scenes.labels >= 0, scenes.boxes.any(axis=2))
    np.testing.assert_array_equal(scenes.labels >= 0, scenes.sources >= 0)


def test_a_scene_is_a_function_of_seed_and_number(pictures, scenes):
    again, fewer, other = (make_scenes(pictures, n, s) for n, s in ((40, 3), (7, 3), (40, 4)))
    for name in ("images", "boxes", "labels", "masks", "sources"):
        np.testing.assert_array_equal(getattr(again, name), getattr(scenes, name))
        np.testing.assert_array_equal(getattr(fewer, name), getattr(scenes, name)[:7])
    assert not np.array_equal(other.images, scenes.images)


def test_labels_are_those_of_the_sources(pictures, scenes):
    there = scenes.labels >= 0
    np.testing.assert_array_equal(pictures.y[scenes.sources[there]], scenes.labels[there])


def test_boxes_hardly_overlap_and_lie_inside(scenes):
    for boxes, labels in zip(scenes.boxes, scenes.labels, strict=True):
        found = boxes[labels >= 0]
        assert found.min() >= 0
        assert found.max() <= SIZE
        assert (areas(found) > 0).all()
        for i in range(len(found)):
            shared = intersections(found[i], found[:i])
            assert (shared <= OVERLAP * np.minimum(areas(found[i]), areas(found[:i]))).all()


def test_masks_are_ink_of_the_digits_in_whose_boxes_they_lie(scenes):
    np.testing.assert_array_equal(scenes.masks > 0, scenes.images >= INK)
    for mask, boxes, labels in zip(scenes.masks, scenes.boxes, scenes.labels, strict=True):
        row, column = np.nonzero(mask)
        inside = (
            (column[:, None] >= boxes[:, 0]) & (column[:, None] < boxes[:, 2])
            & (row[:, None] >= boxes[:, 1]) & (row[:, None] < boxes[:, 3])
            & (labels == mask[row, column].astype(int)[:, None] - 1)
        )  # fmt: skip
        assert inside.any(axis=1).all()


def test_boxes_are_tight(scenes):
    """At each edge of a box that no other box touches, there is ink in the last row or column."""
    for mask, boxes, labels in zip(scenes.masks, scenes.boxes, scenes.labels, strict=True):
        for i in np.flatnonzero(labels >= 0):
            if intersections(boxes[i], np.delete(boxes, i, axis=0)).any():
                continue
            left, top, right, bottom = boxes[i].astype(int)
            own = mask[top:bottom, left:right] == labels[i] + 1
            assert own[0].any()
            assert own[-1].any()
            assert own[:, 0].any()
            assert own[:, -1].any()


def test_scenes_of_the_test_part_show_none_of_the_training_pictures(data_dir):
    data = pb.data.load("mnist", data_dir=data_dir)
    train, test = make_scenes(data.train, 20), make_scenes(data.test, 20)
    assert train.sources.max() >= len(data.test)  # drawn from the larger part
    assert test.sources.max() < len(data.test)
    seen = {data.train.x[row].tobytes() for row in train.sources[train.sources >= 0]}
    shown = {data.test.x[row].tobytes() for row in test.sources[test.sources >= 0]}
    assert not seen & shown
    assert not np.array_equal(train.images, test.images)
