"""Networks that say how a user rates an item."""

from __future__ import annotations

from pullback.core.compose import Chain
from pullback.core.initializers import Constant, Normal
from pullback.core.map import Map
from pullback.maps import (
    Columns,
    Dropout,
    Embedding,
    Flatten,
    GlobalAvgPool,
    Linear,
    Parallel,
    Product,
    ReLU,
    Reshape,
)


def matrix_factors(
    users: int, items: int, widths: tuple[int, int], *, factors: int = 32, start: float = 0.4
) -> Map:
    r"""Return :math:`b_u + c_i + \frac1K \sum_k p_{uk} q_{ik}`: biases, and vectors of factors.

    Koren, Bell and Volinsky, "Matrix factorization techniques for recommender systems" (2009), of
    ratings less their mean.

    Args:
        users: how many users there are.
        items: how many items.
        widths: numbers of an example that are the user's, and after these the item's; the first of
            both is the place of the user, or of the item. The others are not used.
        factors: numbers ``K`` of a vector ``p`` or ``q``.
        start: their deviation at the start.

    Shapes: ``x (N, sum of widths)``, ``y (N, 1)``.
    """

    def table(at: int, count: int) -> Map:
        init = Normal(start)
        return Chain(Columns(at, at + 1), Embedding(count, factors, init=init), Flatten())

    product = Product(table(0, users), table(widths[0], items))
    both = Chain(product, Reshape((factors, 1)), GlobalAvgPool())
    return _with_biases(users, items, widths, both)


def two_towers(
    users: int,
    items: int,
    widths: tuple[int, int],
    *,
    hidden: int = 128,
    factors: int = 32,
    dropout: float = 0.4,
) -> Map:
    """Return two perceptrons, of the user's and of the item's numbers, multiplied, and biases.

    In the place of the vectors of ``matrix_factors`` are the outputs of the perceptrons, which see
    all numbers but the places: what is known of each, and what has been rated.

    Args:
        users: how many users there are.
        items: how many items.
        widths: numbers of an example that are the user's, and the item's.
        hidden: units of each tower.
        factors: outputs of each tower.
        dropout: share of the units dropped in training.

    Shapes: those of ``matrix_factors``.
    """

    def tower(start: int, stop: int) -> Map:
        return Chain(
            Columns(start + 1, stop),
            Linear(hidden // 2, init=Normal(0.02)),
            Dropout(dropout),
            Linear(hidden),
            ReLU(),
            Dropout(dropout),
            Linear(factors),
        )

    cut, end = widths[0], sum(widths)
    last = Linear(1, init=Constant(factors**-0.5))
    both = Chain(Product(tower(0, cut), tower(cut, end)), last)
    return _with_biases(users, items, widths, both)


def _with_biases(users: int, items: int, widths: tuple[int, int], both: Map) -> Map:
    def bias(at: int, count: int) -> Map:
        return Chain(Columns(at, at + 1), Embedding(count, 1, init=Constant(0.0)), Flatten())

    user, item = bias(0, users), bias(widths[0], items)
    return Parallel(user=user, item=item, both=both, combine="add")
