"""Rows added at ids: what a contraction with ones and zeros gives, without forming those."""

import numpy as np
import pytest
from arrays import relative_error

from pullback.core.contraction import C
from pullback.core.errors import ShapeError
from pullback.core.scatter import Scatter

COUNT = 5
SHAPES = [(4,), (3, 6), (1, 2), (2, 3, 2), (0, 3)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def made(shape, dtype="float64"):
    rng = np.random.default_rng(1)
    ids = rng.integers(-2, COUNT, shape)
    delta = rng.standard_normal((*shape, 3)).astype(dtype)
    rows = ids.reshape(len(ids), int(np.prod(shape[1:])))
    taken = (rows[..., None] == np.arange(COUNT)).astype(dtype)
    plain = C("nto,nti->io", delta=delta.reshape(*rows.shape, 3), taken=taken)
    return Scatter(COUNT, ids, delta), plain


@every_shape
def test_all_that_is_asked_of_a_contraction(shape):
    scatter, plain = made(shape)
    right = plain.sum()
    assert relative_error(scatter.sum(), right) < 1e-14
    out = np.full(right.shape, 7.0)
    assert scatter.sum(out=out) is out
    assert relative_error(out, right) < 1e-14
    assert relative_error(scatter.each(), plain.each()) < 1e-14
    assert relative_error(scatter.sq_norms(), plain.sq_norms()) < 1e-13
    assert str(scatter) == str(plain) == "[i,o] = Σ_n,t delta[n,t,o] taken[n,t,i]"
    assert repr(scatter) == repr(plain)
    assert [*scatter.summands((1, 2))] == [*plain.summands((1, 2))]
    for one, other in zip(scatter.operands, plain.operands, strict=True):
        np.testing.assert_array_equal(one, other)


def test_ids_that_repeat_add_up_and_those_below_0_are_left_out():
    ids, delta = np.array([[1, 1, -1, 3]]), np.array([[[1.0], [2.0], [50.0], [4.0]]])
    scatter = Scatter(4, ids, delta)
    assert scatter.sum().tolist() == [[0], [3], [0], [4]]
    assert scatter.sq_norms().tolist() == [25.0]


@every_shape
def test_float32_stays(shape):
    scatter, _ = made(shape, "float32")
    for result in (scatter.sum(), scatter.each(), scatter.sq_norms(), *scatter.operands):
        assert result.dtype == np.float32


@every_shape
def test_arrays_of_another_library(shape):
    torch = pytest.importorskip("torch")
    scatter, _ = made(shape)
    ids, delta = (torch.tensor(a) for a in (scatter._ids, scatter._delta))
    found = Scatter(COUNT, ids, delta)
    out = torch.full((COUNT, 3), torch.nan, dtype=torch.float64)
    assert found.sum(out=out) is out
    for got, wanted in (
        (out, scatter.sum()),
        (found.sum(), scatter.sum()),
        (found.each(), scatter.each()),
        (found.sq_norms(), scatter.sq_norms()),
        (found.operands[1], scatter.operands[1]),
    ):
        assert isinstance(got, torch.Tensor)
        assert relative_error(got.numpy(), wanted) < 1e-13


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match=r"\(3, 2, 4\) cannot be added at ids of shape \(3, 1\)"):
        Scatter(5, np.zeros((3, 1), int), np.zeros((3, 2, 4)))
    with pytest.raises(AttributeError):
        _ = Scatter(5, np.zeros((3, 1), int), np.zeros((3, 1, 4))).something
