"""Networks for tables some of whose columns are words of which there are many."""

from __future__ import annotations

from collections.abc import Sequence

from pullback.core.compose import Chain
from pullback.core.initializers import Normal
from pullback.core.map import Map
from pullback.maps import Columns, Embedding, Flatten, Parallel


def with_vectors(width: int, counts: Sequence[int], net: Chain, *, start: float = 0.1) -> Chain:
    r"""Return a network that gets a vector for each of an example's last numbers, symbols.

    .. math:: y = f([x_1, \dots, x_{w-k}, E_{1,x_{w-k+1}}, \dots, E_{k,x_w}])

    Guo and Berkhahn, "Entity embeddings of categorical variables" (2016).

    Args:
        width: numbers ``w`` of an example.
        counts: for each of the last ``k``, how many symbols there are; a vector has
            :math:`4 \sqrt[4]{count}` numbers.
        net: the network ``f``.
        start: deviation of the vectors at the start.

    Shapes: ``x (N, width)``, ``y`` that of ``net``.
    """
    plain = width - len(counts)
    parts: list[Map] = [Columns(0, plain)] if plain else []
    for at, count in enumerate(counts):
        table = Embedding(count, round(4 * count**0.25), init=Normal(start))
        parts.append(Chain(Columns(plain + at, plain + at + 1), table, Flatten()))
    return Chain(Parallel(*parts), *net.maps)
