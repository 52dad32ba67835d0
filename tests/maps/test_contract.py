"""What every registered map must hold to, in float64 unless it says otherwise."""

import copy
import pickle
from collections import Counter

import numpy as np
import pytest
from arrays import (
    arrays_in,
    each_part,
    largest_gradient_error,
    like_input,
    parts,
    relative_error,
    same,
)
from contract_cases import CASES, INPUTS, Case, Setting, all_cases, all_inputs, setting

from pullback.check import adjoint_error, complex_step_gradient, difference_gradient
from pullback.core.analytic import analytic
from pullback.core.map import MAPS
from pullback.core.spec import spec_of
from pullback.core.theta import Theta, write_gradient
from pullback.core.tree import leaves

FOUND = all_cases()
DRAWN = all_inputs()
every_case = pytest.mark.parametrize("case", FOUND.values(), ids=FOUND.keys())
every_input = pytest.mark.parametrize(("case", "seed"), DRAWN.values(), ids=DRAWN.keys())


def gradient_of(s: Setting, res, delta) -> Theta:
    gradient = s.p.layout.view(np.zeros_like(s.p.flat))
    write_gradient(s.net.grads(s.p, res, delta), gradient)
    return gradient


def test_the_table_covers_the_registry():
    assert set(CASES) == set(MAPS)
    assert FOUND
    for name, cases in CASES.items():
        assert len(cases) >= 3, name
        assert {type(case.net).__name__ for case in cases} & {name, "Chain", "Parallel"}, name


def shown(x):
    return [(part.tobytes(), part.shape) for part in parts(x)]


def test_every_map_gets_enough_inputs():
    drawn = Counter(name.partition("-")[0] for name in DRAWN)
    assert set(drawn) == set(MAPS)
    assert min(drawn.values()) >= INPUTS
    for name in MAPS:  # and no two of them are the same
        kept = [
            setting(case, seed=seed)
            for key, (case, seed) in DRAWN.items()
            if key.startswith(f"{name}-")
        ]
        assert len({(*shown(s.x), repr(s.net), s.ctx.train) for s in kept}) == drawn[name]


def contains(net, name: str) -> bool:
    return type(net).__name__ == name or any(contains(n, name) for n in net.children().values())


@pytest.mark.parametrize("name", CASES)
def test_cases_are_of_their_map(name):
    assert all(contains(case.net, name) for case in CASES[name])
    assert any(case.batch == 1 for case in CASES[name]) or name == "Chain"


@every_input
def test_gradients_are_those_of_the_function(case: Case, seed):
    """Within 1e-12 of the complex step, and where there are no kinks 1e-9 of differences."""
    s = setting(case, seed=seed)

    def product(*at):
        *inputs, flat = map(analytic, at) if any(map(np.iscomplexobj, at)) else at
        y, _ = s.net.forward(Theta(s.p.layout, flat), like_input(s.x, inputs), s.ctx)
        return np.sum(s.gy * np.asarray(y))

    _, res = s.net.forward(s.p, s.x, s.ctx)
    gx, delta = s.net.pullback(s.p, res, s.gy)
    gradient = gradient_of(s, res, delta)
    rules = {complex_step_gradient: 1e-12}
    if case.smooth:
        rules[difference_gradient] = 1e-9
    for rule, bound in rules.items():
        *expected_x, expected_p = rule(lambda at: product(*at), (*parts(s.x), s.p.flat))
        for found, expected in zip(parts(gx), expected_x, strict=True):
            assert relative_error(found, expected) < bound
        assert largest_gradient_error(gradient, Theta(s.p.layout, expected_p)) < bound


@every_input
def test_adjoint_identity(case: Case, seed, rng):
    s = setting(case, seed=seed)
    for _ in range(3):
        assert adjoint_error(s.net, s.p, s.x, s.ctx, rng) < 1e-12


@every_case
def test_gradients_of_single_examples(case: Case):
    s = setting(case)
    _, res = s.net.forward(s.p, s.x, s.ctx)
    _, delta = s.net.pullback(s.p, res, s.gy)
    for path, contraction in leaves(s.net.grads(s.p, res, delta)):
        each, total = contraction.each(), contraction.sum()
        assert len(each) == len(s.gy)
        assert np.linalg.norm(each.sum(axis=0) - total) <= 1e-12 * np.linalg.norm(each), path
        norms = (each.reshape(len(each), -1) ** 2).sum(axis=1)
        assert relative_error(contraction.sq_norms(), norms) < 1e-12, path


