r"""How the gradients of the examples scatter about their mean, number by number and in all."""

from __future__ import annotations

from pullback.core.arrays import namespace
from pullback.core.theta import Theta
from pullback.extend.evidence import Evidence, Moments


def gradient(at: Evidence) -> Theta:
    r"""Return the gradient of the mean loss, :math:`\bar g = \sum_n w_n g_n`."""
    return at.gradient


def gradient_norm(at: Moments) -> float:
    r"""Return :math:`\|\bar g\|`."""
    return float(at.sq_norm**0.5)


def second_moment(at: Evidence) -> Theta:
    r"""Return :math:`\sum_n w_n g_n^2`, number by number."""
    return at.second_moment


def variance(at: Evidence) -> Theta:
    r"""Return the variance :math:`\sum_n w_n (g_n - \bar g)^2` of each number of the gradient."""
    spread = at.second_moment.flat - at.gradient.flat**2
    # of nearly equal gradients what is left is rounding, which must not be below 0
    spread = namespace(spread).where(spread > 0, spread, spread * 0)
    return Theta(at.p.layout, spread)


def signal_to_noise(at: Evidence) -> Theta:
    r"""Return :math:`\bar g^2 / \sum_n w_n (g_n - \bar g)^2` of each number of the gradient.

    0 where the mean is 0; infinite where the examples agree.
    """
    signal, noise = at.gradient.flat**2, variance(at).flat
    xp = namespace(signal)
    some = noise > 0
    ratio = signal / xp.where(some, noise, xp.ones_like(noise))
    agreed = xp.where(signal > 0, xp.full_like(signal, float("inf")), xp.zeros_like(signal))
    return Theta(at.p.layout, xp.where(some, ratio, agreed))


def total_variance(at: Moments) -> float:
    r"""Return :math:`\sum_n w_n \|g_n - \bar g\|^2`, from the norms alone."""
    return max(at.mean_sq_norm - at.sq_norm, 0.0)
