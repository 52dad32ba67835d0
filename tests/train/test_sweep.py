"""Sweeps: which points, in which folders, what becomes of each run, and what is left of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs import digits, environment, theta_of

import pullback as pb
from pullback.core.errors import ConfigError, ModelFileError
from pullback.optim import SGD, Adam, OneCycle
from pullback.train.run_folder import RunFolder
from pullback.train.sweep.picture import draw
from pullback.train.sweep.points import name_of, points_of
from pullback.train.sweep.pool import Task, run_all
from pullback.train.sweep.sweep import sweep_settings
from pullback.train.sweep.table import Sweep, lines, read_rows, sort
from pullback.train.sweep.worker import Parcel, outcome

CROSS = pb.losses.CrossEntropy()


def small_net():
    return pb.Chain(pb.Flatten(), pb.Linear(8), pb.ReLU(), pb.Linear(10))


def sweep(over: Any, out: Path, data: Any = None, **changes: Any) -> Sweep:
    settings = {
        "loss": CROSS, "optimizer": SGD(0.1), "epochs": 2, "batch_size": 64, "validation": 0.2,
        "seed": 1, **changes,
    }  # fmt: skip
    return pb.sweep(small_net(), digits() if data is None else data, over, out=out, **settings)


# -- points


def test_a_grid_is_all_combinations():
    points = points_of({"lr": [0.1, 0.2], "epochs": [1, 2, 3]}, None, 0)
    assert len(points) == 6
    assert points[0] == {"lr": 0.1, "epochs": 1}
    assert points[-1] == {"lr": 0.2, "epochs": 3}
    assert len(points_of({"lr": [0.1, 0.1]}, None, 0)) == 1


def test_random_points_are_log_uniform_and_a_function_of_the_seed():
    over = {"lr": (1e-4, 1e-1), "batch_size": (16, 256), "optimizer": ["sgd", "adam"]}
    points = points_of(over, 400, 0)
    assert points_of(over, 400, 0) == points
    assert points_of(over, 20, 0) == points[:20]
    assert points_of(over, 20, 1) != points[:20]
    rates = np.log10([point["lr"] for point in points])
    counts, _ = np.histogram(rates, bins=3, range=(-4, -1))
    assert counts.sum() == 400
    assert counts.min() > 100
    sizes = [point["batch_size"] for point in points]
    assert all(isinstance(size, int) and 16 <= size <= 256 for size in sizes)
    assert 150 < sum(size < 64 for size in sizes) < 250
    assert {point["optimizer"] for point in points} == {"sgd", "adam"}
    assert all(float(f"{point['lr']:.3g}") == point["lr"] for point in points)


def test_few_choices_give_few_points():
    assert len(points_of({"epochs": [1, 2]}, 50, 0)) == 2


BAD = {
    "nothing": ({}, None, "nothing to sweep over"),
    "no values": ({"lr": []}, None, "lr: no values"),
    "one value": ({"lr": 0.1}, None, "lr: expected a list of values"),
    "text": ({"lr": "0.1"}, None, "lr: expected a list of values"),
    "three ends": ({"lr": (1, 2, 3)}, 5, "lr: expected a list of values"),
    "a grid of a range": ({"lr": (0.1, 0.2)}, None, "say how many points to draw"),
    "ends": ({"lr": (0.2, 0.1)}, 5, "the smaller one first"),
    "zero": ({"lr": (0.0, 0.1)}, 5, "numbers above 0"),
    "infinity": ({"lr": (0.1, float("inf"))}, 5, "numbers above 0"),
    "words": ({"lr": ("a", "b")}, 5, "numbers above 0"),
    "random": ({"lr": [0.1]}, 0, "random=0"),
    "truth": ({"lr": [0.1]}, True, "random=True"),
}


@pytest.mark.parametrize(("over", "random", "said"), BAD.values(), ids=BAD)
def test_what_is_no_sweep_is_refused(over, random, said):
    with pytest.raises(ConfigError, match=said):
        points_of(over, random, 0)


def test_names_are_folders_and_differ():
    assert name_of({"lr": 0.1, "optimizer": "sgd"}) == "lr=0.1,optimizer=sgd"
    a, b = name_of({"model": "a/b.toml"}), name_of({"model": "a:b.toml"})
    assert a != b
    assert "/" not in a
    long = [name_of({"net": pb.Chain(*(pb.Linear(8) for _ in range(40)), last)}) for last in (
        pb.Linear(1), pb.Linear(2),
    )]  # fmt: skip
    assert long[0] != long[1]
    assert max(map(len, long)) < 100


# -- runs


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A sweep with a run that diverges and runs that cannot begin: (table, folder)."""
    out = tmp_path_factory.mktemp("sweep") / "made"
    return sweep({"lr": [0.3, 1e12], "batch_size": [64, 9999]}, out, jobs=2), out


