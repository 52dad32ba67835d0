"""What a wrong Jacobian looks like: the mistakes that people make most, by their trace."""

from __future__ import annotations

import numpy as np

ALIKE = 1e-6
"""Two Jacobians that differ by less than this, relative, are taken for the same."""

SIGN = "its sign is wrong"
MEAN = "it is divided by the {n} examples of the batch; the mean is the loss's part"
TIMES = "it is multiplied by the {n} examples of the batch"
FACTOR = "it is {factor:.4g} times what it should be"
ZERO = "it is zero everywhere"
TRANSPOSED = "it is transposed"
SUMMED = "it is summed over the batch: every example gets the sum of all"
COUPLED = "an example's output changes it for other examples too"
TERM = (
    "a term is missing or wrong; largest error at {place}, found {found:.4g}, expected {right:.4g}"
)


def describe(found: np.ndarray, right: np.ndarray, examples: int, per_example: bool) -> str:
    """Return what kind of mistake makes ``found`` of ``right``.

    Args:
        found: the Jacobian that the pullback gave, ``(outputs, *shape)``, outputs in order of the
            examples.
        right: what it should be.
        examples: how many there are in the batch.
        per_example: whether the first axis of the tensor is that of the examples.
    """
    if not np.isfinite(found).all():
        return TERM.format(**_worst(found, right))
    if note := describe_factor(found, right, examples):
        return note
    square = found.ndim == 3 and found.shape[1] == found.shape[2] and not per_example
    if square and _alike(found.swapaxes(1, 2), right):
        return TRANSPOSED
    if _summed(found, right, examples, per_example):
        return SUMMED
    if per_example and _elsewhere(found, examples) and not _elsewhere(right, examples):
        return COUPLED
    return TERM.format(**_worst(found, right))


def describe_factor(found: np.ndarray, right: np.ndarray, examples: int) -> str:
    """Return what kind of mistake makes ``found`` a multiple of ``right``; "" where it is none."""
    if _alike(found, np.zeros_like(right)):
        return ZERO
    factor = float(np.vdot(right, found) / max(np.vdot(right, right), 1e-300))
    if not factor or not _alike(found, factor * right):
        return ""
    if abs(factor + 1) < ALIKE:
        return SIGN
    if examples > 1 and abs(factor * examples - 1) < ALIKE:
        return MEAN.format(n=examples)
    if examples > 1 and abs(factor / examples - 1) < ALIKE:
        return TIMES.format(n=examples)
    return FACTOR.format(factor=factor)


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    scale = max(np.linalg.norm(a), np.linalg.norm(b))
    return bool(np.linalg.norm(a - b) <= ALIKE * scale)


def _summed(found: np.ndarray, right: np.ndarray, n: int, per_example: bool) -> bool:
    """Whether every example's share is the sum of the shares of all."""
    if n < 2 or found.shape[0] % n:
        return False
    if per_example:  # gx: the sum stands in the place of every example
        total = right.sum(axis=1, keepdims=True)
        return _alike(found, np.broadcast_to(total, right.shape))
    # a parameter: an output's cotangent counts for every example
    rows = right.reshape(n, -1, *right.shape[1:])
    everywhere = np.broadcast_to(rows.sum(axis=0), rows.shape).reshape(right.shape)
    return _alike(found, everywhere)


def _elsewhere(jacobian: np.ndarray, n: int) -> bool:
    """Whether an example's output depends on another example's input."""
    blocks = np.abs(jacobian).reshape(n, jacobian.shape[0] // n, n, -1).sum(axis=(1, 3))
    return bool((blocks - np.diag(np.diagonal(blocks))).max() > 0)


def _worst(found: np.ndarray, right: np.ndarray) -> dict[str, object]:
    gap = np.abs(found - right)
    flat = int(np.where(np.isnan(gap), np.inf, gap).argmax())
    place = tuple(int(i) for i in np.unravel_index(flat, found.shape))
    return {"place": place[1:], "found": float(found[place]), "right": float(right[place])}
