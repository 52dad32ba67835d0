"""Small networks and runs that several tests need, and the command line as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pullback as pb
from pullback.engine.kernels.compiled import NOTE

TINY_FIT: dict[str, Any] = {"epochs": 4, "batch_size": 64, "validation": 0.2, "seed": 3}


def tiny_net() -> pb.Map:
    """Everything that has noise or state, in a network for the bundled digits."""
    return pb.Chain(
        pb.Flatten(),
        pb.Linear(24),
        pb.BatchNorm(),
        pb.ReLU(),
        pb.Dropout(0.2),
        head=pb.Linear(10),
    )


def digits() -> pb.data.Data:
    return pb.data.load("digits")


def fit_tiny(out: Path | None = None, **changes: Any) -> pb.Run:
    settings = {
        "loss": pb.losses.CrossEntropy(),
        "optimizer": pb.optim.chain(pb.optim.Adam(0.01), pb.optim.EMA(0.9)),
        "augment": pb.RandomShift(1),
        **TINY_FIT,
        **changes,
    }
    return pb.fit(settings.pop("net", tiny_net()), digits(), out=out, **settings)


def theta_of(path: Path) -> np.ndarray:
    """All parameters and state of a run's model, as one vector of bits."""
    model = pb.load_model(path / "model.safetensors")
    state = [np.asarray(value).ravel() for _, value in leaves_of(model.state)]
    return np.concatenate([model.theta.flat, *state]).view(np.uint32)


def leaves_of(tree: Any) -> Any:
    from pullback.core.tree import leaves

    return leaves(tree)


def environment(**changes: str) -> dict[str, str]:
    """The environment for a process: without the caller's data folder, BLAS in one thread."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PULLBACK_")}
    return {**kept, "OPENBLAS_NUM_THREADS": "1", **changes}


def command(*arguments: Any) -> list[str]:
    return [sys.executable, "-m", "pullback", *map(str, arguments)]


def pullback(*arguments: Any, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own; not told whether it had to compile."""
    done = run_command(*arguments, cwd=cwd, **env)
    done.stderr = done.stderr.replace(f"{NOTE}\n", "")
    return done


def run_command(*arguments: Any, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def command_shows_figures(
    name: str,
    recipe: Callable[..., Any],
    out: Path,
    flags: list[str],
    monkeypatch: Any,
    capsys: Any,
) -> None:
    """``pullback train NAME``, with a smaller recipe in its place, prints what was measured."""
    from pullback.cli.main import main

    import_module("pullback.cli.train")  # else it would import, and keep, what is put in place here
    monkeypatch.setattr("pullback.data.load", lambda name, data_dir=None: None)
    monkeypatch.setattr(f"pullback.recipes.{name}.{name}", recipe)
    with pytest.raises(SystemExit) as ended:
        main(["train", name, "--epochs", "1", "--out", str(out), *flags])
    assert not ended.value.code
    shown = capsys.readouterr().out
    figures = json.loads((out / "figures.json").read_text())
    measured = {key: value for key, value in figures.items() if isinstance(value, float)}
    assert measured
    if flags:
        done = json.loads(shown.splitlines()[-1])
        assert {f"test_{key}": value for key, value in measured.items()}.items() <= done.items()
    else:
        assert all(f"test {key} {value:.4f}" in shown for key, value in measured.items())
