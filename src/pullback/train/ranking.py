"""How good a ranking is: what is relevant among the first."""

from __future__ import annotations

import numpy as np


def precision_at(scores: np.ndarray, relevant: np.ndarray, count: int) -> float:
    r"""Return which share of the ``count`` highest of ``scores (n,)`` is ``relevant (n,)``.

    Of scores that are equal, the earlier one is higher. Where there are fewer than ``count``, what
    is missing is not relevant.
    """
    return float(relevant[_first(scores, count)].sum()) / count


def ndcg_at(scores: np.ndarray, gains: np.ndarray, count: int) -> float:
    r"""Return :math:`\sum_k g_k / \log_2(k + 1)`, over what the best order would give.

    ``g_k`` is that of ``gains (n,)`` which has the ``k``-th highest score, up to ``count``; 0 where
    there is nothing to gain. Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR
    techniques" (2002).
    """
    best = _discounted(gains[_first(gains, count)])
    return _discounted(gains[_first(scores, count)]) / best if best > 0 else 0.0


def _first(scores: np.ndarray, count: int) -> np.ndarray:
    return np.argsort(-scores, kind="stable")[:count]


def _discounted(gains: np.ndarray) -> float:
    return float((gains / np.log2(np.arange(len(gains)) + 2)).sum())
