"""``pullback train`` as a user meets it: what it prints, what it writes, which option wins."""

from __future__ import annotations

import inspect
import json
import re
import sys
import tomllib

import pytest
from click.testing import CliRunner
from runs import pullback

import pullback as pb
from pullback.cli.main import cli
from pullback.cli.options import RECIPE_OPTIONS
from pullback.train.run_folder import RunFolder

SHORT = ("--epochs", 2, "--seed", 1)


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Train in this process; return the JSON records."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0):
        result = CliRunner().invoke(cli, ["train", *map(str, arguments), "--json"])
        assert result.exit_code == code, result.output + str(result.exception)
        return [json.loads(line) for line in result.stdout.splitlines()]

    return call


def settings_of(record):
    settings, source = RunFolder(record["run"]).read_config()
    return settings, source


def test_json_lines_have_the_agreed_names(train):
    *epochs, done = train("digits", *SHORT)
    assert [e["event"] for e in epochs] == ["epoch", "epoch"]
    assert [e["epoch"] for e in epochs] == [1, 2]
    for record in epochs:
        names = ("loss", "accuracy", "val_loss", "val_accuracy", "seconds")
        assert all(isinstance(record[name], float) for name in names)
    assert done["event"] == "done"
    assert {"test_loss", "test_accuracy", "seconds", "run"} <= done.keys()


def test_the_run_folder_holds_what_is_promised(train):
    *epochs, done = train("digits", *SHORT, "--out", "here/run")
    folder = RunFolder("here/run").path
    assert done["run"] == "here/run"
    assert sorted(p.name for p in folder.iterdir()) == [
        "checkpoint.safetensors", "config.toml", "curves.png", "history.jsonl",
        "model.safetensors",
    ]  # fmt: skip
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert history == [{k: v for k, v in e.items() if k != "event"} for e in epochs]
    model = pb.load_model(folder / "model.safetensors")
    figures = model.evaluate(pb.data.load("digits").test)
    assert figures["accuracy"] == done["test_accuracy"]


def test_the_configuration_of_a_run_gives_the_run_again(train):
    *_, first = train("digits", *SHORT, "--out", "a")
    *_, second = train("--config", "a/config.toml", "--out", "b")
    assert second["test_loss"] == first["test_loss"]
    assert settings_of(first) == settings_of(second)
    *_, third = train("--config", "a/config.toml", "--seed", 2, "--out", "c")
    assert settings_of(third)[0].seed == 2
    assert third["test_loss"] != first["test_loss"]


def test_flag_beats_file_beats_preset_beats_recipe(train, tmp_path):
    (tmp_path / "mine.toml").write_text(
        'preset = "reference"\nbatch_size = 50\nlr = 0.02\nepochs = 1\n'
    )
    *_, done = train("digits", "--config", "mine.toml", "--lr", 0.03)
    settings, _ = settings_of(done)
    assert settings.optimizer == pb.optim.SGD(0.03)  # the rule of the preset, lr of the flag
    assert settings.batch_size == 50  # of the file, against 128 of the preset
    assert settings.augment is None  # of the preset, against the data set's recipe


def test_the_reference_preset_is_the_textbooks_program(train):
    *_, done = train("digits", "--preset", "reference", "--epochs", 1)
    settings, _ = settings_of(done)
    glorot = pb.core.initializers.GlorotUniform()
    assert settings.net == pb.Chain(
        pb.Flatten(),
        pb.Linear(128, init=glorot),
        pb.ReLU(),
        pb.Linear(64, init=glorot),
        pb.ReLU(),
        pb.Linear(10, init=glorot),
    )
    assert settings.optimizer == pb.optim.SGD(0.01)
    assert settings.loss == pb.losses.CrossEntropy()
    assert (settings.batch_size, settings.validation, settings.normalize) == (128, 0.1, "scale")


