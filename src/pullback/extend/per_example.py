r"""The gradient of each example, and its length.

An example's gradient is :math:`g_n = \partial \ell_n / \partial \theta`; the mean over the batch is
what training follows. Norms come from the contractions without the gradients: Goodfellow,
"Efficient per-example gradient computations" (2015), section 4, for a product of one position; Li,
Tramer, Liang, Hashimoto, "Large language models can be strong differentially private learners"
(2022), section 4, for several.
"""

from __future__ import annotations

from typing import Any

from pullback.core.arrays import namespace
from pullback.core.spec import Array
from pullback.core.tree import unflatten
from pullback.extend.evidence import Evidence


def per_example_loss(at: Evidence) -> Array:
    r"""Return ``(N,)`` the values :math:`\ell_n`."""
    return at.found.values


def per_example_grad(at: Evidence) -> dict[str, Any]:
    """Return ``g_n`` by the parameters' names, each ``(N, *shape)``; a shared one by its first."""
    found = {}
    for entry, contraction in at.contractions:
        found[entry.path] = contraction.scaled(at.unshare).each()
    return unflatten(found)


def per_example_norm(at: Evidence) -> Array:
    r"""Return ``(N,)`` :math:`\|g_n\|`, without forming the gradients."""
    return namespace(at.sq_norms).sqrt(at.sq_norms)


def inner_products(at: Evidence) -> Array:
    r"""Return ``(N, N)`` :math:`\langle g_n, g_m \rangle`: below 0 where two pull apart."""
    products = at.added(lambda c, _: c.inner())
    return products * at.unshare[:, None] * at.unshare[None, :]
