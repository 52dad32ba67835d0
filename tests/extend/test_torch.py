"""Per-example and curvature quantities against ``torch.func``, in float64."""

from functools import cache

import numpy as np
import pytest
from arrays import relative_error
from extend_networks import CASES, problem

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed: comparisons with it are skipped"
)
from torch_losses import THEIRS  # noqa: E402
from torch_maps import apply  # noqa: E402

from pullback import extend  # noqa: E402
from pullback.core.context import Context  # noqa: E402
from pullback.core.theta import Theta  # noqa: E402

# PyTorch's own import of its forward mode uses what it has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
every_case = pytest.mark.parametrize("name", CASES)
BOUND = 1e-10


class Theirs:
    """The same network and loss in PyTorch: whole matrices by ``torch.func``."""

    def __init__(self, name):
        self.given = given = problem(name)
        self.case, self.flat = given.case, torch.tensor(given.p.flat)

    def outputs(self, flat, n):
        p = Theta(self.given.p.layout, flat)
        return apply(self.case.net, p, torch.tensor(self.given.x[n : n + 1]), Context())

    def loss_at(self, y, n):
        target = torch.tensor(self.given.target[n : n + 1])
        return THEIRS[type(self.case.loss).__name__](self.case.loss, y, target).sum()

    def each(self, of_one):
        return torch.stack([of_one(n) for n in range(len(self.given.x))]).numpy(force=True)

    def gradients(self):
        return self.each(
            lambda n: torch.func.grad(lambda flat: self.loss_at(self.outputs(flat, n), n))(
                self.flat
            )
        )

    def hessian(self):
        """By ``jvp`` of ``grad``, row by row: under ``vmap`` theirs of layer_norm is not right."""

        def of(n):
            gradient = torch.func.grad(lambda flat: self.loss_at(self.outputs(flat, n), n))
            units = torch.eye(len(self.flat), dtype=self.flat.dtype)
            return torch.stack(
                [torch.func.jvp(gradient, (self.flat,), (unit,))[1] for unit in units]
            )

        return np.einsum("n,npq->pq", self.given.share, self.each(of))

    def jacobians(self):
        def of(n):
            return torch.func.jacrev(lambda flat: self.outputs(flat, n).reshape(-1))(self.flat)

        return self.each(of)

    def output_curvatures(self):
        def of(n):
            y = self.outputs(self.flat, n).detach()
            curve = torch.func.hessian(lambda y: self.loss_at(y, n))(y)
            return curve.reshape(y.numel(), y.numel())

        return self.each(of)

    def gauss_newton(self):
        j, h = self.jacobians(), self.output_curvatures()
        return np.einsum("n,nap,nab,nbq->pq", self.given.share, j, h, j, optimize=True)


theirs = cache(Theirs)


@cache
def gauss_newton(name):
    return theirs(name).gauss_newton()


@cache
def hessian_of(name):
    return theirs(name).hessian()


@every_case
def test_per_example_gradients_and_norms(name):
    right = theirs(name).gradients()
    at = theirs(name).given.evidence()
    assert relative_error(extend.per_example_norm(at), np.linalg.norm(right, axis=1)) < BOUND
    mean = theirs(name).given.share @ right
    spread = theirs(name).given.share @ (right - mean) ** 2
    assert relative_error(extend.variance(at).flat, spread) < BOUND


@every_case
def test_hessian_products(name):
    given, hessian = theirs(name).given, hessian_of(name)
    at, rng = given.evidence(), np.random.default_rng(2)
    for _ in range(3):
        v = rng.standard_normal(given.p.flat.shape)
        assert relative_error(extend.hessian_product(at, v).flat, hessian @ v) < BOUND
    v = rng.standard_normal(given.p.flat.shape)
    assert extend.curvature_along(at, v) == pytest.approx(v @ hessian @ v / (v @ v), rel=1e-9)
    g = at.gradient.flat
    right = g @ hessian @ g / (g @ g)
    assert extend.gradient_curvature(at) == pytest.approx(right, rel=1e-9, abs=1e-12)


@every_case
def test_gauss_newton_and_fisher_products(name):
    given, right = theirs(name).given, gauss_newton(name)
    at, rng = given.evidence(), np.random.default_rng(3)
    g, share = theirs(name).gradients(), given.share
    for _ in range(3):
        v = rng.standard_normal(given.p.flat.shape)
        assert relative_error(extend.ggn_product(at, v).flat, right @ v) < BOUND
        assert relative_error(extend.fisher_product(at, v).flat, right @ v) < BOUND
        expected = (share * (g @ v)) @ g
        assert relative_error(extend.empirical_fisher_product(at, v).flat, expected) < BOUND


@every_case
def test_diagonals(name):
    given = theirs(name).given
    at = given.evidence()
    assert relative_error(extend.ggn_diagonal(at).flat, np.diag(gauss_newton(name))) < BOUND
    hessian = np.diag(hessian_of(name))
    assert relative_error(extend.hessian_diagonal(at).flat, hessian) < BOUND


@every_case
def test_sampled_diagonals_average_to_the_exact_ones(name):
    at = theirs(name).given.evidence()
    for sampled, right in (
        (extend.ggn_diagonal_sampled, np.diag(gauss_newton(name))),
        (extend.hessian_diagonal_sampled, np.diag(hessian_of(name))),
    ):
        found = np.array([sampled(at, 1, seed).flat for seed in range(400)])
        error = found.std(axis=0) / 20
        gaps = np.abs(found.mean(axis=0) - right) / np.maximum(error, 1e-9 * np.abs(right).max())
        assert np.mean(gaps < 3) > 0.95
        assert gaps.max() < 6


@every_case
def test_eigenvalues(name):
    given, hessian = theirs(name).given, hessian_of(name)
    at, values = given.evidence(), np.linalg.eigvalsh(hessian)
    found = extend.lambda_max(at, steps=len(values))
    assert found == pytest.approx(values[-1], rel=1e-9)
    largest = extend.lambda_max(at, steps=len(values), matrix="ggn")
    assert largest == pytest.approx(np.linalg.eigvalsh(gauss_newton(name))[-1], rel=1e-9)
