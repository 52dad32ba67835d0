"""Networks that say how a user rates an item."""

from __future__ import annotations

from pullback.core.compose import Chain
from pullback.core.initializers import Constant, Normal
from pullback.core.map import Map
from pullback.maps import Columns, Dropout, Embedding, Flatten, Linear, Parallel, Product, ReLU


def matrix_factors(
    users: int, items: int, widths: tuple[int, int], *, factors: int = 16, start: float = 0.1
) -> Map:
    r"""Return :math:`m + b_u + c_i + \sum_k h_k p_{uk} q_{ik}`: factors and biases.

    Koren, Bell and Volinsky, "Matrix factorization techniques for recommender systems" (2009); the
    ``h`` could be a part of either factor.

    Args:
        users: how many users there are.
        items: how many items.
        widths: numbers of an example that are the user's, and after these the item's; the first of
            both is the place of the user, or of the item. The others are not used.
        factors: numbers of a vector ``p`` or ``q``.
        start: their deviation at the start.

    Shapes: ``x (N, sum of widths)``, ``y (N, 1)``.
    """

    def table(at: int, count: int) -> Map:
        init = Normal(start)
        return Chain(Columns(at, at + 1), Embedding(count, factors, init=init), Flatten())

    return _with_biases(users, items, widths, table(0, users), table(widths[0], items), 1.0)


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
    return _with_biases(users, items, widths, tower(0, cut), tower(cut, end), factors**-0.5)


def _with_biases(
    users: int, items: int, widths: tuple[int, int], left: Map, right: Map, weight: float
) -> Map:
    def bias(at: int, count: int) -> Map:
        return Chain(Columns(at, at + 1), Embedding(count, 1, init=Constant(0.0)), Flatten())

    return Parallel(
        user=bias(0, users),
        item=bias(widths[0], items),
        both=Chain(Product(left, right), Linear(1, init=Constant(weight))),
        combine="add",
    )
