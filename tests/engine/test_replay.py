"""A lowered step is the reference step, hundred times over; and replayed, it is still that."""

import threading

import numpy as np
import pytest

from pullback.core.errors import NonFiniteError, ShapeError
from pullback.core.map import init
from pullback.core.spec import Spec
from pullback.core.theta import Theta
from pullback.core.tree import map_leaves
from pullback.engine import lower, lower_loss, lower_optimizer
from pullback.engine.replay import Replay
from pullback.losses import CrossEntropy, SquaredError
from pullback.maps import (
    BatchNorm,
    Chain,
    Dropout,
    Flatten,
    LayerNorm,
    Linear,
    ReLU,
    Residual,
    Tanh,
)
from pullback.optim import EMA, SGD, Adam, AdamW, ClipGlobalNorm, Momentum, Nesterov, Segment, chain
from pullback.optim.schedules import CosineDecay
from pullback.train.step import Learner, Step

SEED = 5
"""Of the start: one with which no sum comes so near to 0 that rounding decides what ReLU does."""
BOUND = {"float64": 1e-12, "float32": 1e-5}
MLP = Chain(Flatten(), Linear(20), ReLU(), Linear(12), ReLU(), Linear(5))
NETWORKS = {
    "mlp": (MLP, True),
    "wide input": (Chain(Linear(8), ReLU(), Linear(5)), True),
    # Without the bias: its gradient before BatchNorm is but rounding, which Adam would follow.
    "normalised": (
        Chain(
            Linear(9), LayerNorm(), ReLU(), Linear(7, bias=False), BatchNorm(), ReLU(), Linear(5)
        ),
        True,
    ),
    "tanh": (Chain(Linear(9), Tanh(), Linear(5)), True),
    "dropout": (Chain(Linear(9), ReLU(), Dropout(0.2), Linear(5)), False),
    "residual": (Chain(Linear(9), Residual(Chain(ReLU(), Linear(9))), Linear(5)), True),
}
OPTIMIZERS = [
    SGD(0.05), SGD(CosineDecay(0.1, steps=100)), Momentum(0.02), Nesterov(0.02), Adam(0.002),
    AdamW(0.002, weight_decay=0.1), chain(ClipGlobalNorm(0.5), AdamW(0.002), EMA(0.9)),
]  # fmt: skip


def learner_of(net, spec, optimizer, dtype, wide=False) -> Learner:
    theta, state = init(net, spec, SEED, dtype)
    if wide:  # the same start, to calculate with more digits
        theta = theta.layout.view(theta.flat.astype("float64"))
        state = map_leaves(lambda a: a.astype("float64"), state)
    entries = [e for e in theta.layout.entries if not e.alias]
    segments = tuple(Segment(e.name, e.start, e.stop, e.decay) for e in entries)
    gradient = Theta(theta.layout, np.zeros_like(theta.flat))
    return Learner(theta, gradient, optimizer.start(theta.flat, segments), state)


def steps_of(net, loss, optimizer, spec, batch, dtype):
    """The lowered step and the reference step, each with its learner."""
    fast = lower_optimizer(optimizer, dtype)
    lowered = Step(lower(net, spec, batch), net, lower_loss(loss), fast, 7)
    reference = Step(net, net, loss, optimizer, 7)
    return [(step, learner_of(net, spec, step.optimizer, dtype)) for step in (lowered, reference)]


def relative(found, right) -> float:
    return float(np.linalg.norm(found - right) / np.linalg.norm(right))


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize(("net", "jobs_only"), NETWORKS.values(), ids=NETWORKS.keys())
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_a_hundred_steps(net, jobs_only, optimizer, dtype, rng):
    batch, features = 24, 300
    spec = Spec((features,), dtype)
    (fast, mine), (slow, theirs) = steps_of(net, CrossEntropy(), optimizer, spec, batch, dtype)
    exact = learner_of(net, spec, optimizer, dtype, wide=True)
    assert isinstance(fast._passes, Replay) == jobs_only
    x, target = np.empty((batch, features), dtype), np.empty(batch, np.int64)
    for number in range(100):
        x[:] = 0.3 * rng.standard_normal(x.shape)
        target[:] = rng.integers(0, 5, batch)
        count = batch - 5 if number % 10 == 9 else batch  # an epoch's last batch is smaller
        xs, ts = (x, target) if count == batch else (x[:count], target[:count])
        fast(mine, xs, ts, None), slow(theirs, xs, ts, None)
        slow(exact, xs.astype("float64"), ts, None)
    # where the steps amplify rounding, the reference form's own error is the measure
    usual = relative(theirs.theta.flat, exact.theta.flat)
    assert relative(mine.theta.flat, exact.theta.flat) < max(BOUND[dtype], 2 * usual)
    assert mine.state.keys() == theirs.state.keys()
    if jobs_only:
        assert fast._passes._recording is not None


