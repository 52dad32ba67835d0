"""What every registered loss must hold to, in float64 unless it says otherwise."""

import copy
import pickle
from collections import Counter

import numpy as np
import pytest
from arrays import relative_error, same
from contract_cases import INPUTS
from loss_cases import LOSS_CASES, LossCase, all_loss_cases, all_loss_inputs

from pullback.check import complex_step_gradient, difference_gradient
from pullback.core.analytic import analytic
from pullback.core.errors import ShapeError
from pullback.losses import LOSSES

FOUND = all_loss_cases()
DRAWN = all_loss_inputs()
every_case = pytest.mark.parametrize("case", FOUND.values(), ids=FOUND.keys())
every_input = pytest.mark.parametrize(("case", "seed"), DRAWN.values(), ids=DRAWN.keys())


def test_the_table_covers_the_registry():
    assert set(LOSS_CASES) == set(LOSSES)
    assert FOUND
    for name, cases in LOSS_CASES.items():
        assert len(cases) >= 3
        assert all(type(case.loss).__name__ == name for case in cases)


def test_every_loss_gets_enough_inputs():
    drawn = Counter(name.partition("-")[0] for name in DRAWN)
    assert set(drawn) == set(LOSSES)
    assert min(drawn.values()) >= INPUTS


@every_input
def test_the_pullback_is_the_gradient(case: LossCase, seed, rng):
    y, target = case.arrays(seed)
    g = rng.standard_normal(len(y))
    _, slope = case.loss.forward(y, target)

    def product(at):
        values, _ = case.loss.forward(analytic(at) if np.iscomplexobj(at) else at, target)
        return np.sum(g * np.asarray(values))

    rules = {complex_step_gradient: 1e-12}
    if case.smooth:
        rules[difference_gradient] = 1e-9
    for rule, bound in rules.items():
        assert relative_error(case.loss.pullback(slope, g), rule(product, y)) < bound


@every_input
def test_adjoint_identity(case: LossCase, seed, rng):
    y, target = case.arrays(seed)
    _, slope = case.loss.forward(y, target)
    g, dy = rng.standard_normal(len(y)), rng.standard_normal(y.shape)
    pushed, pulled = case.loss.pushforward(slope, dy), case.loss.pullback(slope, g)
    assert pushed.shape == g.shape
    assert pulled.shape == y.shape
    scale = np.linalg.norm(g) * np.linalg.norm(pushed)
    assert abs(np.sum(g * pushed) - np.sum(pulled * dy)) <= 1e-12 * scale


@every_case
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shapes_and_types(case: LossCase, dtype):
    y, target = case.arrays()
    values, slope = case.loss.forward(y.astype(dtype), target)
    assert (values.shape, values.dtype) == ((len(y),), dtype)
    assert (slope.shape, slope.dtype) == (y.shape, dtype)
    g = np.ones(len(y), dtype)
    assert case.loss.pullback(slope, g).dtype == dtype
    assert case.loss.pushforward(slope, slope).dtype == dtype
    link = case.loss.link(y.astype(dtype))
    assert (link.shape, link.dtype) == (y.shape, dtype)


@every_case
def test_nothing_given_is_changed(case: LossCase):
    y, target = case.arrays()
    g = np.ones(len(y))
    kept = copy.deepcopy((y, target, g))
    values, slope = case.loss.forward(y, target)
    slope_kept = slope.copy()
    case.loss.pullback(slope, g)
    case.loss.pushforward(slope, y)
    case.loss.link(y)
    assert same((y, target, g), kept)
    assert same(slope, slope_kept)
    assert not np.shares_memory(slope, y)
    assert same(pickle.loads(pickle.dumps(slope)), slope)
    assert not np.shares_memory(values, y)


@every_case
def test_examples_are_apart(case: LossCase):
    y, target = case.arrays()
    values, slope = case.loss.forward(y, target)
    for i in range(len(y)):
        one = slice(i, i + 1)
        value_alone, slope_alone = case.loss.forward(y[one], target[one])
        assert relative_error(value_alone, values[one]) < 1e-14
        assert relative_error(slope_alone, slope[one]) < 1e-14


@every_case
@pytest.mark.parametrize("size", [1e4, -1e4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_outputs_give_finite_values(case: LossCase, size, dtype):
    y, target = case.arrays()
    for far in (np.full_like(y, size), size * np.sign(y), np.where(y == y.max(), size, y)):
        values, slope = case.loss.forward(far.astype(dtype), target)
        assert np.all(np.isfinite(values))
        assert np.all(np.isfinite(slope))
        assert np.all(np.isfinite(case.loss.link(far.astype(dtype))))


@every_case
def test_a_target_of_another_shape_is_refused(case: LossCase):
    y, target = case.arrays()
    for wrong in (target[..., None, None], np.concatenate([target, target[:1]])):
        with pytest.raises(ShapeError, match=r"target's shape \(.* does not fit the output's \("):
            case.loss.forward(y, wrong)


@every_case
def test_metrics_are_names(case: LossCase):
    assert all(isinstance(name, str) for name in case.loss.metrics)
