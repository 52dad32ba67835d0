"""Many steps without Python between, against the same steps taken one by one."""

from __future__ import annotations

import numpy as np
import pytest

import pullback as pb
from pullback.engine.program import MOST, Program
from pullback.train import loop, stepping
from pullback.train.events import Audited, Progress

OPTIMIZERS = [
    pb.optim.SGD(0.1), pb.optim.Momentum(pb.optim.OneCycle(0.05)), pb.optim.Nesterov(0.02),
    pb.optim.Adam(0.002), pb.optim.AdamW(pb.optim.CosineDecay(0.002), weight_decay=0.1),
    pb.optim.SGD(pb.optim.OnPlateau(0.1, patience=0)),
]  # fmt: skip


def images(count: int = 1000) -> pb.data.Dataset:
    """Bytes with more inputs than a batch has examples, so that parts of it lie apart."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 10, count)
    x = rng.integers(0, 150, (count, 28, 28), dtype=np.uint8)
    x[np.arange(count), 2 * y] += 100
    return pb.data.from_arrays(x, y)


def drawings() -> pb.data.Dataset:
    """Images most of which is 0."""
    data = images()
    paper = np.random.default_rng(2).random(data.x.shape) < 0.8
    return pb.data.from_arrays(np.where(paper, 0, data.x), data.y)


def fit(data=None, out=None, first=40, **changes) -> pb.Run:
    layers = pb.Linear(first), pb.ReLU(), pb.Linear(30), pb.ReLU(), pb.Linear(10)
    settings = {
        "loss": pb.losses.CrossEntropy(), "optimizer": pb.optim.SGD(0.1), "epochs": 2,
        "batch_size": 48, "validation": 0.2, "seed": 3, **changes,
    }  # fmt: skip
    return pb.fit(pb.Chain(pb.Flatten(), *layers), data or images(), out=out, **settings)


@pytest.fixture
def one_by_one(monkeypatch):
    """A function that runs another with every step written out."""

    def run(function):
        with monkeypatch.context() as patch:
            patch.setattr(stepping, "program", lambda *parts: None)
            return function()

    return run


@pytest.fixture
def taken(monkeypatch):
    """How many steps each call of a program has taken."""
    found, original = [], Program.run

    def run(self, *arguments):
        found.append(original(self, *arguments))
        return found[-1]

    monkeypatch.setattr(Program, "run", run)
    return found


def figures(run: pb.Run) -> list[dict]:
    return [{k: v for k, v in record.items() if k != "seconds"} for record in run.history.records]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_the_same_bits_as_one_by_one(optimizer, dtype, one_by_one, taken):
    many = fit(optimizer=optimizer, dtype=dtype)
    assert sum(taken) == 2 * (800 // 48) - 1  # all whole batches but the first, which is learned
    del taken[:]
    single = one_by_one(lambda: fit(optimizer=optimizer, dtype=dtype))
    assert not taken
    np.testing.assert_array_equal(many.model.theta.flat, single.model.theta.flat)
    assert figures(many) == figures(single)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", [48, 512])
def test_the_same_bits_where_zeros_are_left_out(batch_size, dtype, one_by_one, taken):
    settings = {"normalize": "scale", "batch_size": batch_size, "dtype": dtype, "first": 64}
    many = fit(drawings(), **settings)
    assert sum(taken) == 2 * (800 // batch_size) - 1
    single = one_by_one(lambda: fit(drawings(), **settings))
    np.testing.assert_array_equal(many.model.theta.flat, single.model.theta.flat)
    assert figures(many) == figures(single)


def test_tables_of_numbers_take_part_and_columns_scaled_apart_do_not(one_by_one, taken):
    table = pb.data.from_arrays(images().x.reshape(1000, -1)[:, :90].astype("float32"), images().y)
    runs = [fit(table, normalize="none"), one_by_one(lambda: fit(table, normalize="none"))]
    assert sum(taken) > 20
    np.testing.assert_array_equal(runs[0].model.theta.flat, runs[1].model.theta.flat)
    del taken[:]
    fit(table, normalize="standard")
    assert not taken


@pytest.mark.parametrize(
    "changes",
    [
        {"augment": pb.RandomShift(1)}, {"mixup": 0.2}, {"accumulate": 2},
        {"metrics": ("accuracy", "top2")},
        {"optimizer": pb.optim.chain(pb.optim.SGD(0.1), pb.optim.EMA(0.9))},
        {"loss": pb.losses.CrossEntropy(class_weights=(1.0,) * 10)},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_made_of_jobs_goes_one_by_one(changes, taken):
    fit(**changes)
    assert not taken


@pytest.mark.parametrize("stop", [1, 2, 3, 17, 18, 30])
def test_interrupted_anywhere_it_goes_on_bit_for_bit(stop, tmp_path, monkeypatch):
    whole = fit()
    most, reason = stepping.Stepper._most, loop.Loop._reason_before_step
    with monkeypatch.context() as patch:
        patch.setattr(
            stepping.Stepper, "_most", lambda s, n: min(most(s, n), stop - s.learner.step)
        )
        patch.setattr(
            loop.Loop, "_reason_before_step",
            lambda s, i: "interrupted" if s.learner.step == stop else reason(s, i),
        )  # fmt: skip
        assert fit(out=tmp_path / "run").stopped == "interrupted"
    again = pb.resume(tmp_path / "run", images())
    np.testing.assert_array_equal(again.model.theta.flat, whole.model.theta.flat)
    assert figures(again) == figures(whole)


def test_steps_are_audited_when_they_are_due(taken):
    seen = []
    fit(audit=5, callbacks=(lambda e: seen.append(e) if isinstance(e, Audited) else None,))
    assert [event.step for event in seen] == [5, 10, 15, 20, 25, 30]
    assert max(taken) <= 5


def test_numbers_whose_squares_overflow_are_no_reason_to_stop(taken):
    """They halt the program, are looked at, found finite, and the step is taken."""
    data = images()
    large = pb.data.from_arrays((data.x * np.float32(1e22)).astype("float32"), data.y)
    run = fit(large, normalize="none", optimizer=pb.optim.SGD(0.0), epochs=1)
    assert set(taken) == {0}
    assert np.isfinite(run.history["loss"]).all()
    assert run.history["loss"][0] > 1e19


def test_progress_is_seen_and_a_call_ends_soon(taken, monkeypatch):
    monkeypatch.setattr(loop, "PROGRESS_SECONDS", 0.0)
    data, events = images(30_000), []
    fit(data, batch_size=8, epochs=1, callbacks=(events.append,))
    assert max(taken) <= MOST
    assert len(taken) > 10
    steps = [event.step for event in events if isinstance(event, Progress)]
    assert len(steps) > 10
    assert steps == sorted(steps)
