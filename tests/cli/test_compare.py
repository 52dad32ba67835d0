"""Runs side by side, on the command line and as ``pb.compare``."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from runs import digits, fit_tiny

import pullback as pb
from pullback.cli.main import main
from pullback.core.errors import ConfigError
from pullback.train.checkpoint import NAME as CHECKPOINT
from pullback.train.differences import differences
from pullback.train.events import EpochEnded, Progress

SMALL = pb.Chain(pb.Flatten(), pb.Linear(10))
LARGE = pb.Chain(pb.Flatten(), pb.Linear(20), pb.Linear(10))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three finished runs, one interrupted in its third epoch, one killed, and a file."""
    folder = tmp_path_factory.mktemp("compare") / "runs"
    for name, lr in (("fast", 0.1), ("slow", 0.001)):
        fit_tiny(folder / name, net=SMALL, optimizer=pb.optim.SGD(lr))
    fit_tiny(folder / "patient", net=SMALL, optimizer=pb.optim.SGD(3.0), patience=1)

    def stop(event):
        if isinstance(event, Progress) and event.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("pullback.train.loop.PROGRESS_SECONDS", 0.0)
        fit_tiny(folder / "cut", net=SMALL, optimizer=pb.optim.SGD(0.1), callbacks=[stop])

    def kill(event):
        if isinstance(event, EpochEnded) and event.epoch == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fit_tiny(folder / "dead", net=LARGE, optimizer=pb.optim.SGD(0.1), callbacks=[kill])
    (folder / "notes.txt").write_text("not a run")
    return folder


def history_of(folder):
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def told(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["compare", *map(str, arguments)])
    printed = capsys.readouterr()
    return ended.value.code or 0, printed.out, printed.err


def test_the_best_run_comes_first_with_what_its_own_files_say(runs):
    found = pb.compare([runs])
    assert found.by == "val_loss"
    for row in found.rows:
        records = history_of(Path(row["run"]))
        losses = [record["val_loss"] for record in records]
        assert row["epochs"] == len(records)
        assert row["best"] == min(losses)
        assert row["best_epoch"] == 1 + losses.index(min(losses))
        kept = min(losses) if row["run"].endswith("patient") else losses[-1]
        assert row["figures"]["val_loss"] == kept
    decisive = [row["figures"]["val_loss"] for row in found.rows]
    assert decisive == sorted(decisive)
    status = {Path(row["run"]).name: row["status"] for row in found.rows}
    assert status == {
        "fast": "done", "slow": "done", "patient": "done",
        "cut": "interrupted", "dead": "unfinished",
    }  # fmt: skip


def test_a_figure_of_which_more_is_better_sorts_the_other_way(runs):
    found = pb.compare([runs], by="val_accuracy")
    decisive = [row["figures"]["val_accuracy"] for row in found.rows]
    assert decisive == sorted(decisive, reverse=True)
    for row in found.rows:
        accuracies = [record["val_accuracy"] for record in history_of(Path(row["run"]))]
        assert row["best"] == max(accuracies)


