"""Eigenvalues and traces against dense matrices."""

import numpy as np
import pytest
from extend_networks import problem

import pullback as pb
from pullback import extend


def dense(at) -> np.ndarray:
    return np.array([extend.hessian_product(at, unit).flat for unit in np.eye(at.p.layout.size)])


def matrix(size: int = 60) -> np.ndarray:
    rng = np.random.default_rng(0)
    q, _ = np.linalg.qr(rng.standard_normal((size, size)))
    return q @ np.diag(rng.standard_normal(size) * np.linspace(1, 10, size)) @ q.T


def test_twenty_products_find_the_largest_eigenvalue_of_a_hessian():
    """On real digits: 784 numbers an image would be many, 64 make a network of 910 parameters."""
    data = pb.data.load("digits").train
    net = pb.Chain(pb.Flatten(), pb.Linear(12), pb.Tanh(), pb.Linear(10))
    x, target = data.x[:200] / 16.0, data.y[:200]
    p, _ = pb.init(net, x, 0, "float64")
    at = extend.Evidence.of(net, pb.losses.CrossEntropy(), p, x, target, pb.Context())
    right = np.linalg.eigvalsh(dense(at))[-1]
    assert extend.lambda_max(at, steps=20) == pytest.approx(right, rel=1e-6)


def test_all_eigenvalues_and_vectors():
    a = matrix()
    found = extend.lanczos(lambda v: a @ v, len(a), steps=len(a))
    assert np.allclose(found.values, np.linalg.eigvalsh(a), atol=1e-10)
    assert np.allclose(a @ found.vectors, found.vectors * found.values, atol=1e-8)
    assert found.weights.sum() == pytest.approx(1)


def test_it_ends_where_nothing_new_is_found():
    asked = []

    def product(v):
        asked.append(v)
        return 3.0 * v

    found = extend.lanczos(product, 50, steps=20)
    assert len(asked) == 1
    assert found.values == pytest.approx([3.0])
    assert extend.lanczos(lambda v: 0 * v, 5).values == pytest.approx([0.0])


def test_trace():
    a = matrix()
    found, error = extend.trace(lambda v: a @ v, len(a), samples=400)
    assert abs(found - np.trace(a)) < 4 * error
    exact, none = extend.trace(lambda v: np.diag(np.diag(a)) @ v, len(a), samples=3)
    assert exact == pytest.approx(np.trace(a))
    assert none < 1e-12
    assert np.isnan(extend.trace(lambda v: a @ v, len(a), samples=1)[1])


def test_the_density_is_one_in_all_and_has_the_moments_of_the_spectrum():
    a = matrix(200)
    places, density = extend.spectral_density(
        lambda v: a @ v, 200, samples=20, steps=60, points=800
    )
    width = places[1] - places[0]
    values = np.linalg.eigvalsh(a)
    assert density.sum() * width == pytest.approx(1, abs=1e-3)
    assert (places * density).sum() * width == pytest.approx(values.mean(), abs=0.3)
    second = (places**2 * density).sum() * width
    assert second == pytest.approx(np.mean(values**2), rel=0.1)


def test_of_a_network():
    at = problem("linear").evidence()
    hessian = dense(at)
    found = extend.hessian_trace(at, samples=400)
    assert found == pytest.approx(np.trace(hessian), rel=0.1)
    places, density = extend.hessian_spectrum(at)
    assert places[0] < np.linalg.eigvalsh(hessian)[0]
    assert places[-1] > np.linalg.eigvalsh(hessian)[-1]
    assert density.min() >= 0


@pytest.mark.parametrize("steps", [0, -1, 2.5])
def test_steps_must_be_a_count(steps):
    with pytest.raises(pb.errors.ConfigError, match="at least 1"):
        extend.lanczos(lambda v: v, 4, steps=steps)


def test_refusals():
    at = problem("linear").evidence()
    with pytest.raises(pb.errors.ConfigError, match="matrix='fisher'; expected one of hessian"):
        extend.lambda_max(at, matrix="fisher")
    with pytest.raises(pb.errors.ConfigError, match="0 everywhere"):
        extend.curvature_along(at, np.zeros(at.p.layout.size))
    with pytest.raises(pb.errors.ConfigError, match="samples=0"):
        extend.hessian_trace(at, samples=0)
    with pytest.raises(pb.errors.ConfigError, match=r"samples=1\.5"):
        extend.hessian_diagonal_sampled(at, samples=1.5)
    at = problem("regression").evidence()
    loss = pb.losses.AbsoluteError()
    bent = extend.Evidence.of(at.net, loss, at.p, at.x, at.target, at.ctx)
    with pytest.raises(pb.errors.ConfigError, match="AbsoluteError is not minus the log density"):
        extend.fisher_product(bent, bent.p.flat)
    with pytest.raises(pb.errors.ConfigError, match="AbsoluteError has no random root"):
        extend.ggn_diagonal_sampled(bent)


def test_a_loss_that_bends_down_has_no_root():
    class Hill(pb.losses.Loss):
        def forward(self, y, target):
            return -(y * y).sum(axis=1), -2 * y

    at = problem("regression").evidence()
    bent = extend.Evidence.of(at.net, Hill(), at.p, at.x, at.target, at.ctx)
    with pytest.raises(pb.errors.ConfigError, match="Hill curves downwards"):
        extend.ggn_diagonal(bent)


def test_parameters_of_a_large_network_have_no_exact_hessian_diagonal():
    net, x = pb.Linear(100), np.zeros((2, 50))
    p, _ = pb.init(net, x, 0, "float64")
    at = extend.Evidence.of(
        net, pb.losses.HalfSquaredError(), p, x, np.zeros((2, 100)), pb.Context()
    )
    with pytest.raises(pb.errors.ConfigError, match="5100 parameters, more than 4096"):
        extend.hessian_diagonal(at)
