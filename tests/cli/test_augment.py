"""``--augment``, ``--shift`` and ``--mixup``: from words to the maps of a run."""

from __future__ import annotations

import pytest
from runs import pullback

import pullback as pb
from pullback.cli.augment import build_augment
from pullback.cli.recipe import merge, settings_of
from pullback.core.config import to_config
from pullback.core.errors import ConfigError

SAID = {
    "": None,
    "shift:2": pb.RandomShift(2),
    "rotate:10": pb.RandomAffine(10.0),
    "scale:0.1": pb.RandomAffine(0.0, 0.1),
    "flip": pb.RandomFlip(0.5),
    "flip:0.2": pb.RandomFlip(0.2),
    "erase": pb.RandomErasing(0.5),
    "shift:2,rotate:10,scale:0.1,flip,erase:0.25": pb.Chain(
        pb.RandomShift(2),
        pb.RandomAffine(10.0, 0.1),
        pb.RandomFlip(0.5),
        pb.RandomErasing(0.25),
    ),
    " scale:0.2, flip, rotate:5 ": pb.Chain(pb.RandomAffine(5.0, 0.2), pb.RandomFlip(0.5)),
}


@pytest.mark.parametrize(("said", "right"), SAID.items(), ids=SAID)
def test_what_a_list_means(said, right):
    assert build_augment({"augment": said}) == right


def test_shift_comes_first_unless_the_list_has_its_own():
    first = pb.Chain(pb.RandomShift(1), pb.RandomFlip(0.5))
    assert build_augment({"augment": "flip", "shift": 1}) == first
    assert build_augment({"augment": "flip,shift:2", "shift": 1}) == pb.Chain(
        pb.RandomFlip(0.5), pb.RandomShift(2)
    )
    assert build_augment({"augment": "", "shift": 3}) == pb.RandomShift(3)
    assert build_augment({"augment": "flip", "shift": 0}) == pb.RandomFlip(0.5)


def test_a_description_in_full_is_taken_as_it_is():
    cutout = pb.RandomErasing(1.0, area=(0.1, 0.1), ratio=1.0, fill="mean")
    assert build_augment({"augment": to_config(cutout), "shift": 1}) == cutout
    with pytest.raises(ConfigError, match="'SGD' is not a map"):
        build_augment({"augment": to_config(pb.optim.SGD(0.1))})


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ("rotat:10", "unknown 'rotat'; expected a list such as .* Did you mean 'rotate'"),
        ("rotate", "'rotate' needs a number"),
        ("shift:one", "'shift:one' needs a number"),
        ("shift:1.5", "'shift:1.5' needs a number"),
        ("flip,flip:0.1", "has flip twice"),
        ("flip:2", "horizontal=2.0"),
        ("rotate:0", "degrees, scale or both"),
    ],
)
def test_what_cannot_be_meant(said, complaint):
    with pytest.raises(ConfigError, match=complaint):
        build_augment({"augment": said})


def test_the_recipes_shift_stays_and_mixup_is_a_setting():
    data = pb.data.load("digits")
    settings = settings_of("digits", data, {}, {"augment": "rotate:10", "mixup": 0.2})
    assert settings.augment == pb.Chain(pb.RandomShift(1), pb.RandomAffine(10.0))
    assert settings.mixup == 0.2
    assert merge("digits", {}, {})["mixup"] == 0


def test_a_runs_own_configuration_is_changed_by_flags():
    data = pb.data.load("digits")
    before = settings_of("digits", data, {}, {"augment": "flip"})
    file = {"settings": to_config(before)}
    assert settings_of("digits", data, file, {}).augment == before.augment
    changed = settings_of("digits", data, file, {"augment": "erase", "mixup": 0.1})
    assert changed.augment == pb.RandomErasing(0.5)
    assert changed.mixup == 0.1
    assert settings_of("digits", data, file, {"augment": ""}).augment is None


def test_at_the_command_line(tmp_path):
    (tmp_path / "my.toml").write_text(
        'data = "digits"\nepochs = 1\naugment = { type = "RandomAffine", degrees = 10.0 }\n'
    )
    done = pullback("train", "--config", "my.toml", "--mixup", 0.2, "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    config = (tmp_path / "run" / "config.toml").read_text()
    assert "mixup = 0.2" in config
    assert 'type = "RandomAffine"' in config
    walked = pullback("step", "run", cwd=tmp_path)
    assert "the example is taken as it is: without the run's RandomAffine, mixup" in walked.stdout
    refused = pullback("train", "digits", "--augment", "turn:10", cwd=tmp_path)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "unknown 'turn'" in refused.stderr
