r"""Eigenvalues of a matrix that is only known by its products with vectors.

Each function takes ``product``, which returns :math:`A v` for a vector ``v`` of ``size`` numbers,
``A`` being symmetric: ``lambda v: hessian_product(at, v).flat``, say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pullback.core.errors import ConfigError
from pullback.core.random import generator
from pullback.extend.sampling import check_samples

Product = Callable[[np.ndarray], np.ndarray]
TEXT = {"steps": "steps={steps!r}; expected a whole number of at least 1"}


@dataclass(frozen=True)
class Lanczos:
    r"""What ``lanczos`` has found: :math:`Q^T A Q = T`, ``T`` having three diagonals.

    ``values`` are the eigenvalues of ``T``, rising; ``vectors (size, m)`` the vectors that belong
    to them; ``weights`` the squares of the first entries of the eigenvectors of ``T``.
    """

    values: np.ndarray
    vectors: np.ndarray
    weights: np.ndarray


def lanczos(product: Product, size: int, steps: int = 20, seed: int = 0) -> Lanczos:
    """Return approximations of the eigenvalues at both ends of the spectrum.

    Every new vector is made orthogonal to all before it, twice, so that no eigenvalue appears
    twice. It ends early where what was found is closed under ``A``. Lanczos (1950); Golub and
    Van Loan, "Matrix computations", section 10.1 and 10.3.

    Args:
        product: ``v -> A v``.
        size: of ``v``.
        steps: products to use.
        seed: of the start.

    Raises:
        ConfigError: ``steps`` is below 1.
    """
    if not isinstance(steps, int) or steps < 1:
        raise ConfigError(TEXT["steps"].format(steps=steps))
    q = generator(seed, "lanczos").standard_normal(size)
    q /= np.linalg.norm(q)
    basis: list[np.ndarray] = []
    diagonal: list[float] = []
    beside: list[float] = []
    for _ in range(min(steps, size)):
        basis.append(q)
        change = np.asarray(product(q), np.float64)
        diagonal.append(float(q @ change))
        known = np.array(basis)
        for _ in range(2):
            change = change - known.T @ (known @ change)
        length = float(np.linalg.norm(change))
        scale = max(map(abs, (*diagonal, *beside)))
        if length <= scale * size * np.finfo(np.float64).eps:
            break
        beside.append(length)
        q = change / length
    count = len(diagonal)
    off = beside[: count - 1]
    values, small = np.linalg.eigh(np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1))
    return Lanczos(values, np.array(basis).T @ small, small[0] ** 2)


def trace(product: Product, size: int, samples: int = 10, seed: int = 0) -> tuple[float, float]:
    r"""Return the mean of :math:`v^T A v` over random signs ``v``, and its standard error.

    Hutchinson, "A stochastic estimator of the trace of the influence matrix" (1989). With one
    sample the standard error is NaN.
    """
    check_samples(samples)
    found = np.empty(samples)
    for i in range(samples):
        v = 2.0 * generator(seed, "trace", step=i).integers(0, 2, size) - 1
        found[i] = v @ product(v)
    error = found.std(ddof=1) / samples**0.5 if samples > 1 else np.nan
    return float(found.mean()), float(error)


def spectral_density(
    product: Product, size: int, samples: int = 4, steps: int = 40, points: int = 200, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return places and the density of the eigenvalues there, whose integral is 1.

    Each start gives the nodes and weights of a quadrature; these are drawn as narrow bells and
    averaged. Ghorbani, Krishnan, Xiao, "An investigation into neural net optimization via Hessian
    eigenvalue density" (2019), section 2.
    """
    check_samples(samples)
    runs = [lanczos(product, size, steps, seed * samples + i) for i in range(samples)]
    low, high = min(run.values[0] for run in runs), max(run.values[-1] for run in runs)
    width = max((high - low) / 50, 1e-12)
    places = np.linspace(low - 4 * width, high + 4 * width, points)
    bells = [
        run.weights @ np.exp(-(((places - run.values[:, None]) / width) ** 2) / 2) for run in runs
    ]
    density = np.mean(bells, axis=0) / (width * np.sqrt(2 * np.pi))
    return places, density
