"""The learning rate above which descent leaves a minimum rather than finding it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pullback.core.context import Context
from pullback.core.spec import Spec
from pullback.extend import Evidence, lambda_max
from pullback.optim import SGD, GradientDescent, Momentum, Nesterov
from pullback.optim.base import Rule
from pullback.optim.rates import rule_of
from pullback.train.trial import Trials

FEWEST, MOST = 16, 256
"""Examples of the first batch that are looked at, where it has so many."""
WORK = 64_000_000
"""Multiply-adds of a forward pass over them: products with the Hessian run in reference form."""


@dataclass(frozen=True)
class Stability:
    r"""``sharpness`` is :math:`\lambda_{max}` of the Hessian of the mean loss of ``examples``.

    ``gradient_descent`` is :math:`2 / \lambda_{max}`, and ``own`` the limit of the run's own rule,
    None where it has none of this kind. All are None where no direction bends upwards.
    """

    sharpness: float
    examples: int
    gradient_descent: float | None
    own: float | None


def stability(trials: Trials) -> Stability | None:
    r"""Return the stability limit at the start of the run, on examples of its first batch.

    Near a minimum along an eigenvector of curvature :math:`\lambda`, gradient descent multiplies
    the distance by :math:`1 - \eta \lambda` at each step, which shrinks it while
    :math:`\eta < 2 / \lambda`. With a velocity :math:`v \leftarrow \mu v + g` the limit is
    :math:`2 (1 + \mu) / \lambda`, in Nesterov's form :math:`2 (1 + \mu) / ((1 + 2 \mu) \lambda)`.
    Cohen, Kaur, Li, Kolter, Talwalkar, "Gradient descent on neural networks typically occurs at
    the edge of stability" (2021), section 2 and appendix B.

    Returns:
        None where a map of the network cannot take the complex numbers that the product with the
        Hessian is made of.
    """
    settings, learner = trials.settings, trials.learner
    adds = settings.net.multiply_adds(Spec(tuple(trials.train.x.shape[1:]), settings.dtype))
    count = min(MOST, max(FEWEST, WORK // max(1, adds)))
    index = next(trials.rows())[:count]
    part = trials.train[index]
    x = trials.normalizer.apply(np.asarray(part.x), settings.dtype)
    ctx = Context(True, settings.seed, 0, state=learner.state)
    try:
        at = Evidence.of(
            settings.net, settings.loss, learner.theta, x, np.asarray(part.y), ctx, part.weight
        )
        sharpness = lambda_max(at, seed=settings.seed)
    except Exception:  # as in an audit: code of a user may do anything with complex numbers
        return None
    if not np.isfinite(sharpness):
        return None
    if sharpness <= 0:
        return Stability(sharpness, len(index), None, None)
    own = _factor(rule_of(settings.optimizer))
    return Stability(sharpness, len(index), 2 / sharpness, None if own is None else own / sharpness)


def _factor(rule: Rule) -> float | None:
    """Return what, over the curvature, is the limit of a rule."""
    if isinstance(rule, SGD | GradientDescent):
        return 2.0
    if isinstance(rule, Momentum):
        return 2 * (1 + rule.momentum)
    if isinstance(rule, Nesterov):
        return 2 * (1 + rule.momentum) / (1 + 2 * rule.momentum)
    return None