def test_steps_are_those_of_the_run(runs):
    steps = {Path(row["run"]).name: row["steps"] for row in pb.compare([runs]).rows}
    of_an_epoch = -(-round(0.8 * len(digits().train)) // 64)
    assert steps["fast"] == steps["slow"] == 4 * of_an_epoch
    assert 2 * of_an_epoch < steps["cut"] < 3 * of_an_epoch
    assert steps["dead"] == of_an_epoch  # the second epoch was not saved


def test_only_settings_that_differ_are_shown(runs):
    both = pb.compare([runs / "fast", runs / "slow"])
    assert {Path(row["run"]).name: row["point"] for row in both.rows} == {
        "fast": {"optimizer.lr": 0.1},
        "slow": {"optimizer.lr": 0.001},
    }
    both = pb.compare([runs / "fast", runs / "dead"])
    assert {Path(row["run"]).name: row["point"] for row in both.rows} == {
        "fast": {"net": "Chain(Flatten() Linear(10))"},
        "dead": {"net": "Chain(Flatten() Linear(20) Linear(10))"},
    }


def test_parts_are_compared_where_they_are_of_one_kind():
    sgd, adam = {"type": "SGD", "lr": 0.1}, {"type": "Adam", "lr": 0.1, "beta": 0.9}
    assert differences([{"o": sgd}, {"o": {**sgd, "lr": 0.2}}]) == {"o.lr": [0.1, 0.2]}
    assert differences([{"o": sgd}, {"o": adam}]) == {"o": ["SGD(0.1)", "Adam(0.1, 0.9)"]}
    assert differences([{"e": 1}, {"e": 1, "p": 3}, {}]) == {
        "e": [1, 1, None],
        "p": [None, 3, None],
    }
    assert differences([{"e": 1}, {"e": 1}]) == {}
    assert differences([{"m": [sgd]}, {"m": [sgd, sgd]}]) == {
        "m": ["SGD(0.1)", "SGD(0.1) SGD(0.1)"]
    }


def test_the_command_prints_the_table_and_draws(runs, tmp_path, capsys):
    paths = sorted(runs.iterdir())
    code, out, err = told(capsys, *paths, "--plot", tmp_path / "compare.png")
    assert (code, err) == (0, "")
    head, *rows = out.splitlines()
    assert head.split()[0] == "run"
    assert len(rows) == 5 + 2
    by_name = {Path(row.split()[0]).name: row for row in rows[:5]}
    assert by_name["cut"].endswith("interrupted")
    assert "not finished" in by_name["dead"]
    assert "notes.txt" in rows[5]
    from PIL import Image

    assert Image.open(tmp_path / "compare.png").convert("L").getextrema() == (0, 255)


def test_a_curve_for_each_run_and_svg(runs, tmp_path, capsys):
    ax = pb.compare([runs], by="val_accuracy").draw()
    assert ax.get_ylabel() == "val_accuracy"
    drawn = {line.get_label(): list(line.get_ydata()) for line in ax.get_lines()}
    assert drawn == {
        str(runs / name): [record["val_accuracy"] for record in history_of(runs / name)]
        for name in ("fast", "slow", "patient", "cut", "dead")
    }
    assert told(capsys, runs, "--plot", tmp_path / "c.svg")[0] == 0
    assert "<svg" in (tmp_path / "c.svg").read_text()


def test_json_has_the_rows(runs, capsys):
    code, out, _ = told(capsys, runs, "--json", "--metric", "loss")
    found = json.loads(out)
    assert (code, found["by"], len(found["rows"])) == (0, "loss", 5)
    assert found["rows"] == list(pb.compare([runs], by="loss").rows)


@pytest.mark.parametrize(
    ("arguments", "said"),
    {
        "no such path": (["nowhere"], "nowhere: there is no such folder"),
        "no run": (["runs/notes.txt"], "there is no run in runs/notes.txt"),
        "no figure": (["runs", "--metric", "val_los"], "Did you mean 'val_loss'?"),
        "no picture": (["runs", "--plot", "p.xyz"], "no pictures of kind 'xyz'"),
    }.values(),
)
def test_what_cannot_be_compared_is_refused_in_a_line(arguments, said, runs, capsys, monkeypatch):
    monkeypatch.chdir(runs.parent)
    code, out, err = told(capsys, *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_damaged_and_empty_runs_are_rows_that_say_so(runs, tmp_path):
    for name in ("fast", "slow"):
        shutil.copytree(runs / name, tmp_path / name)
    checkpoint = tmp_path / "slow" / CHECKPOINT
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    (tmp_path / "empty").mkdir()
    shutil.copy(runs / "fast" / "config.toml", tmp_path / "empty")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "config.toml").write_text("= 3")
    found = pb.compare([tmp_path])
    lines = {Path(line.split()[0]).name: line for line in str(found).splitlines()[1:]}
    assert next(iter(lines)) == "fast"
    assert "unreadable" in lines["slow"]
    assert "no epoch yet" in lines["empty"]
    assert "cannot be read as a configuration" in lines["odd"]
    assert found._repr_html_()


def test_runs_without_validation_are_sorted_by_their_loss(tmp_path):
    for seed in (0, 1):
        fit_tiny(tmp_path / str(seed), net=SMALL, epochs=1, validation=0.0, seed=seed)
    assert pb.compare([tmp_path]).by == "loss"
    with pytest.raises(ConfigError, match="no run has a figure 'val_loss'"):
        pb.compare([tmp_path], by="val_loss")
