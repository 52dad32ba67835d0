r"""Is the batch large enough? What the scatter of its gradients says.

All from the norms of the examples' gradients, and their products with the mean. Of ``N`` examples
that count alike, :math:`S = \frac{1}{N-1} \sum_n \|g_n - \bar g\|^2` estimates the trace of the
covariance of one example's gradient without bias, and :math:`\|\bar g\|^2 - S / N` the squared norm
of the true gradient. Where they do not count alike, ``N`` is :math:`1 / \sum_n w_n^2`.
"""

from __future__ import annotations

from pullback.core.errors import ConfigError
from pullback.extend.evidence import Evidence, Moments, number
from pullback.extend.moments import total_variance

TEXT = {
    "few": "the scatter of gradients needs a batch of at least 2 examples that count, found {n}"
}


def covariance_trace(at: Moments) -> float:
    r"""Return the estimate ``S`` of the trace of the covariance of one example's gradient.

    Raises:
        ConfigError: fewer than two examples count.
    """
    count = at.effective_examples
    if count < 1.5:
        raise ConfigError(TEXT["few"].format(n=round(count)))
    return total_variance(at) * count / (count - 1)


def noise_scale(at: Moments) -> float:
    r"""Return :math:`S / (\|\bar g\|^2 - S / N)`: the batch size at which noise equals signal.

    Batches much smaller than this are mostly noise, much larger ones waste examples. Infinite where
    the batch does not show a gradient at all. It is a quotient of two estimates: average these
    (``covariance_trace`` and ``gradient_sq_norm``) over steps rather than the quotient. McCandlish,
    Kaplan, Amodei, "An empirical model of large-batch training" (2018), equation 2.9 and
    appendix A.1.
    """
    signal = gradient_sq_norm(at)
    return covariance_trace(at) / signal if signal > 0 else float("inf")


def gradient_sq_norm(at: Moments) -> float:
    r"""Return :math:`\|\bar g\|^2 - S / N`, which estimates the true gradient's squared norm.

    It may be below 0.
    """
    return at.sq_norm - covariance_trace(at) / at.effective_examples


def norm_test(at: Moments) -> float:
    r"""Return :math:`S / (N \|\bar g\|^2)`: the variance of the mean over its squared norm.

    Below :math:`\theta^2` (usually below 1) the batch is large enough. Byrd, Chin, Nocedal, Wu,
    "Sample size selection in optimization methods for machine learning" (2012), section 3.
    """
    return _over(covariance_trace(at) / at.effective_examples, at.sq_norm)


def inner_product_test(at: Evidence) -> float:
    r"""Return :math:`\mathrm{Var}(\langle g_n, \bar g \rangle) / (N \|\bar g\|^4)`.

    Below :math:`\theta^2` the step goes down for most batches. Bollapragada, Byrd, Nocedal,
    "Adaptive sampling strategies for stochastic optimization" (2018), section 2.
    """
    spread, count = _projected_variance(at), at.effective_examples
    return _over(spread / count, at.sq_norm**2)


def orthogonality_test(at: Evidence) -> float:
    r"""Return the variance of what in :math:`g_n` is orthogonal to the mean, over
    :math:`N \|\bar g\|^2`.

    Below :math:`\nu^2` the step does not go astray. The same paper, section 3.
    """
    count = at.effective_examples
    across = covariance_trace(at) - _over(_projected_variance(at), at.sq_norm)
    return _over(max(across, 0.0) / count, at.sq_norm)


def _projected_variance(at: Evidence) -> float:
    """Return the unbiased variance of the examples' products with the mean gradient."""
    count = at.effective_examples
    covariance_trace(at)  # refuses what has no scatter
    gaps = at.along(at.gradient) - at.sq_norm
    return number((at.share * gaps * gaps).sum()) * count / (count - 1)


def _over(value: float, whole: float) -> float:
    return value / whole if whole > 0 else float("inf")