def test_the_best_run_is_first_and_what_went_wrong_says_so(done):
    table, _ = done
    assert table.by == "val_loss"
    best, *others = table.rows
    assert table.best == best
    assert best["status"] == "done"
    assert best["point"] == {"lr": 0.3, "batch_size": 64}
    by_point = {tuple(row["point"].values()): row for row in others}
    diverged = by_point.pop((1e12, 64))
    assert diverged["status"] == "diverged"
    assert "no longer finite" in diverged["reason"]
    assert {row["status"] for row in by_point.values()} == {"failed"}
    assert all("larger than the 1150 training" in row["reason"] for row in by_point.values())
    text = str(table).splitlines()
    assert text[0].split()[:3] == ["lr", "batch_size", "val_loss"]
    assert len(text) == 5
    assert "diverged: step" in str(table)


def test_every_run_is_what_fit_makes_of_it(done, tmp_path):
    table, out = done
    path = out / table.rows[0]["run"]
    run = pb.fit(
        small_net(), digits(), loss=CROSS, optimizer=SGD(0.3), epochs=2, batch_size=64,
        validation=0.2, seed=1, out=tmp_path / "run",
    )  # fmt: skip
    assert {file.name for file in path.iterdir()} == {f.name for f in (tmp_path / "run").iterdir()}
    np.testing.assert_allclose(
        theta_of(path).view(np.float32), theta_of(tmp_path / "run").view(np.float32), rtol=1e-3
    )  # the threads may differ, and with them the last digits
    figures = table.rows[0]["figures"]
    assert figures["val_loss"] == pytest.approx(run.history["val_loss"][-1], rel=1e-4)
    assert table.rows[0]["epoch"] == 2


def test_the_folder_has_the_table_and_the_picture(done):
    table, out = done
    kept = [json.loads(line) for line in (out / "sweep.jsonl").read_text().splitlines()]
    assert tuple(kept) == table.rows
    assert (out / "sweep.png").read_bytes()[:4] == b"\x89PNG"


def test_a_second_call_does_what_is_missing_and_no_more(done):
    before, out = done
    checkpoint = out / before.rows[0]["run"] / "checkpoint.safetensors"
    made = checkpoint.stat().st_mtime_ns
    seen = []
    points = [({"lr": lr, "batch_size": 64}, settings_at(lr)) for lr in (0.3, 1e12, 0.01)]
    after = sweep_settings(
        points, out, data=digits(), listener=lambda row, over, count: seen.append((over, count))
    )
    assert seen == [(3, 3)]
    assert len(after.rows) == len(before.rows) + 1
    losses = [row["figures"]["val_loss"] for row in after.rows[:2]]
    assert losses == sorted(losses)
    assert checkpoint.stat().st_mtime_ns == made


def settings_at(lr: float, **changes: Any) -> Any:
    from pullback.train.settings import settings_for

    chosen = {"epochs": 2, "batch_size": 64, "validation": 0.2, "seed": 1, **changes}
    return settings_for(small_net(), digits(), loss=CROSS, optimizer=SGD(lr), **chosen)


def test_a_folder_of_other_runs_is_refused(done):
    _, out = done
    with pytest.raises(ConfigError, match="other settings"):
        sweep({"lr": [0.3], "batch_size": [64]}, out, epochs=3)


