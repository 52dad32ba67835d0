"""Several processes train as one does, and say who is gone when one is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from runs import environment, pullback

import pullback as pb

pytest.importorskip("torch", reason="PyTorch is not installed")

SCRIPT = Path(__file__).with_name("worker_script.py")
LAUNCH = "import sys; from pullback.cli.launch import launch; sys.exit(launch({count}, {command}))"


def launched(count: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(
        [sys.executable, "-c", LAUNCH.format(count=count, command=command)],
        env=environment() | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    found = {}
    for count in (1, 2, 3, 4):
        done = launched(count, folder)
        assert done.returncode == 0, done.stderr
        found[count] = dict(np.load(folder / f"{count}.npz"))
    done = launched(3, folder)
    assert done.returncode == 0, done.stderr
    found["again"] = dict(np.load(folder / "3.npz"))
    return found


@pytest.mark.parametrize("count", [2, 3, 4])
def test_many_are_as_one(results, count):
    one, many = results[1], results[count]
    assert one.keys() == many.keys()
    assert len(one) > 20
    for name, right in one.items():
        known = np.isfinite(right)  # a scatter over a signal that is lost in it is infinite
        np.testing.assert_array_equal(many[name][~known], right[~known], err_msg=name)
        scale = max(1.0, float(np.abs(right[known]).max(initial=0)))
        assert np.abs(many[name][known] - right[known]).max(initial=0) < 1e-12 * scale, name


def test_the_same_count_gives_the_same_bits(results):
    for name, right in results[3].items():
        np.testing.assert_array_equal(results["again"][name], right, err_msg=name)


@pytest.mark.parametrize(
    ("kind", "place"), [("killed", "forward"), ("stopped", "reduce"), ("raising", "save")]
)
def test_who_is_gone_is_named(kind, place, tmp_path):
    began = time.monotonic()
    done = launched(3, tmp_path, kind, place)
    took = time.monotonic() - began
    assert done.returncode not in (0, None)
    assert "worker 1" in done.stderr
    assert "at step 1" in done.stderr  # 10, or what it said last
    assert os.uname().nodename in done.stderr
    assert took < 40  # with the start of three processes on a busy machine
    orphans = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True)
    assert not orphans.stdout.split()
    found = pb.resume(tmp_path / "run", _digits())
    assert len(found.history) == 6


def _digits():
    data = pb.data.load("digits").train
    return pb.data.from_arrays(data.x[:101], data.y[:101])


def test_the_command_trains_and_resumes_with_another_number(tmp_path):
    common = ("--epochs", 2, "--dtype", "float64", "--batch-size", 64)
    alone = pullback("train", "digits", *common, "--out", tmp_path / "one", cwd=tmp_path)
    many = pullback(
        "train", "digits", *common, "--out", tmp_path / "two", "--workers", 2, cwd=tmp_path
    )
    assert alone.returncode == many.returncode == 0, many.stderr
    assert "epoch 2/2" in many.stdout
    assert many.stdout.count("epoch 2/2") == 1
    theta = [pb.load_model(tmp_path / n / "model.safetensors").theta.flat for n in ("one", "two")]
    assert np.abs(theta[0] - theta[1]).max() < 1e-12


def test_what_workers_cannot_do_is_refused(tmp_path):
    done = pullback("train", "digits", "--workers", 2, "--audit", 2, "--epochs", 1, cwd=tmp_path)
    assert done.returncode == 2
    assert "audit is not done by several workers" in done.stderr
    assert pullback("train", "digits", "--workers", 0, cwd=tmp_path).returncode == 2
