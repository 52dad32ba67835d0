"""Kronecker factors against their definition, worked out by hand on two small networks."""

import numpy as np
import pytest
from arrays import relative_error
from extend_networks import CASES, Problem, problem

import pullback as pb
from pullback import extend
from pullback.core.context import Context


def softmax_curvature(y: np.ndarray) -> np.ndarray:
    p = np.exp(y - y.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return np.array([np.diag(row) - np.outer(row, row) for row in p])


class Shared:
    """Positions that share a first layer: ``y = mean_t tanh(x_t W + b) V + c``."""

    def __init__(self, positions: int, weighted: bool) -> None:
        rng = np.random.default_rng(positions)
        self.net = pb.Chain(pb.Linear(4), pb.Tanh(), pb.GlobalAvgPool(), pb.Linear(3))
        self.x = rng.standard_normal((5, positions, 2))
        self.target = rng.integers(0, 3, 5)
        self.weight = rng.uniform(0.5, 2, 5) if weighted else None
        self.p, _ = pb.init(self.net, self.x, 0, "float64")
        self.p.flat[:] = rng.standard_normal(self.p.flat.shape)
        self.at = extend.Evidence.of(
            self.net, pb.losses.CrossEntropy(), self.p, self.x, self.target, Context(), self.weight
        )
        hidden = np.tanh(self.x @ self.p["0"]["W"] + self.p["0"]["b"])
        self.mean = hidden.mean(axis=1)
        self.share = np.full(5, 0.2) if weighted is False else self.weight / self.weight.sum()
        self.curvature = softmax_curvature(self.mean @ self.p["3"]["W"] + self.p["3"]["b"])
        # of the outputs by the sums at each position: (N, T, units, outputs)
        self.jacobian = (1 - hidden**2)[..., None] * self.p["3"]["W"] / positions


def weighted_square(share: np.ndarray, j: np.ndarray, h: np.ndarray) -> np.ndarray:
    return np.einsum("n,noa,nab,nqb->oq", share, j, h, j)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("positions", [1, 3])
def test_expand(positions, weighted):
    s = Shared(positions, weighted)
    found = extend.kronecker_factors(s.at)
    rows = s.x.reshape(-1, 2)
    a = rows.T @ rows / len(rows)
    b = sum(weighted_square(s.share, s.jacobian[:, t], s.curvature) for t in range(positions))
    assert relative_error(found["0"]["W"].dense(), np.kron(a, b)) < 1e-10
    last = np.kron(s.mean.T @ s.mean / 5, np.einsum("n,nab->ab", s.share, s.curvature))
    assert relative_error(found["3"]["W"].dense(), last) < 1e-10


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("positions", [1, 3])
def test_reduce(positions, weighted):
    s = Shared(positions, weighted)
    found = extend.kronecker_factors(s.at, sharing="reduce")
    rows = s.x.mean(axis=1)
    b = weighted_square(s.share, s.jacobian.sum(axis=1), s.curvature)
    assert relative_error(found["0"]["W"].dense(), np.kron(rows.T @ rows / 5, b)) < 1e-10
    assert relative_error(found["0"]["b"].dense(), b) < 1e-10


@pytest.mark.parametrize("name", CASES)
def test_of_one_example_and_one_position_they_are_the_matrix(name):
    given = problem(name)
    one = Problem(given.case, given.p, *given.one(1), None)
    at = one.evidence()
    factors, blocks = extend.kronecker_factors(at), 0
    for entry in given.p.layout.entries:
        if entry.alias:
            continue
        factor = factors
        for key in entry.path:
            factor = factor[key]
        units = np.zeros((entry.stop - entry.start, given.p.layout.size))
        units[:, entry.start : entry.stop] = np.eye(len(units))
        block = np.array([extend.ggn_product(at, unit).flat for unit in units])
        block = block[:, entry.start : entry.stop]
        assert factor.dense().shape == block.shape
        if name in ("linear", "regression") or len(factor.right) == 1:
            assert relative_error(factor.dense(), block) < 1e-10
            blocks += 1
    assert blocks


def test_samples_average_to_the_exact_factors():
    s = Shared(3, weighted=False)
    right = extend.kronecker_factors(s.at)["0"]["W"]
    found = extend.kronecker_factors(s.at, samples=4000, seed=1)["0"]["W"]
    assert relative_error(found.dense(), right.dense()) < 0.05
    assert (
        relative_error(found.right / np.trace(found.right), right.right / np.trace(right.right))
        < 0.05
    )


def test_times_is_the_product_of_the_dense_matrix():
    given = problem("convolution")
    factor = extend.kronecker_factors(given.evidence())["0"]["W"]
    v = np.random.default_rng(0).standard_normal(given.p["0"]["W"].shape)
    right = (factor.dense() @ v.reshape(-1)).reshape(v.shape)
    assert relative_error(factor.times(factor.left, factor.right, v), right) < 1e-12


def test_refusals():
    s = Shared(1, weighted=False)
    with pytest.raises(pb.errors.ConfigError, match="sharing='both'; expected one of expand"):
        extend.kronecker_factors(s.at, sharing="both")
    with pytest.raises(pb.errors.ConfigError, match="samples=0"):
        extend.kronecker_factors(s.at, samples=0)
    wide, x = pb.Linear(2000), np.zeros((2, 3))
    p, _ = pb.init(wide, x, 0, "float64")
    at = extend.Evidence.of(wide, pb.losses.CrossEntropy(), p, x, np.array([0, 1]), Context())
    with pytest.raises(pb.errors.ConfigError, match=r"2000 numbers.*more than 1024"):
        extend.kronecker_factors(at)