def test_optimisers_and_schedules_can_vary(tmp_path):
    over = {"optimizer": [SGD(0.1), Adam(OneCycle(0.01))], "lr": [0.02]}
    table = sweep(over, tmp_path / "s", by="accuracy", validation=0.0, metrics=["accuracy"])
    assert {row["point"]["optimizer"].partition("(")[0] for row in table.rows} == {"SGD", "Adam"}
    accuracies = [row["figures"]["accuracy"] for row in table.rows]
    assert accuracies == sorted(accuracies, reverse=True)
    config = (tmp_path / "s" / table.rows[0]["run"] / "config.toml").read_text()
    assert "peak = 0.02" in config


def test_with_patience_a_row_is_of_the_best_epoch(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create(settings_at(0.5, patience=1, epochs=200), {})
    row = outcome(folder.path, Parcel(digits(), None, ()))
    history = (folder.path / "history.jsonl").read_text().splitlines()
    losses = [json.loads(line)["val_loss"] for line in history]
    assert row["reason"] == "patience"
    assert row["figures"]["val_loss"] == min(losses) < losses[-1]
    assert row["epoch"] == len(losses) - 1


OTHERS = {
    "key": ({"learning_rate": [0.1]}, {}, "cannot sweep over 'learning_rate'"),
    "value": ({"epochs": [1, -1]}, {}, "epochs=-1"),
    "figure": ({"lr": [0.1]}, {"by": "val_acuracy"}, "Did you mean 'val_accuracy'"),
    "jobs": ({"lr": [0.1]}, {"jobs": 0}, "jobs=0"),
}


@pytest.mark.parametrize(("over", "changes", "said"), OTHERS.values(), ids=OTHERS)
def test_what_cannot_be_is_found_before_anything_is_trained(tmp_path, over, changes, said):
    with pytest.raises(ConfigError, match=said):
        sweep(over, tmp_path / "s", **changes)
    assert not list(tmp_path.iterdir())


OWN = '''
from dataclasses import dataclass
import pullback as pb

@pb.MAPS.register
@dataclass(frozen=True)
class Halved(pb.Map):
    """y = x / 2"""
    def spec(self, x): return x
    def forward(self, p, x, ctx):
        print("halving")
        return x / 2, None
    def pullback(self, p, res, gy): return gy / 2, None
'''
USE = """
if __name__ == "__main__":
    net = pb.Chain(pb.Flatten(), pb.Linear(10), Halved())
    table = pb.sweep(
        net, pb.data.load("digits"), {"lr": [0.1]}, loss=pb.losses.CrossEntropy(),
        optimizer=pb.optim.SGD(), epochs=1, out="made",
    )
    print(table.rows[0]["status"])
"""


def test_maps_of_a_module_go_along_and_those_of_the_program_cannot(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "use.py").write_text("import pullback as pb\nfrom own import Halved\n" + USE)
    (tmp_path / "alone.py").write_text(OWN + USE)
    used, alone = (
        subprocess.run(
            [sys.executable, name], cwd=tmp_path, env=environment(), capture_output=True,
            text=True, timeout=120, check=False,
        )
        for name in ("use.py", "alone.py")
    )  # fmt: skip
    assert used.stdout.split()[-1:] == ["done"], used.stderr
    assert "Halved is defined in the program itself" in alone.stderr


# -- processes


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """A function that puts another program in the place of a sweep's worker."""

    def put(code: str) -> None:
        (tmp_path / "other.py").write_text(f"import json, os, sys, time\n{code}\n")
        monkeypatch.setattr("pullback.train.sweep.pool.WORKER", "other")
        monkeypatch.setattr("sys.path", [str(tmp_path)])

    return put


ENDS = {
    "os.kill(os.getpid(), 9)": "signal 9 (SIGKILL)",
    "raise ValueError('else')": "the process ended with exit code 1: ValueError: else",
    "sys.exit(7)": "the process ended with exit code 7",
}


@pytest.mark.parametrize(("code", "said"), ENDS.items(), ids=ENDS)
def test_a_process_that_dies_is_a_row_and_the_next_run_gets_another(tmp_path, worker, code, said):
    worker(code)
    rows = []
    tasks = [Task(name, tmp_path) for name in "ab"]
    assert not run_all(tasks, b"nothing", 1, 1, lambda task, row: rows.append((task.name, row)))
    assert [name for name, _ in rows] == ["a", "b"]
    assert all(row["status"] == "failed" and said in row["reason"] for _, row in rows)


def test_a_process_does_one_run_after_another(tmp_path, worker):
    worker(
        "sys.stdin.buffer.read(6)\n"
        "for line in sys.stdin:\n"
        "    print(json.dumps({'folder': line.strip(), 'pid': os.getpid()}), flush=True)"
    )
    rows = []
    tasks = [Task(name, tmp_path / name) for name in "abcd"]
    run_all(tasks, b"parcel", 2, 1, lambda task, row: rows.append((task.name, row)))
    assert {(name, row["folder"]) for name, row in rows} == {(t.name, str(t.folder)) for t in tasks}
    assert len({row["pid"] for _, row in rows}) == 2


def test_processes_share_the_threads(tmp_path, worker, monkeypatch):
    worker("print(json.dumps({'status': os.environ['OMP_NUM_THREADS']}))")
    monkeypatch.setattr("pullback.train.sweep.sweep.default_threads", lambda: 6)
    points = [({"lr": lr}, settings_at(lr)) for lr in (0.1, 0.2)]
    table = sweep_settings(points, tmp_path / "s", data=digits(), jobs=2)
    assert [row["status"] for row in table.rows] == ["3", "3"]


def test_no_process_is_left_where_the_sweep_fails(tmp_path, worker):
    worker(
        "folder = (sys.stdin.buffer.read(1), sys.stdin.readline().strip())[1]\n"
        "open(folder + '.pid', 'w').write(str(os.getpid()))\n"
        "if folder.endswith('a'): sys.exit(1)\n"
        "time.sleep(100)"
    )

    def fail(task: Task, row: Any) -> None:
        while not (tmp_path / "b.pid").exists() or not (tmp_path / "b.pid").read_text():
            pass
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="disk"):
        run_all([Task(name, tmp_path / name) for name in "ab"], b"0", 2, 1, fail)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "b.pid").read_text()), 0)


