"""``pullback sweep``: flags, table, JSON lines; wrong input; Ctrl-C and a sudden end."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from runs import command, environment, pullback

from pullback.cli.main import main
from pullback.cli.sweep import read_over

SMALL = ("--model", "mlp:8", "--validation", "0.2", "--schedule", "constant")


def rows_of(out):
    return {r["run"]: r for r in map(json.loads, (out / "sweep.jsonl").read_text().splitlines())}


def living(folder):
    """The processes of sweeps that were started in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            where = (process / "cwd").readlink()
        except OSError:  # it has just ended
            continue
        if b"pullback.train.sweep.worker" in words and where == folder:
            found.append(process.name)
    return found


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_values_become_what_the_options_are():
    over = ("lr=0.1,0.03", "batch-size=32, 64", "optimizer=sgd,adam", "model=mlp:8,4;mlp:16")
    assert read_over(over) == {
        "lr": [0.1, 0.03],
        "batch_size": [32, 64],
        "optimizer": ["sgd", "adam"],
        "model": ["mlp:8,4", "mlp:16"],
    }
    assert read_over(("lr=1e-4..1e-1", "batch_size=16..256")) == {
        "lr": (1e-4, 1e-1),
        "batch_size": (16, 256),
    }


WRONG = {
    "form": (("--over", "lr"), "--over 'lr'; expected KEY=VALUE"),
    "nothing": (("--over", "lr="), "--over 'lr='; expected KEY=VALUE"),
    "key": (("--over", "learning_rate=1"), "--over learning_rate: no such option."),
    "near": (("--over", "epoch=1"), "Did you mean 'epochs'"),
    "twice": (("--over", "lr=1", "--over", "lr=2"), "--over lr: named twice"),
    "type": (("--over", "epochs=1,two"), "'two' is no value of type int"),
    "value": (("--over", "lr=0.1,-1"), "lr=-1.0; expected a number above 0"),
    "name": (("--over", "optimizer=sgd,adan"), "unknown optimiser 'adan'"),
    "a grid of a range": (("--over", "lr=0.1..0.2"), "say how many points to draw"),
    "jobs": (("--over", "lr=0.1", "--jobs", "0"), "jobs=0"),
    "random": (("--over", "lr=0.1", "--random", "0"), "random=0"),
    "figure": (("--over", "lr=0.1", "--by", "f1"), "by='f1': no such figure"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG)
def test_wrong_input_is_one_line_and_nothing_is_written(capsys, tmp_path, arguments, said):
    with pytest.raises(SystemExit) as ended:
        main(["sweep", "digits", *arguments, "--out", str(tmp_path / "s")])
    complaint = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in complaint
    assert len(complaint.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_table_as_text_and_as_json(tmp_path):
    flags = ("--over", "lr=0.01,1e12", "--optimizer", "sgd", "--epochs", 1, *SMALL)
    done = pullback("sweep", "digits", *flags, "--out", "s", "--jobs", 2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert {line[:3] for line in lines[:2]} == {"1/2", "2/2"}
    assert lines[2].split()[:2] == ["lr", "val_loss"]
    assert lines[4].startswith("1e+12  diverged: step")
    assert lines[-1] == "see s; the best run: s/lr=0.01"
    again = pullback("sweep", "digits", *flags, "--out", "s", "--json", cwd=tmp_path)
    (summary,) = map(json.loads, again.stdout.splitlines())
    assert summary["event"] == "done"
    assert [row["status"] for row in summary["rows"]] == ["done", "diverged"]
    config = (tmp_path / "s" / "lr=0.01" / "config.toml").read_text()
    assert config.startswith('data = "digits"')  # so that it can be resumed and evaluated


TWO = ("--over", "epochs=1,40", "--batch-size", 16, "--shift", 0, *SMALL, "--jobs", 1)
"""A run that is over soon, then one that takes its time."""


def test_ctrl_c_stops_every_process_and_the_same_command_goes_on(tmp_path):
    out = tmp_path / "s"
    ask = command("sweep", "digits", *TWO, "--out", out)
    process = subprocess.Popen(
        ask, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        wait_for((out / "epochs=40" / "checkpoint.safetensors").exists)
        assert len(living(tmp_path)) == 1
        process.send_signal(signal.SIGINT)
        said, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert not error
    assert "interrupted; the same command goes on" in said
    assert not living(tmp_path)
    rows = rows_of(out)
    assert rows["epochs=1"]["status"] == "done"
    assert rows["epochs=40"]["status"] == "interrupted"
    assert 1 <= rows["epochs=40"]["epoch"] < 40
    again = pullback("sweep", "digits", *TWO, "--out", out, cwd=tmp_path)
    assert again.returncode == 0
    assert again.stdout.startswith("2/2  epochs=40")
    assert rows_of(out)["epochs=40"]["epoch"] == 40


def test_no_process_outlives_a_sweep_that_is_killed(tmp_path):
    ask = command("sweep", "digits", "--over", "epochs=100000", *SMALL, "--out", tmp_path)
    process = subprocess.Popen(
        ask, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for((tmp_path / "epochs=100000" / "checkpoint.safetensors").exists)
    assert living(tmp_path)
    process.kill()
    process.wait()
    wait_for(lambda: not living(tmp_path))
