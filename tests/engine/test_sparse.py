"""Products that leave out inputs of 0, against the reference form."""

from __future__ import annotations

import numpy as np
import pytest

import pullback as pb
from pullback.core.context import Context
from pullback.core.map import init
from pullback.core.spec import Spec
from pullback.core.theta import write_gradient
from pullback.data.normalize import Affine
from pullback.engine import lower, lower_batches
from pullback.engine.kernels import dense, sparse

TOLERANCES = {"float32": 2e-5, "float64": 1e-12}
both_types = pytest.mark.parametrize("dtype", TOLERANCES)


def network(m: int) -> pb.Chain:
    return pb.Chain(pb.Flatten(), pb.Linear(m), pb.ReLU(), pb.Linear(3))


def inputs(rng, shape, zeros, dtype):
    x = rng.standard_normal(shape).astype(dtype)
    x[rng.random(shape) < zeros] = 0
    return x


def kernels_of(fast) -> set:
    first = fast.maps[1]
    return {first._partial.kernel if first._long else None, first.sums["W"].kernel}


def passed(net, p, x, gy):
    y, res = net.forward(p, x, Context())
    y = y.copy()
    _, delta = net.pullback(p, res, gy)
    gradient = p.layout.view(np.full_like(p.flat, np.nan))
    write_gradient(net.grads(p, res, delta), gradient)
    return y, gradient.flat


@both_types
@pytest.mark.parametrize("zeros", [0, 0.5, 0.9, 0.999, 1])
@pytest.mark.parametrize("m", [16, 48, 128, 240])
def test_against_the_reference(m, zeros, dtype, rng):
    net, most = network(m), 70
    p, _ = init(net, Spec((28, 31)), seed=1, dtype="float64")
    own = p.layout.view(p.flat.astype(dtype))
    fast = lower(net, Spec((28, 31), dtype), most, sparse=True)
    assert kernels_of(fast) == {sparse.sparse_partial, sparse.sparse_outer}
    for count in (70, 1, 31, 32, 33, 70):  # what is left in the buffers must not show
        x = inputs(rng, (count, 28, 31), zeros, dtype)
        gy = rng.standard_normal((count, 3)).astype(dtype)
        wide = p.layout.view(own.flat.astype("float64"))
        right = passed(net, wide, x.astype("float64"), gy.astype("float64"))
        for found, expected in zip(passed(fast, own, x, gy), right, strict=True):
            scale = np.abs(expected).max() + 1e-30
            np.testing.assert_allclose(found / scale, expected / scale, atol=TOLERANCES[dtype])


@both_types
def test_a_nan_among_the_inputs_is_not_left_out(dtype, rng):
    net, x = network(16), inputs(rng, (5, 900), 0.9, dtype)
    x[2, 500] = np.nan
    p, _ = init(net, Spec((900,)), dtype=dtype)
    fast = lower(net, Spec((900,), dtype), 5, sparse=True)
    assert kernels_of(fast) == {sparse.sparse_partial, sparse.sparse_outer}
    y, gradient = passed(fast, p, x, np.ones((5, 3), dtype))
    assert np.isnan(y).any(axis=1).tolist() == [False, False, True, False, False]
    assert np.isnan(p.layout.view(gradient)["1"]["W"][500]).any()


def test_its_jobs_take_three_arrays_and_gradients_wait_for_nobody():
    fast = lower(network(32), Spec((784,)), 64, sparse=True)
    product, sums = fast.maps[1]._partial, fast.maps[1].sums
    assert [job.independent for job in (product, sums["W"], sums["b"])] == [False, True, True]
    assert len(product._addresses) == len(sums["W"]._addresses) == 3  # nothing is left unset


def test_only_the_first_layer_of_whole_vectors_whose_inputs_are_mostly_zeros():
    def found(net, **changes):
        return kernels_of(lower(net, Spec((784,)), 64, **changes))

    assert found(network(32), sparse=True) == {sparse.sparse_partial, sparse.sparse_outer}
    assert sparse.sparse_outer not in found(network(32))
    assert sparse.sparse_outer not in found(network(30), sparse=True)
    assert found(network(32), sparse=True, input_gradient=True) <= {
        None, dense.linear_partial, dense.outer,
    }  # fmt: skip
    behind = lower(pb.Chain(pb.Tanh(), *network(32).maps[1:]), Spec((784,)), 64, sparse=True)
    assert sparse.sparse_outer not in kernels_of(behind)


@pytest.mark.parametrize(
    ("normalizer", "expected"), [(Affine(), True), (Affine(0.5), True), (Affine(0.5, -1.0), False)]
)
def test_data_are_sparse_where_most_of_the_networks_inputs_are_zero(normalizer, expected, rng):
    x = rng.integers(1, 255, (600, 8, 8), dtype=np.uint8)
    y = np.zeros(600, np.int64)
    for zeros, sparse_enough in ((0.4, False), (0.6, expected)):
        data = pb.data.from_arrays(np.where(rng.random(x.shape) < zeros, 0, x), y)
        assert lower_batches(data, normalizer, 32, "float32").sparse == sparse_enough