@every_case
def test_nothing_given_is_changed(case: Case):
    s = setting(case)
    p, x, gy, ctx = copy.deepcopy((s.p, s.x, s.gy, s.ctx))
    y, res = s.net.forward(s.p, s.x, s.ctx)
    y_kept, res_kept = copy.deepcopy((y, res))
    _, delta = s.net.pullback(s.p, res, s.gy)
    delta_kept = copy.deepcopy(delta)
    for _, contraction in leaves(s.net.grads(s.p, res, delta)):
        contraction.sum(), contraction.each(), contraction.sq_norms()
    s.net.pushforward(s.p, res, p, x)
    if case.train:
        s.net.advance(s.ctx.state, res)
    assert same(s.p.flat, p.flat)
    assert same([s.x, s.gy, s.ctx.state], [x, gy, ctx.state])
    assert same([y, res, delta], [y_kept, res_kept, delta_kept])


@every_case
def test_results_are_no_views_of_the_parameters(case: Case):
    s = setting(case)
    y, res = s.net.forward(s.p, s.x, s.ctx)
    gx, delta = s.net.pullback(s.p, res, s.gy)
    dy = s.net.pushforward(s.p, res, s.p, s.x)
    declared = [c for _, c in leaves(s.net.grads(s.p, res, delta))]
    sums = [np.asarray(c.sum()) for c in declared] + [np.asarray(c.each()) for c in declared]
    for array in [y, *parts(gx), dy, *sums, *arrays_in([res, delta])]:
        assert not np.shares_memory(array, s.p.flat)
    for array in sums:
        assert not any(np.shares_memory(array, part) for part in parts(s.x))


@every_case
def test_residuals_are_plain_data(case: Case):
    s = setting(case)
    _, res = s.net.forward(s.p, s.x, s.ctx)
    again = pickle.loads(pickle.dumps(res))
    assert same(again, res)
    first, second = s.net.pullback(s.p, res, s.gy), s.net.pullback(s.p, again, s.gy)
    assert same(first, second)
    assert same(gradient_of(s, res, first[1]).flat, gradient_of(s, again, second[1]).flat)


@every_case
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shapes_and_types_are_as_declared(case: Case, dtype):
    s = setting(case, dtype)
    y, res = s.net.forward(s.p, s.x, s.ctx)
    assert spec_of(y) == s.net.spec(spec_of(s.x))
    assert len(y) == len(s.gy)
    gx, delta = s.net.pullback(s.p, res, s.gy)
    for found, given in zip(parts(gx), parts(s.x), strict=True):
        assert (found.shape, found.dtype) == (given.shape, given.dtype)
    dy = s.net.pushforward(s.p, res, s.p, s.x)
    assert (dy.shape, dy.dtype) == (y.shape, y.dtype)
    declared = dict(leaves(s.net.grads(s.p, res, delta)))
    assert list(declared) == [entry.path for entry in s.p.layout.entries]
    for entry in s.p.layout.entries:
        total = declared[entry.path].sum()
        assert (total.shape, total.dtype) == (entry.shape, s.gy.dtype)
    state = s.net.advance(s.ctx.state, res) if case.train else s.ctx.state
    assert all(array.dtype == dtype for array in arrays_in(state))
    assert [path for path, _ in leaves(state)] == [path for path, _ in leaves(s.ctx.state)]


@every_case
def test_examples_are_coupled_only_where_it_is_said(case: Case):
    s = setting(case)
    y, res = s.net.forward(s.p, s.x, s.ctx)
    gx, _ = s.net.pullback(s.p, res, s.gy)
    if s.net.couples_batch and case.train:
        x = s.x.copy()
        x[0] *= 2
        moved, _ = s.net.forward(s.p, x, s.ctx)
        others = [not np.allclose(moved[i], y[i], rtol=1e-9) for i in range(1, len(y))]
        assert any(others) or len(y) == 1
        return
    for i in range(len(s.gy)):
        one = slice(i, i + 1)
        x_one = each_part(lambda a, one=one: a[one], s.x)
        y_one, res = s.net.forward(s.p, x_one, s.ctx._replace(first=i))
        gx_one, _ = s.net.pullback(s.p, res, s.gy[one])
        assert relative_error(y_one, y[one]) < 1e-14
        for found, expected in zip(parts(gx_one), parts(gx), strict=True):
            assert relative_error(found, expected[one]) < 1e-14