def test_replayed_batches_do_not_come_back_to_the_network(rng, monkeypatch):
    spec = Spec((6,), "float64")
    (fast, mine), (slow, theirs) = steps_of(MLP, CrossEntropy(), SGD(0.1), spec, 8, "float64")
    x, target = np.empty((8, 6)), np.empty(8, np.int64)

    def new_batch() -> None:
        x[:], target[:] = rng.standard_normal((8, 6)), rng.integers(0, 5, 8)

    for _ in range(2):
        new_batch()
        fast(mine, x, target, None), slow(theirs, x, target, None)
    monkeypatch.setattr(type(fast.net.maps[1]), "forward", None)
    for _ in range(5):
        new_batch()
        found, right = fast(mine, x, target, None), slow(theirs, x, target, None)
        assert relative(found[0][1].y, right[0][1].y) < 1e-12
    assert relative(mine.theta.flat, theirs.theta.flat) < 1e-12


def test_weights_and_parts_of_a_batch_are_not_replayed(rng):
    spec = Spec((6,), "float64")
    for pieces, weight in ((2, None), (1, np.linspace(0.5, 2, 8))):
        (fast, mine), (slow, theirs) = (
            (Step(s.net, s.reference, s.loss, s.optimizer, s.seed, pieces), learner)
            for s, learner in steps_of(MLP, CrossEntropy(), SGD(0.1), spec, 8, "float64")
        )
        x, target = np.empty((8, 6)), np.empty(8, np.int64)
        for _ in range(10):
            x[:], target[:] = rng.standard_normal((8, 6)), rng.integers(0, 5, 8)
            fast(mine, x, target, weight), slow(theirs, x, target, weight)
            if weight is not None:
                weight += rng.random(8)
        assert relative(mine.theta.flat, theirs.theta.flat) < 1e-12
        assert fast._passes._recording is None


def test_targets_are_checked_in_replayed_batches_too(rng):
    spec = Spec((6,), "float64")
    (fast, mine), _ = steps_of(MLP, CrossEntropy(), SGD(0.1), spec, 8, "float64")
    x, target = rng.standard_normal((8, 6)), np.zeros(8, np.int64)
    for _ in range(4):
        fast(mine, x, target, None)
    before = mine.theta.flat.copy()
    for wrong in (5, -1, 2**40):
        target[3] = wrong
        with pytest.raises(ShapeError, match=r"expected whole numbers 0\.\.4"):
            fast(mine, x, target, None)
    np.testing.assert_array_equal(mine.theta.flat, before)


def test_what_is_not_finite_is_found_in_replayed_batches_too(rng):
    spec = Spec((6,), "float64")
    (fast, mine), _ = steps_of(MLP, CrossEntropy(), SGD(0.1), spec, 8, "float64")
    x, target = rng.standard_normal((8, 6)), np.zeros(8, np.int64)
    for _ in range(4):
        fast(mine, x, target, None)
    before, x[3, 2] = mine.theta.flat.copy(), np.inf
    with pytest.raises(NonFiniteError), np.errstate(all="ignore"):
        fast(mine, x, target, None)
    np.testing.assert_array_equal(mine.theta.flat, before)


def test_other_losses_are_not_replayed(rng):
    spec = Spec((6,), "float64")
    (fast, mine), (slow, theirs) = steps_of(MLP, SquaredError(), SGD(0.1), spec, 8, "float64")
    x, target = rng.standard_normal((8, 6)), rng.standard_normal((8, 5))
    for _ in range(5):
        fast(mine, x, target, None), slow(theirs, x, target, None)
    assert not isinstance(fast._passes, Replay)
    assert relative(mine.theta.flat, theirs.theta.flat) < 1e-12


@pytest.mark.parametrize("kind", ["uint8", "int32", "uint64"])
def test_class_numbers_of_other_types_are_read_anew_in_every_batch(kind, rng):
    """The kernel takes a copy of them, which would be an old one if it were replayed."""
    spec = Spec((6,), "float64")
    (fast, mine), (slow, theirs) = steps_of(MLP, CrossEntropy(), SGD(0.1), spec, 8, "float64")
    x, target = np.empty((8, 6)), np.empty(8, kind)
    for _ in range(8):
        x[:], target[:] = rng.standard_normal((8, 6)), rng.integers(0, 5, 8)
        fast(mine, x, target, None), slow(theirs, x, target, None)
    assert relative(mine.theta.flat, theirs.theta.flat) < 1e-12


def test_what_other_threads_do_is_not_recorded(rng):
    """Two runs in two threads of Python, each of which records its own steps."""
    spec, found = Spec((6,), "float64"), {}
    batches = [(rng.standard_normal((8, 6)), rng.integers(0, 5, 8)) for _ in range(400)]

    def run(seed: int) -> None:
        (fast, mine), _ = steps_of(MLP, CrossEntropy(), SGD(0.01), spec, 8, "float64")
        x, target = np.empty((8, 6)), np.empty(8, np.int64)
        for new_x, new_target in batches[seed:] + batches[:seed]:
            x[:], target[:] = new_x, new_target
            fast(mine, x, target, None)
        found[seed] = mine.theta.flat.copy()

    for seed in range(4):
        run(seed)
    right = dict(found)
    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(4):
        np.testing.assert_array_equal(found[seed], right[seed])
