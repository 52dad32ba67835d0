r"""Gradients of examples, cut to a length before they are averaged."""

from __future__ import annotations

from pullback.core.arrays import namespace
from pullback.core.errors import ConfigError
from pullback.core.theta import Theta
from pullback.extend.evidence import Evidence
from pullback.extend.per_example import per_example_norm


def clipped_gradient(at: Evidence, bound: float = 1.0) -> Theta:
    r"""Return :math:`\sum_n w_n g_n \min(1, C / \|g_n\|)`, ``C`` being ``bound``.

    One pass: the norms come from the contractions, and so does the sum of the shortened gradients.
    Abadi and others, "Deep learning with differential privacy" (2016), algorithm 1.

    Raises:
        ConfigError: ``bound`` is not above 0.
    """
    if not bound > 0:
        raise ConfigError(f"clipped_gradient: bound={bound!r}; expected a number above 0")
    norms = per_example_norm(at)
    xp = namespace(norms)
    longer = norms > bound
    factor = xp.where(longer, bound / xp.where(longer, norms, xp.ones_like(norms)), norms * 0 + 1)
    return at.weighted(at.share * factor)
