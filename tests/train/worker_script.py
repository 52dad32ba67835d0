"""What each worker of the tests runs: networks trained in turn, or one with a fault."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import pullback as pb
from pullback import models
from pullback.train.step import Step
from pullback.train.workers import workers

STEPS = 50


def tokens() -> Any:
    """Symbols with padding in places: the mean is over those that are there."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 11, (101, 7))
    y = np.where(rng.random((101, 7)) < 0.2, -1, np.roll(x, -1, axis=1))
    y[:, 0] = np.abs(y[:, 0])
    return pb.data.from_arrays(x, y)


def digits() -> Any:
    data = pb.data.load("digits").train
    return pb.data.from_arrays(data.x[:101], data.y[:101])


DENSE = pb.Chain(pb.Flatten(), pb.Linear(700), pb.ReLU(), pb.Dropout(0.2), pb.Linear(10))
NORMED = pb.Chain(
    pb.Channels(), pb.Conv2d(4, 3), pb.LayerNorm(), pb.ReLU(), pb.Flatten(), pb.Linear(10)
)
TOKENS = models.char_transformer(11, layers=1, heads=2, width=8, block=7)
ADAM = pb.optim.chain(pb.optim.ClipGlobalNorm(1.0), pb.optim.AdamW(0.003), pb.optim.EMA(0.9))
# 101 examples in batches of 34: the last one has 33, of which workers get different numbers
CASES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "dense": (DENSE, digits, {"validation": 0.2, "patience": 30, "batch_size": 27}),
    "normed": (NORMED, digits, {"accumulate": 3}),
    "mixed": (NORMED, digits, {"mixup": 0.3, "augment": pb.RandomShift(1)}),
    "tokens": (TOKENS, tokens, {"normalize": "none"}),
    "watched": (NORMED, digits, {"watch": ["noise_scale", "gradient_norm"]}),
    "watched now and then": (NORMED, digits, {"watch": ["noise_scale"], "every": 3}),
    "watched tokens": (TOKENS, tokens, {"normalize": "none", "watch": ["total_variance"]}),
    "watched, tiny": (NORMED, digits, {"batch_size": 3, "watch": ["total_variance"]}),
    "tiny": (NORMED, digits, {"batch_size": 3}),
}


def train_all(folder: Path) -> None:
    """Train each, and leave parameters and losses of the first worker."""
    found = {}
    for name, (net, data, others) in CASES.items():
        given = {"batch_size": 34, "dtype": "float64", "max_steps": STEPS, "epochs": 99} | others
        run = pb.fit(net, data(), loss=pb.losses.CrossEntropy(), optimizer=ADAM, **given)
        found[name] = run.model.theta.flat
        for key in run.history:
            if key != "seconds":
                found[f"{name}.{key}"] = np.array(run.history[key], float)
    here = workers()
    if here.rank == 0:
        np.savez(folder / f"{here.count}.npz", **found)
    here.done()


def fail(kind: str) -> None:
    """Do what a worker must not do."""
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif kind == "raising":
        raise RuntimeError("a fault of this worker's own")
    os._exit(0)


def train_with_fault(folder: Path, kind: str, place: str) -> None:
    """Train with checkpoints; in the second worker something happens, in the third epoch."""
    here = workers()
    at_fault = here.rank == 1

    def at(now: str) -> None:
        if at_fault and now == place:
            (folder / "fault").write_text(str(time.time()), "utf-8")
            fail(kind)

    at("start")
    call, write = Step.__call__, type(here).write

    def step(self: Any, learner: Any, *rest: Any) -> Any:
        if learner.step == 10:
            at("forward")
        return call(self, learner, *rest)

    def reduce(self: Any, declared: Any, gradient: Any, accumulate: bool = False) -> None:
        if self._heartbeat.step == 10:
            at("reduce")
        write(self, declared, gradient, accumulate)

    Step.__call__ = step  # type: ignore[method-assign]
    type(here).write = reduce  # type: ignore[method-assign]

    def told(event: Any) -> None:
        if isinstance(event, pb.train.events.EpochEnded) and event.epoch == 3:
            at("save")

    pb.fit(
        DENSE, digits(), loss=pb.losses.CrossEntropy(), optimizer=ADAM, batch_size=27, epochs=6,
        dtype="float64", callbacks=[told], out=folder / "run",
    )  # fmt: skip
    at("end")
    here.done()


if __name__ == "__main__":
    where, *fault = sys.argv[1:]
    if fault:
        train_with_fault(Path(where), *fault)
    else:
        train_all(Path(where))
