"""Steps of networks that read symbols and score one at every position, replayed from their jobs."""

import numpy as np
import pytest
from engine.test_replay import BOUND, relative, steps_of

from pullback.core.errors import DataError, NonFiniteError, ShapeError
from pullback.core.spec import Spec
from pullback.engine.replay import Replay
from pullback.losses import CrossEntropy
from pullback.maps import Chain, Embedding, Linear, Tanh, Unembedding
from pullback.models import char_transformer
from pullback.optim import SGD, AdamW

STEPS, SYMBOLS, BATCH = 12, 11, 6
NETWORKS = {
    "transformer": char_transformer(SYMBOLS, layers=2, heads=2, width=32, block=STEPS),
    "longer table": char_transformer(SYMBOLS, layers=1, heads=2, width=32, block=STEPS + 3),
    "one table twice": Chain(
        Embedding(SYMBOLS, 16, share="t"), Linear(16), Tanh(), Unembedding(SYMBOLS, share="t")
    ),
}
REPLAYED = {"transformer", "one table twice"}


@pytest.fixture
def step():
    """A step of a network whose batches are replayed, its learner, ids and targets."""
    net, spec = NETWORKS["one table twice"], Spec((STEPS,), "float64")
    (fast, learner), _ = steps_of(net, CrossEntropy(), SGD(0.1), spec, BATCH, "float64")
    x, target = np.ones((BATCH, STEPS)), np.ones((BATCH, STEPS), np.int64)
    for _ in range(4):
        fast(learner, x, target, None)
    assert fast._passes._recording is not None
    return fast, learner, x, target


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_many_steps(name, dtype, smoothing, rng):
    spec, loss = Spec((STEPS,), dtype), CrossEntropy(smoothing)
    steps = steps_of(NETWORKS[name], loss, AdamW(0.002), spec, BATCH, dtype)
    (fast, mine), (slow, theirs) = steps
    assert isinstance(fast._passes, Replay)
    x, target = np.empty((BATCH, STEPS), dtype), np.empty((BATCH, STEPS), np.int64)
    for number in range(40):
        x[:], target[:] = rng.integers(-1, SYMBOLS, (2, BATCH, STEPS))
        if number % 5:  # else some positions are padding
            np.maximum(target, 0, out=target)
        count = BATCH - 2 if number % 10 == 9 else BATCH
        xs, ts = (x, target) if count == BATCH else (x[:count], target[:count])
        [(_, found)], [(_, right)] = fast(mine, xs, ts, None), slow(theirs, xs, ts, None)
        np.testing.assert_allclose(found.values, right.values, rtol=BOUND[dtype] * 50)
    assert relative(mine.gradient.flat, theirs.gradient.flat) < BOUND[dtype] * 50
    assert relative(mine.theta.flat, theirs.theta.flat) < BOUND[dtype] * 50
    assert (fast._passes._recording is not None) == (name in REPLAYED)


def test_replayed_batches_do_not_come_back_to_the_network(step, monkeypatch):
    fast, learner, x, target = step
    monkeypatch.setattr(type(fast.net.maps[0]), "forward", None)
    before = learner.theta.flat.copy()
    fast(learner, x, target, None)
    assert relative(learner.theta.flat, before) > 0
    target[0, 0] = -1  # with padding it is not the same again
    with pytest.raises(TypeError):
        fast(learner, x, target, None)


@pytest.mark.parametrize("wrong", [SYMBOLS, 1e6, 2.5, -0.5, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("replayed", [True, False])
def test_what_is_no_id_is_refused(step, wrong, replayed):
    fast, learner, x, target = step
    before, x[2, 3] = learner.theta.flat.copy(), wrong
    said = r"at \(2, 3\)|finite, first in the input"
    with pytest.raises((DataError, NonFiniteError), match=said):
        fast(learner, x if replayed else x.copy(), target, None)
    np.testing.assert_array_equal(learner.theta.flat, before)


@pytest.mark.parametrize("replayed", [True, False])
def test_a_class_number_that_is_too_large_is_refused(step, replayed):
    fast, learner, x, target = step
    before, target[2, 3] = learner.theta.flat.copy(), SYMBOLS
    with pytest.raises(ShapeError, match="class numbers from"):
        fast(learner, x, target if replayed else target.copy(), None)
    np.testing.assert_array_equal(learner.theta.flat, before)


@pytest.mark.parametrize("near", [0.005, -0.005])
def test_ids_may_be_off_by_rounding_and_below_0_is_padding(near, rng):
    net, spec = NETWORKS["one table twice"], Spec((STEPS,), "float32")
    (fast, mine), (slow, theirs) = steps_of(net, CrossEntropy(), SGD(0.1), spec, BATCH, "float32")
    x = rng.integers(-3, SYMBOLS, (BATCH, STEPS)).astype("float32") + np.float32(near)
    target = rng.integers(0, SYMBOLS, (BATCH, STEPS))
    [(_, found)], [(_, right)] = fast(mine, x, target, None), slow(theirs, x, target, None)
    np.testing.assert_allclose(found.y, right.y, rtol=1e-5, atol=1e-7)


def test_ids_that_are_integers_are_read_by_the_source(rng):
    net, spec = NETWORKS["one table twice"], Spec((STEPS,), "float32")
    (fast, mine), (slow, theirs) = steps_of(net, CrossEntropy(), SGD(0.1), spec, BATCH, "float32")
    x, target = np.empty((BATCH, STEPS), np.int32), np.empty((BATCH, STEPS), np.int64)
    for _ in range(5):
        x[:], target[:] = rng.integers(0, SYMBOLS, (2, BATCH, STEPS))
        fast(mine, x, target, None), slow(theirs, x, target, None)
    assert fast._passes._recording is None
    assert relative(mine.theta.flat, theirs.theta.flat) < 1e-5
