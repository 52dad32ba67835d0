r"""Products of curvature matrices with a vector, none of them formed.

With :math:`J_n` the Jacobian of the outputs by the parameters and :math:`H_n` the second derivative
of :math:`\ell_n` by the outputs:

- the Hessian of the mean loss, forward over reverse: the change of the gradient along ``v``;
- the Gauss-Newton matrix :math:`\sum_n w_n J_n^T H_n J_n`: a pushforward, a product in the
  outputs, a pullback;
- the Fisher matrix :math:`\sum_n w_n \mathrm{E}[g_n g_n^T]` over targets drawn from the model,
  which for the losses that have one is the Gauss-Newton matrix (Martens, "New insights and
  perspectives on the natural gradient method" (2020), section 9.2);
- the empirical Fisher matrix :math:`\sum_n w_n g_n g_n^T`, with the targets as they are.

Derivatives of what is a derivative already are taken by the complex step, which is exact to
rounding: the pullbacks run as they are, on complex numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pullback.core.analytic import analytic
from pullback.core.arrays import full
from pullback.core.errors import ConfigError
from pullback.core.theta import Theta
from pullback.core.tree import leaves
from pullback.extend.evidence import Evidence, as_theta
from pullback.losses.base import mean_weights, term_weights

STEP = 1e-30
"""Of the complex step: nothing is subtracted, so it can be as short as it likes."""
TEXT = {
    "no distribution": "{loss} is not minus the log density of a distribution as it stands, so "
    "the model has no Fisher matrix under it; ask for the Gauss-Newton or the empirical one",
}


def hessian_product(at: Evidence, v: Any) -> Theta:
    r"""Return :math:`\nabla^2 L\, v`, for ``v`` a vector as long as all parameters, or a ``Theta``.

    Squire and Trapp's complex step (1998) through forward pass, pullback and contractions: it
    differentiates Pearlmutter's way, "Fast exact multiplication by the Hessian" (1994).
    """
    along = as_theta(at.p, v).flat
    moved = Theta(at.p.layout, analytic(at.p.flat + 1j * STEP * along))
    y, res = at.reference.forward(moved, at.x, at.ctx)
    _, slope = at.loss.forward(y, at.target)
    weight = term_weights(at.loss, at.target, at.weight)
    share = mean_weights(y.shape[0], weight, at.share)
    _, delta = at.reference.pullback(moved, res, at.loss.pullback(slope, analytic(share)))
    declared = dict(leaves(at.reference.grads(moved, res, delta)))
    total = np.zeros(at.p.flat.shape, np.complex128)
    for entry in at.p.layout.entries:
        total[entry.start : entry.stop] += np.asarray(declared[entry.path].sum()).reshape(-1)
    return Theta(at.p.layout, (total.imag / STEP).astype(at.p.flat.dtype))


def loss_curvature(at: Evidence, dy: Any) -> Any:
    r"""Return :math:`H_n\, dy_n` for a change ``dy`` of the outputs."""
    y = at.found.y
    _, slope = at.loss.forward(analytic(y + 1j * STEP * dy), at.target)
    return (np.asarray(slope).imag / STEP).astype(y.dtype)


def output_change(at: Evidence, v: Any) -> Any:
    r"""Return :math:`J_n v`: how the outputs change as the parameters go along ``v``."""
    parts = at.x if isinstance(at.x, tuple) else (at.x,)
    still = tuple(full(tuple(part.shape), 0.0, at.p.flat) for part in parts)
    dx = still if isinstance(at.x, tuple) else still[0]
    residual = at.in_reference().found.residual
    return at.reference.pushforward(at.p, residual, as_theta(at.p, v), dx)


def ggn_product(at: Evidence, v: Any) -> Theta:
    """Return the product of the Gauss-Newton matrix with ``v``.

    Schraudolph, "Fast curvature matrix-vector products for second-order gradient descent" (2002).
    """
    at = at.in_reference()
    change = loss_curvature(at, output_change(at, v))
    pulled = at.pulled(at.loss.pullback(change, at.share))
    result = Theta(at.p.layout, at.p.flat * 0)
    declared = dict(leaves(pulled.found.declared))
    for entry in at.p.layout.entries:
        result.flat[entry.start : entry.stop] += declared[entry.path].sum().reshape(-1)
    return result


def fisher_product(at: Evidence, v: Any) -> Theta:
    """Return the product of the Fisher matrix of the model's own distribution with ``v``.

    Raises:
        ConfigError: the loss does not belong to a distribution.
    """
    if not at.loss.likelihood:
        raise ConfigError(TEXT["no distribution"].format(loss=type(at.loss).__name__))
    return ggn_product(at, v)


def empirical_fisher_product(at: Evidence, v: Any) -> Theta:
    """Return the product of the empirical Fisher matrix with ``v``: two contractions a parameter.

    It is not the Fisher matrix: Kunstner, Balles, Hennig, "Limitations of the empirical Fisher
    approximation" (2019).
    """
    return at.weighted(at.share * at.along(as_theta(at.p, v)))
