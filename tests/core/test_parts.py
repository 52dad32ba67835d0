"""The small parts: specs, trees, contexts, functions that neither overflow nor lose digits."""

import math
import warnings

import numpy as np
import pytest

from pullback.core.arrays import as_array_like, namespace
from pullback.core.context import Context
from pullback.core.errors import ShapeError
from pullback.core.spec import Spec, spec_of
from pullback.core.stable import log_softmax, sigmoid, softplus
from pullback.core.tree import dotted, leaves, map_leaves, unflatten

TREE = {"a": {"b": 1, "c": {"d": 2}}, "e": 3, "empty": {}}


def test_specs():
    assert spec_of(np.zeros((5, 2, 3))) == Spec((2, 3), "float64")
    assert spec_of(np.zeros(5, np.uint8)) == Spec((), "uint8")
    assert spec_of((np.zeros((5, 2)), np.zeros((5, 3), "f4"))) == (
        Spec((2,), "float64"),
        Spec((3,), "float32"),
    )
    assert spec_of(Spec((2,))) == Spec((2,))
    assert (Spec((2, 3)).size, Spec(()).size) == (6, 1)
    with pytest.raises(ShapeError, match="found a scalar"):
        spec_of(np.array(1.0))


def test_trees():
    assert list(leaves(TREE)) == [(("a", "b"), 1), (("a", "c", "d"), 2), (("e",), 3)]
    assert map_leaves(lambda leaf: -leaf, TREE) == {
        "a": {"b": -1, "c": {"d": -2}},
        "e": -3,
        "empty": {},
    }
    assert unflatten(dict(leaves(TREE))) == {"a": TREE["a"], "e": 3}
    assert dotted(("a", "c", "d")) == "a.c.d"


def test_contexts_of_children():
    ctx = Context(train=True, seed=1, step=2, first=3, state={"a": {"b": {"mean": 4}}})
    child = ctx.child("a").child("b")
    assert child == Context(True, 1, 2, 3, "a.b", {"mean": 4})
    assert ctx.child("other").state == {}


def test_the_library_of_an_array():
    assert namespace(np.zeros(2)) is namespace(np.float64(1)) is np
    kept = np.zeros(2, np.float32)
    assert as_array_like(kept, kept) is kept
    assert as_array_like(np.zeros(2), kept).dtype == np.float32


def test_tensors_have_theirs():
    torch = pytest.importorskip(
        "torch", reason="PyTorch is not installed: comparisons with it are skipped"
    )
    like = torch.zeros(2, dtype=torch.float32)
    assert namespace(like) is not np
    assert as_array_like(np.ones(2), like).dtype == torch.float32
    assert spec_of(torch.zeros((5, 2))) == Spec((2,), "float32")


POINTS = [-1e4, -745.0, -100.0, -37.0, -1.0, -1e-9, -0.0, 0.0, 1e-9, 1.0, 37.0, 100.0, 1e4]


@pytest.mark.parametrize("x", POINTS)
def test_functions_keep_their_digits(x):
    e = math.exp(-abs(x))
    found = sigmoid(np, np.array(x)), softplus(np, np.array(x))
    expected = (e if x < 0 else 1) / (1 + e), max(x, 0) + math.log1p(e)
    np.testing.assert_allclose(found, expected, rtol=4e-16)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_functions_are_quiet_on_the_whole_line(dtype):
    with warnings.catch_warnings(), np.errstate(over="raise", invalid="raise", divide="raise"):
        x = np.array([-np.inf, *POINTS, np.inf]).astype(dtype)
        for f in (sigmoid, softplus):
            assert f(np, x).dtype == dtype
            assert np.all(np.diff(f(np, x)) >= 0)
        rows = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4]], dtype)
        assert log_softmax(np, rows).dtype == dtype
        np.testing.assert_allclose(
            log_softmax(np, rows), [[0, -2e4, -1e4], [-math.log(3)] * 3], rtol=1e-6
        )
    assert np.isnan(sigmoid(np, np.array(np.nan)))
    assert np.isnan(softplus(np, np.array(np.nan)))


def test_log_softmax_does_not_see_a_shift(rng):
    x = rng.standard_normal((4, 5))
    direct = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(log_softmax(np, x), direct, rtol=1e-13)
    np.testing.assert_allclose(log_softmax(np, x + 1000), direct, rtol=1e-11)
