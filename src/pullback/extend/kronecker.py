r"""The Gauss-Newton or Fisher matrix of each parameter as a Kronecker product of two small ones.

An example's gradient is a product of blocks, :math:`G_n = L_n^T R_n` (see ``core.pair``): of what
came in and of what was pulled back. With these as if independent, the parameter's block of the
matrix is :math:`A \otimes B`, ``A`` and ``B`` being the mean squares of the two. Martens and
Grosse, "Optimizing neural networks with Kronecker-factored approximate curvature" (2015).

Where weights are shared by ``T`` positions there is a choice (Eschenhagen, Immer, Turner,
Schneider, Hennig, "Kronecker-factored approximate curvature for modern neural network
architectures" (2023), section 3): ``"expand"`` takes each position for an example, ``"reduce"``
adds the blocks up over positions first. A parameter whose axes are not divided between the blocks
(a scale of normalisation, say) gets its whole matrix for ``A``, and 1 for ``B``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pullback.core.contraction import Contraction
from pullback.core.errors import ConfigError
from pullback.core.together import Together
from pullback.core.tree import unflatten
from pullback.extend.evidence import Evidence
from pullback.extend.sampling import drawn_columns, root_columns

SHARING = ("expand", "reduce")
LARGEST = 4096
"""Numbers of a parameter up to which its whole matrix is formed, where it has no factors."""
TEXT = {
    "sharing": "{owner}: sharing={sharing!r}; expected one of {known}",
    "whole": "a parameter of {count} numbers has no two factors, and its whole matrix is formed "
    "up to {most}",
}


@dataclass(frozen=True)
class Kronecker:
    """``left (A, A)`` and ``right (B, B)`` for a parameter of so many axes.

    ``shape`` has the sizes of the parameter's axes in the order of the factors, ``order`` says
    which of them is each axis of the parameter.
    """

    left: np.ndarray
    right: np.ndarray
    shape: tuple[int, ...]
    order: tuple[int, ...]

    def times(self, left: np.ndarray, right: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Return the product of ``left`` and ``right`` (of the factors' sizes) with ``v``."""
        inverse = np.argsort(self.order)
        block = v.transpose(inverse).reshape(len(left), len(right))
        found: np.ndarray = (left @ block @ right.T).reshape(self.shape).transpose(self.order)
        return found

    def dense(self) -> np.ndarray:
        """Return the whole matrix, rows and columns in the order of the flat parameter."""
        size = len(self.left) * len(self.right)
        axes = tuple(np.arange(size).reshape(self.shape).transpose(self.order).reshape(-1))
        whole: np.ndarray = np.kron(self.left, self.right)[np.ix_(axes, axes)]
        return whole


def kronecker_factors(
    at: Evidence, sharing: str = "expand", samples: int | None = None, seed: int = 0
) -> dict[str, Any]:
    """Return a ``Kronecker`` for each parameter, by its name.

    Args:
        at: the network and the batch.
        sharing: ``"expand"`` or ``"reduce"``, where several positions share a weight.
        samples: how many random roots of the curvature in the outputs to pull back; None: an exact
            one, with a pullback for each output.
        seed: of the random roots.

    Raises:
        ConfigError: an unknown ``sharing``, an output too large for the exact matrix, or a loss
            without a random root.
    """
    check_sharing("kronecker_factors", sharing)
    at = at.in_reference()
    columns = root_columns(at) if samples is None else drawn_columns(at, samples, seed)
    return unflatten(_factors(at, columns, sharing))


def check_sharing(owner: str, sharing: str) -> None:
    """Raise ``ConfigError`` unless ``sharing`` is one of the known."""
    if sharing not in SHARING:
        known = ", ".join(SHARING)
        raise ConfigError(TEXT["sharing"].format(owner=owner, sharing=sharing, known=known))


def _factors(at: Evidence, columns: Iterable[Any], sharing: str) -> dict[Any, Kronecker]:
    weight = at.share**0.5
    sums: dict[Any, tuple[Kronecker, float]] = {}
    for column in columns:
        for entry, contraction in at.pulled(column).contractions:
            found, terms = _of(contraction.scaled(weight), sharing)
            if entry.path in sums:
                before, count = sums[entry.path]
                found = Kronecker(
                    before.left + found.left, before.right + found.right, found.shape, found.order
                )
                terms = count + terms
            sums[entry.path] = found, terms
    return {
        path: Kronecker(k.left, k.right / terms, k.shape, k.order)
        for path, (k, terms) in sums.items()
    }


def squares(
    left: np.ndarray, right: np.ndarray, sharing: str
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the sums of squares of blocks ``(N, S, A)`` and ``(N, S, B)``, and their terms."""
    count, positions = left.shape[:2]
    if sharing == "reduce":
        left, right = left.sum(axis=1), right.sum(axis=1)
        count *= positions
    a, b = left.reshape(-1, left.shape[-1]), right.reshape(-1, right.shape[-1])
    return a.T @ a, b.T @ b, float(count * positions)


def _of(contraction: Contraction, sharing: str) -> tuple[Kronecker, float]:
    """Return the sums of squares of both blocks, and how many terms the smaller of them has.

    Both are sums over examples (and positions): the product counts them twice.
    """
    if not isinstance(contraction, Together) and len(contraction.terms) > 1:
        pair = contraction.pair
        if pair.left.shape[1] == 1:
            left, right, terms = squares(pair.left[:, 0], pair.right[:, 0], sharing)
            return Kronecker(left, right, pair.shape, pair.order), terms
    formed = contraction.each()
    rows = formed.reshape(len(formed), -1)
    if rows.shape[1] > LARGEST:
        raise ConfigError(TEXT["whole"].format(count=rows.shape[1], most=LARGEST))
    shape = formed.shape[1:]
    whole = Kronecker(rows.T @ rows, np.ones((1, 1)), shape, tuple(range(len(shape))))
    return whole, 1.0