def test_every_option_of_fit_is_a_flag():
    """Those that are objects in Python are described by several flags each."""
    by_flags = {
        "net": {"model", "activation", "dropout", "init"},
        "loss": {"loss", "label_smoothing"},
        "optimizer": {"optimizer", "lr", "schedule", "weight_decay", "ema", "l1", "l2",
                      "clip_value", "clip_norm", "clip_global_norm"},
        "augment": {"shift", "augment"},
    }  # fmt: skip
    own = {"out", "tensorboard"}  # where the run is kept and told: flags, and no settings of it
    assert own <= {parameter.name for parameter in cli.commands["train"].params}
    elsewhere = {"data", "callbacks"} | own  # the argument, the progress
    keys = {option.key for option in RECIPE_OPTIONS}
    plain = set(inspect.signature(pb.fit).parameters) - elsewhere - set(by_flags)
    assert plain <= keys
    assert keys == plain | set().union(*by_flags.values())


CHANGES = [
    ("--optimizer nesterov --schedule step --l1 1e-5 --l2 1e-4", "Nesterov"),
    ("--optimizer lion --lr 0.001 --schedule warm_up --clip-value 0.5", "Lion"),
    ("--optimizer gradient_descent --schedule constant", "GradientDescent"),
    ("--optimizer adamw --schedule exponential --clip-norm 1 --clip-global-norm 1", "AdamW"),
    ("--optimizer adadelta --schedule on_plateau --ema 0.9", "Adadelta"),
    ("--activation gelu --dropout 0.2 --init he_uniform --model mlp:16", "GELU"),
    ("--model small_cnn --epochs 1", "MaxPool2d"),
    ("--model resnet:8,4 --epochs 1", "GlobalAvgPool"),
    ("--label-smoothing 0.1 --weight-decay 0.1 --holdout random", "CrossEntropy"),
    ("--metric top3 --metric f1 --metric confusion --normalize scale", "TopK"),
    ("--dtype float64 --accumulate 3 --patience 1 --until-loss 0.01", "float64"),
    ("--max-steps 3 --max-seconds 5 --validation 0", "max_steps"),
    ("--steps-per-epoch 2", "steps_per_epoch = 2"),
]


NETWORK = """
type = "Chain"
names = ["0", "1", "2", "3"]
maps = [
    { type = "Flatten" },
    { type = "Linear", units = 7 },
    { type = "Tanh" },
    { type = "Linear", units = 10, bias = false },
]
"""


def test_a_network_from_a_file(train, tmp_path):
    (tmp_path / "net.toml").write_text(NETWORK)
    *_, done = train("digits", *SHORT, "--model", str(tmp_path / "net.toml"))
    net = pb.load_model(f"{done['run']}/model.safetensors").net
    assert net == pb.Chain(pb.Flatten(), pb.Linear(7), pb.Tanh(), pb.Linear(10, bias=False))


@pytest.mark.parametrize(("flags", "named"), CHANGES, ids=[c[1] for c in CHANGES])
def test_flags_reach_the_settings(train, flags, named):
    *_, done = train("digits", *SHORT, *flags.split())
    text = (RunFolder(done["run"]).path / "config.toml").read_text()
    assert named in text
    assert tomllib.loads(text)["data"] == "digits"


def test_an_npz_file_of_ones_own(train, tmp_path):
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 4))
    np.savez(tmp_path / "own.npz", x=x, y=(x[:, 0] > 0).astype(int))
    *_, done = train("own.npz", "--epochs", 5, "--batch-size", 20)
    assert done["event"] == "done"


def test_lines_for_people(tmp_path):
    done = pullback("train", "digits", *SHORT, "--out", "run", cwd=tmp_path)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"training on [\d,]+ examples, validating on \d+, \d+ steps .*", lines[0])
    assert re.search(r"epoch 1/2  loss \d\.\d+  accuracy \d\.\d+  val_loss", lines[1])
    assert re.search(r"test accuracy 0\.\d{4}", lines[-2])
    assert lines[-1].startswith("run: run")
    assert done.stderr == ""


def test_help_needs_no_numerical_library(tmp_path):
    import subprocess

    code = (
        "import sys\nfrom pullback.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'matplotlib', 'rich', 'PIL', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_plots_and_images_are_loaded_when_needed():
    import subprocess

    code = (
        "import sys, pullback; pullback.fit\n"
        "heavy = {'matplotlib', 'rich', 'PIL', 'torch', 'numba', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("name", ["train", "evaluate", "predict", "resume", "datasets"])
def test_every_command_explains_itself(name):
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.stdout
