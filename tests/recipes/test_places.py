"""Detection and segmentation from pictures to files, in seconds, and their steps one by one."""

import json
import signal
from importlib import import_module

import numpy as np
import pytest

import pullback as pb
from pullback.data.boxes import Boxes
from pullback.data.scenes import make_scenes
from pullback.models import center_detector, unet
from pullback.recipes.detection import (
    CELL,
    GRID,
    boxes_of,
    detection,
    find_boxes,
    mistakes,
    targets_of,
)
from pullback.recipes.detection import measure as measure_boxes
from pullback.recipes.segmentation import measure as measure_masks
from pullback.recipes.segmentation import segmentation


@pytest.fixture(scope="module")
def data():
    """The bundled digits, enlarged to 24 x 24."""
    found = pb.data.load("digits")
    parts = []
    for part in (found.train, found.test):
        images = (np.clip(part.x, 0, 16) * 15).astype(np.uint8).reshape(-1, 8, 8)
        wide = images.repeat(3, axis=1).repeat(3, axis=2)
        parts.append(pb.data.from_arrays(wide, part.y, name=f"digits {len(parts)}"))
    return pb.data.Data(*parts, name="digits")


@pytest.mark.parametrize("recipe", [detection, segmentation])
def test_from_pictures_to_files(recipe, data, tmp_path):
    result = recipe(data, tmp_path / "a", epochs=2, scenes=(12, 8), width=4, seed=1)
    files = {path.name for path in (tmp_path / "a").iterdir()}
    assert {"model.safetensors", "history.jsonl", "figures.json", "predictions.png"} <= files
    assert json.loads((tmp_path / "a" / "figures.json").read_text()) == result.figures
    assert result.figures["seed"] == 1
    assert len(result.run.history) == 2
    again = recipe(data, tmp_path / "b", epochs=2, scenes=(12, 8), width=4, seed=1)
    assert again.figures == result.figures
    np.testing.assert_array_equal(again.run.model.theta.flat, result.run.model.theta.flat)
    model = pb.load_model(tmp_path / "a" / "model.safetensors")
    np.testing.assert_array_equal(model.theta.flat, result.run.model.theta.flat)


@pytest.mark.parametrize("recipe", [detection, segmentation])
def test_an_interrupted_recipe_measures_nothing(recipe, data, tmp_path):
    def interrupt(event):
        if isinstance(event, pb.events.EpochEnded):
            signal.raise_signal(signal.SIGINT)

    result = recipe(data, tmp_path, epochs=2, scenes=(4, 2), width=4, callbacks=[interrupt])
    assert result.run.stopped == "interrupted"
    assert result.figures == {}


class Perfect:
    """A model whose outputs are the targets, as logits and sizes before the softplus."""

    def __init__(self, scenes):
        t = targets_of(scenes).astype(np.float64)
        self.y = np.concatenate(
            [t[..., :2], np.log(np.expm1(np.maximum(t[..., 2:4], 1e-3))), 20 * t[..., 4:] - 10], -1
        )
        self.loss = pb.losses.WeightedSum(
            (pb.losses.GIoU(), pb.losses.Focal()), (1.0, 1.0), (4, 10)
        )


def test_targets_and_boxes_are_each_others_inverse(data, monkeypatch):
    scenes = make_scenes(data.test, 10)
    perfect = Perfect(scenes)
    monkeypatch.setattr("pullback.recipes.detection.outputs_of", lambda model, images: model.y)
    found, true = find_boxes(perfect, scenes.images), boxes_of(scenes)
    by_place = [np.lexsort([*b.corners.round().T, b.image]) for b in (found, true)]
    np.testing.assert_allclose(found.corners[by_place[0]], true.corners[by_place[1]], atol=1e-4)
    np.testing.assert_array_equal(found.label[by_place[0]], true.label[by_place[1]])
    figures = measure_boxes(found, true)
    assert figures["map_50"] == figures["precision"] == figures["recall"] == 1.0
    assert figures["overlap"] == pytest.approx(1.0, abs=1e-4)
    assert not mistakes(found, true, 10).any()


def test_the_cell_of_the_centre_has_the_target(data):
    scenes = make_scenes(data.test, 5)
    targets = targets_of(scenes)
    assert targets.shape == (5, GRID, GRID, 14)
    index, row, column = np.nonzero(targets[..., 4:].any(axis=-1))
    centre = (np.stack([column, row], 1) + 0.5 + targets[index, row, column, :2]) * CELL
    true = (scenes.boxes[..., :2] + scenes.boxes[..., 2:]) / 2
    for i, at in zip(index, centre, strict=True):
        assert np.abs(true[i] - at).sum(axis=1).min() < 1e-4


def test_mistakes_are_wrong_and_missing_boxes():
    true = Boxes(np.array([0, 1]), np.array([[0, 0, 9, 9]] * 2), np.array([3, 4]), np.ones(2))
    found = Boxes(np.array([0, 2]), np.array([[0, 0, 9, 8]] * 2), np.array([3, 4]), np.ones(2))
    np.testing.assert_array_equal(mistakes(found, true, 3), [0, 1, 1])


def test_segmentation_figures_by_hand():
    masks = np.array([[[0, 1], [1, 2]]], np.uint8)
    figures = measure_masks(np.array([[[0, 1], [2, 2]]]), masks)
    assert figures["mean_iou"] == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    assert figures["pixel_accuracy"] == 3 / 4
    assert figures["ink_accuracy"] == pytest.approx(2 / 3)


def test_networks_of_places():
    assert unet(11).spec(pb.Spec((80, 80))).shape == (80, 80, 11)
    assert unet(3, 4, depth=1).spec(pb.Spec((6, 8, 2))).shape == (6, 8, 3)
    assert center_detector(10).spec(pb.Spec((80, 80))).shape == (20, 20, 14)
    for wrong in ({"outputs": 0}, {"outputs": 2, "depth": 0}):
        with pytest.raises(pb.errors.ConfigError, match="at least 1"):
            unet(**wrong)
    with pytest.raises(pb.errors.ConfigError, match="at least 1"):
        center_detector(10, width=0)


def test_the_command_prints_the_figures(data, tmp_path, monkeypatch, capsys):
    from pullback.cli.main import main

    import_module("pullback.cli.train")  # else it would import, and keep, what is put in place here
    small = {"scenes": (4, 2), "width": 4}
    monkeypatch.setattr("pullback.data.load", lambda name, data_dir=None: data)
    monkeypatch.setattr(
        "pullback.recipes.detection.detection",
        lambda data, out, **options: detection(data, out, **small, **options),
    )
    with pytest.raises(SystemExit) as ended:
        main(["train", "detection", "--epochs", "1", "--out", str(tmp_path / "run")])
    assert not ended.value.code
    assert "test map_50 " in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["train", "detection", "--lr", "0.1"])
    assert ended.value.code == 2
    assert "--lr does not go with 'train detection'" in capsys.readouterr().err
