"""Gradients of single examples, and their norms beside the sum: kernels against the reference."""

import numpy as np
import pytest

import pullback as pb
from pullback.core.context import Context
from pullback.core.map import init
from pullback.core.spec import Spec
from pullback.core.theta import Theta
from pullback.core.together import Together
from pullback.core.tree import leaves
from pullback.engine import lower, lower_loss
from pullback.engine import sums as engine_sums
from pullback.engine.sq_norms import SqNorms
from pullback.losses.gradient import forward_error_backward

CE = pb.losses.CrossEntropy()
TOLERANCES = {"float64": 1e-13, "float32": 2e-5}


def block(width):
    return (
        pb.Residual(pb.Chain(pb.LayerNorm(), pb.Attention(2, causal=True))),
        pb.Residual(pb.Chain(pb.LayerNorm(), pb.Linear(24), pb.GELU(), pb.Linear(width))),
    )


NETWORKS = {
    "rows": (
        pb.Chain(
            pb.Flatten(), pb.Linear(32), pb.ReLU(), pb.Linear(16, bias=False), pb.ReLU(),
            pb.Linear(10),
        ),
        (37, 8, 8),
    ),
    "pooled convolutions": (
        pb.Chain(
            pb.Conv2d(16, 3), pb.ReLU(), pb.MaxPool2d(2), pb.Conv2d(32, 3), pb.ReLU(),
            pb.MaxPool2d(2), pb.Flatten(), pb.Linear(10),
        ),
        (13, 12, 12, 1),
    ),
    "convolutions": (
        pb.Chain(
            pb.Conv2d(32, 3, padding="same"), pb.ReLU(), pb.Conv2d(32, 3, padding="same"),
            pb.Tanh(), pb.Conv2d(8, 1), pb.Conv2d(6, 2, groups=2), pb.Flatten(), pb.Linear(10),
        ),
        (5, 10, 10, 3),
    ),
    "one row of windows": (
        pb.Chain(pb.Conv1d(16, 3, 2), pb.ReLU(), pb.GlobalAvgPool(), pb.Linear(10)), (4, 9, 5),
    ),
    "LSTM": (pb.Chain(pb.LSTM(16, "last"), pb.Linear(10)), (7, 9, 5)),
    "GRU": (pb.Chain(pb.GRU(16, "last"), pb.Linear(10)), (7, 9, 5)),
    "attention": (
        pb.Chain(pb.Embedding(11, 16), pb.Positions(9), *block(16), pb.LayerNorm(), pb.Linear(10)),
        (5, 9),
    ),
    "more positions than steps": (
        pb.Chain(pb.Embedding(11, 16), pb.Positions(12), *block(16), pb.Linear(10)), (5, 9),
    ),
    "tied": (
        pb.Chain(
            pb.Embedding(10, 16, share="words"), *block(16), pb.Unembedding(10, share="words")
        ),
        (5, 9),
    ),
}  # fmt: skip


def problem(name, dtype, examples=None):
    net, shape = NETWORKS[name]
    shape, rng = (examples or shape[0], *shape[1:]), np.random.default_rng(0)
    symbols = isinstance(next(iter(net.children().values())), pb.Embedding)
    x = rng.integers(0, 10, shape) if symbols else rng.standard_normal(shape).astype(dtype)
    target = rng.integers(0, 10, shape if symbols else shape[:1])
    spec = Spec(shape[1:], dtype)
    p, _ = init(net, spec, 0, dtype)
    return net, spec, p, x, target


def passed(net, loss, p, x, target, **options):
    gradient = Theta(p.layout, np.full_like(p.flat, np.nan))
    found = forward_error_backward(net, loss, p, x, target, gradient, Context(True), **options)
    return found, gradient.flat


def expected_sq_norms(p, declared):
    contractions, places = dict(leaves(declared)), {}
    for entry in p.layout.entries:
        places.setdefault(entry.start, []).append(contractions[entry.path])
    return sum(Together.of(each).sq_norms() for each in places.values())


def close(found, expected, dtype):
    size = np.abs(expected).max()
    return np.abs(found - expected).max() <= TOLERANCES[dtype] * size


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", NETWORKS)
def test_norms_and_sum_are_those_of_the_reference(name, dtype):
    net, spec, p, x, target = problem(name, dtype)
    norms = SqNorms(p.layout, len(x), dtype)
    lowered, loss = lower(net, spec, len(x)), lower_loss(CE)
    reference, gradient = passed(net, CE, p, x, target)
    for _ in range(2):  # the second time over what the first has left
        _, found = passed(lowered, loss, p, x, target, write=norms)
        assert close(found, gradient, dtype)
        assert close(norms.found, expected_sq_norms(p, reference.declared), dtype)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_of_examples_are_those_of_the_reference(name, dtype):
    net, spec, p, x, target = problem(name, dtype)
    lowered = lower(net, spec, len(x))
    found, _ = passed(lowered, lower_loss(CE), p, x, target)
    reference, _ = passed(net, CE, p, x, target)
    expected = dict(leaves(reference.declared))
    weight = np.linspace(0, 2, len(x)).astype(dtype)
    for path, contraction in leaves(found.declared):
        each = expected[path].each()
        assert close(contraction.each(), each, dtype), path
        weighted = each * weight.reshape(-1, *(1,) * (each.ndim - 1))
        assert close(contraction.scaled(weight).each(), weighted, dtype), path


@pytest.mark.parametrize("name", ["LSTM", "attention", "convolutions"])
def test_of_large_parameters_nothing_is_formed(name, monkeypatch):
    monkeypatch.setattr(engine_sums, "MOST", 20)
    net, spec, p, x, target = problem(name, "float64")
    norms = SqNorms(p.layout, len(x), "float64")
    _, gradient = passed(lower(net, spec, len(x)), lower_loss(CE), p, x, target, write=norms)
    reference, expected = passed(net, CE, p, x, target)
    assert close(gradient, expected, "float64")
    assert close(norms.found, expected_sq_norms(p, reference.declared), "float64")


def test_parts_of_a_batch_are_added():
    net, spec, p, x, target = problem("LSTM", "float64")
    norms, gradient = SqNorms(p.layout, len(x), "float64"), Theta(p.layout, p.flat * 0 + 1)
    lowered = lower(net, spec, len(x))
    found = forward_error_backward(
        lowered, lower_loss(CE), p, x, target, gradient, Context(True), accumulate=True, write=norms
    )
    reference, expected = passed(net, CE, p, x, target)
    assert close(gradient.flat - 1, expected, "float64")
    assert close(norms.found, expected_sq_norms(p, reference.declared), "float64")
    assert found.values.shape == x.shape[:1]


def test_a_network_without_kernels_has_the_same_norms():
    net, _, p, x, target = problem("rows", "float64")
    norms = SqNorms(p.layout, len(x), "float64")
    reference, gradient = passed(net, CE, p, x, target, write=norms)
    assert close(norms.found, expected_sq_norms(p, reference.declared), "float64")
    assert np.isfinite(gradient).all()