# -- the table


def row(name: str, status: str = "done", **figures: float) -> dict[str, Any]:
    return {"run": name, "point": {"k": name}, "status": status, "figures": figures}


def test_more_is_better_but_for_losses():
    rows = [row("a", val_loss=1.0, accuracy=0.5), row("b", val_loss=2.0, accuracy=0.6)]
    assert [r["run"] for r in sort(rows, None)[0]] == ["a", "b"]
    assert [r["run"] for r in sort(rows, "accuracy")[0]] == ["b", "a"]
    assert sort([row("a", loss=1.0)], None)[1] == "loss"


def test_what_has_no_figure_comes_last():
    rows = [row("x", "diverged"), row("n", val_loss=float("nan")), row("a", val_loss=1.0)]
    assert sort(rows, None)[0][0]["run"] == "a"
    assert Sweep(sort(rows[:2], None)[0], "val_loss", Path()).best is None


def test_rows_of_different_settings_stand_in_one_table():
    rows = (
        {"run": "a", "point": {"lr": 0.1}, "status": "failed", "reason": "why"},
        row("b", loss=1),
    )
    text = list(lines(rows, "loss"))
    assert text == ["lr   k  loss", "0.1     failed: why", "     b  1.0000"]


def test_the_picture_has_a_panel_a_setting(tmp_path):
    points = [{"lr": 0.001, "o": "sgd"}, {"lr": 1.0, "o": "adam"}, {"o": "sgd"}]
    rows = tuple({**row(str(i), loss=float(i)), "point": p} for i, p in enumerate(points))
    draw(rows, "loss", tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_a_damaged_table_is_named(tmp_path):
    (tmp_path / "sweep.jsonl").write_text('{"run": "a", "point": {}, "status": "done"}\n{"run"')
    with pytest.raises(ModelFileError, match=r"sweep.jsonl: line 2"):
        read_rows(tmp_path)
