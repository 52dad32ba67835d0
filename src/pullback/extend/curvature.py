r"""How the loss bends: along a direction, at its steepest, and in all."""

from __future__ import annotations

from typing import Any

import numpy as np

from pullback.core.errors import ConfigError
from pullback.extend.evidence import Evidence, as_theta, number
from pullback.extend.products import ggn_product, hessian_product
from pullback.extend.spectrum import lanczos, spectral_density, trace

STEPS = 20
"""Products with the Hessian for its largest eigenvalue."""
MATRICES = {"hessian": hessian_product, "ggn": ggn_product}
TEXT = {
    "still": "the direction is 0 everywhere, so nothing bends along it",
    "lr": "stability compares the sharpness with a learning rate: give it as lr",
    "matrix": "matrix={matrix!r}; expected one of {known}",
}


def curvature_along(at: Evidence, v: Any) -> float:
    r"""Return :math:`v^T \nabla^2 L\, v / \|v\|^2`.

    Raises:
        ConfigError: ``v`` is 0.
    """
    flat = as_theta(at.p, v).flat
    size = number((flat * flat).sum())
    if size == 0:
        raise ConfigError(TEXT["still"])
    return number((flat * hessian_product(at, flat).flat).sum()) / size


def gradient_curvature(at: Evidence) -> float:
    r"""Return the curvature along the gradient: steps of plain descent lower a quadratic loss while
    the learning rate is below 2 over this.
    """
    return curvature_along(at, at.gradient)


def lambda_max(at: Evidence, steps: int = STEPS, matrix: str = "hessian", seed: int = 0) -> float:
    r"""Return the largest eigenvalue of the Hessian, by Lanczos: the sharpness.

    Plain descent at a learning rate above :math:`2 / \lambda_{max}` leaves a minimum rather than
    finding it; Cohen, Kaur, Li, Kolter, Talwalkar, "Gradient descent on neural networks typically
    occurs at the edge of stability" (2021).
    """
    return float(lanczos(_product(at, matrix), at.p.layout.size, steps, seed).values[-1])


def stability(at: Evidence, lr: float | None = None, steps: int = STEPS) -> float:
    r"""Return :math:`\lambda_{max} / (2 / \eta)`: the sharpness, over what plain descent bears.

    Above 1 steps of the learning rate :math:`\eta` overshoot along the steepest direction. In
    training it is that of the step, unless another is given.

    Raises:
        ConfigError: no learning rate is known.
    """
    lr = at.lr if lr is None else lr
    if lr is None:
        raise ConfigError(TEXT["lr"])
    return lambda_max(at, steps) * lr / 2


def hessian_trace(at: Evidence, samples: int = 10, matrix: str = "hessian", seed: int = 0) -> float:
    """Return the trace of the Hessian (the sum of its eigenvalues), estimated by Hutchinson."""
    return trace(_product(at, matrix), at.p.layout.size, samples, seed)[0]


def hessian_spectrum(
    at: Evidence, samples: int = 4, steps: int = 40, matrix: str = "hessian", seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return places, and the density of the Hessian's eigenvalues there."""
    size = at.p.layout.size
    return spectral_density(_product(at, matrix), size, samples, steps, seed=seed)


def _product(at: Evidence, matrix: str) -> Any:
    if matrix not in MATRICES:
        raise ConfigError(TEXT["matrix"].format(matrix=matrix, known=", ".join(MATRICES)))
    at, multiply = at.in_reference(), MATRICES[matrix]
    dtype = at.p.flat.dtype
    return lambda v: np.asarray(multiply(at, v.astype(dtype)).flat, np.float64)
