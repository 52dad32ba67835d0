r"""The gradient of each example as a product of two blocks, whatever the contraction was.

Every contraction of a parameter is, for each example ``n`` and each ``h``, the product
:math:`G_{nh} = L_{nh}^T R_{nh}` of blocks ``L (S, A)`` and ``R (S, B)``: ``h`` runs over those axes
of the parameter that both operands have, ``A`` and ``B`` over those that one has, and ``S`` over
what is summed. What is asked of the gradients is then asked of the blocks, by whichever way is
cheaper; the sizes decide.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pullback.core.arrays import full, namespace

EXAMPLE = "n"
"""The letter of the axis of the examples."""
AT_ONCE = 1 << 22
"""Numbers of gradients of single examples that are formed at a time, where they are to be added."""


@dataclass(frozen=True)
class Pair:
    """Two blocks for each example.

    ``left (N, H, S, A)`` and ``right (N, H, S, B)``; ``shape`` has the sizes of the parameter's
    axes in the order of the blocks (those of both, of the left, of the right), and ``order`` says
    which of these is each axis of the parameter.
    """

    left: Any
    right: Any
    shape: tuple[int, ...]
    order: tuple[int, ...]

    @property
    def examples(self) -> int:
        """How many examples there are."""
        return int(self.left.shape[0])

    @property
    def positions(self) -> int:
        """Over how many terms a block's product sums."""
        return int(self.left.shape[2])

    @property
    def _forms(self) -> bool:
        """Whether the gradient of an example is cheaper than the products of its positions."""
        a, b = self.left.shape[3], self.right.shape[3]
        return bool(self.positions * (a + b) >= a * b)

    def _blocks(self, part: slice) -> Any:
        """Return the gradients of some examples as ``(n, H, A, B)``."""
        xp = namespace(self.left)
        left = xp.permute_dims(self.left[part], (0, 1, 3, 2))
        return xp.matmul(left, self.right[part])

    def _chunks(self) -> Iterator[slice]:
        size = max(1, AT_ONCE // max(1, math.prod(self.shape)))
        yield from (slice(i, i + size) for i in range(0, self.examples, size))

    def _as_parameter(self, blocks: Any, examples: int | None = None) -> Any:
        """Return blocks ``(n, H, A, B)``, or without ``n``, with the axes of the parameter."""
        lead = () if examples is None else (examples,)
        axes = (*range(len(lead)), *(len(lead) + i for i in self.order))
        return namespace(blocks).permute_dims(blocks.reshape((*lead, *self.shape)), axes)

    def _of_parameter(self, v: Any) -> Any:
        """Return an array of the parameter's shape as blocks ``(H, A, B)``."""
        inverse = tuple(int(i) for i in np.argsort(self.order))
        heads, a, b = self.left.shape[1], self.left.shape[3], self.right.shape[3]
        return namespace(v).permute_dims(v, inverse).reshape((heads, a, b))

    def each(self) -> Any:
        """Return the gradient of each example, ``(N, *parameter)``."""
        return self._as_parameter(self._blocks(slice(None)), self.examples)

    def sq_norms(self) -> Any:
        r"""Return ``(N,)`` :math:`\|G_n\|^2`.

        Of one position it is :math:`\|L\|^2 \|R\|^2`. Of several it is the sum over pairs of
        positions of :math:`\langle L_s, L_t \rangle \langle R_s, R_t \rangle`, or that of the
        squares of the gradient.
        """
        xp = namespace(self.left)
        if self.positions == 1:
            squares = (xp.sum(side * side, axis=(2, 3)) for side in (self.left, self.right))
            left, right = squares
            return xp.sum(left * right, axis=1)
        if self._forms:
            found = [_sq(xp, self._blocks(part)) for part in self._chunks()]
            return xp.concat(found) if found else xp.sum(self.left, axis=(1, 2, 3))
        left, right = (
            xp.matmul(side, xp.permute_dims(side, (0, 1, 3, 2))) for side in (self.left, self.right)
        )
        return xp.sum(left * right, axis=(1, 2, 3))

    def sq_sum(self, weight: Any = None) -> Any:
        r"""Return :math:`\sum_n w_n G_n^2`, squared number by number; all weights 1 by default."""
        xp = namespace(self.left)
        if self.positions == 1:
            left, right = self.left * self.left, self.right * self.right
            left = left if weight is None else left * weight[:, None, None, None]
            blocks = xp.matmul(
                xp.permute_dims(left[:, :, 0], (1, 2, 0)),
                xp.permute_dims(right[:, :, 0], (1, 0, 2)),
            )
            return self._as_parameter(blocks)
        heads, a, b = self.left.shape[1], self.left.shape[3], self.right.shape[3]
        total = full((heads, a, b), 0.0, self.left)
        for part in self._chunks():
            blocks = self._blocks(part)
            squares = blocks * blocks
            if weight is not None:
                squares = squares * weight[part][:, None, None, None]
            total = total + xp.sum(squares, axis=0)
        return self._as_parameter(total)

    def along(self, v: Any) -> Any:
        r"""Return ``(N,)`` :math:`\langle G_n, v \rangle` for ``v`` of the parameter's shape."""
        xp = namespace(self.left)
        blocks = self._of_parameter(v)  # (H, A, B)
        examples, heads, positions, a = self.left.shape
        rows = xp.permute_dims(self.left, (1, 0, 2, 3)).reshape((heads, examples * positions, a))
        seen = xp.matmul(rows, blocks).reshape((heads, examples, positions, -1))
        return xp.sum(xp.permute_dims(seen, (1, 0, 2, 3)) * self.right, axis=(1, 2, 3))

    def inner(self) -> Any:
        r"""Return ``(N, N)`` :math:`\langle G_n, G_m \rangle`."""
        xp = namespace(self.left)
        examples = self.examples
        rows, a, b = self.positions * examples, self.left.shape[3], self.right.shape[3]
        if (
            self.positions > 1
            and rows * self.positions * (a + b) >= (self.positions + examples) * a * b
        ):
            flat = self._blocks(slice(None)).reshape((examples, -1))
            return xp.matmul(flat, xp.permute_dims(flat, (1, 0)))
        products = None
        for side in (self.left, self.right):
            flat = xp.permute_dims(side, (1, 0, 2, 3)).reshape((side.shape[1], rows, side.shape[3]))
            found = xp.matmul(flat, xp.permute_dims(flat, (0, 2, 1)))
            products = found if products is None else products * found
        apart = xp.sum(products, axis=0).reshape(
            (examples, self.positions, examples, self.positions)
        )
        return xp.sum(apart, axis=(1, 3))


def _sq(xp: Any, blocks: Any) -> Any:
    return xp.sum(blocks * blocks, axis=(1, 2, 3))


def pair_of(terms: Sequence[str], output: str, operands: Sequence[Any]) -> Pair:
    """Return the two blocks of a contraction ``terms -> output``, whose terms all have ``n``."""
    first_term, first, second_term, second = _as_two(terms, output, operands)
    both = [letter for letter in output if letter in first_term and letter in second_term]
    left = [letter for letter in output if letter in first_term and letter not in second_term]
    right = [letter for letter in output if letter in second_term and letter not in first_term]
    summed = [x for x in first_term if x in second_term and x not in output and x != EXAMPLE]
    sizes = dict(zip(first_term, first.shape, strict=True)) | dict(
        zip(second_term, second.shape, strict=True)
    )
    shape = tuple(sizes[letter] for letter in (*both, *left, *right))
    order = tuple((*both, *left, *right).index(letter) for letter in output)
    blocks = [
        _as_block(array, term, (both, summed, own), sizes)
        for array, term, own in ((first, first_term, left), (second, second_term, right))
    ]
    return Pair(blocks[0], blocks[1], shape, order)


def _as_block(array: Any, term: str, groups: tuple[list[str], ...], sizes: dict[str, int]) -> Any:
    letters = [letter for group in groups for letter in group]
    axes = tuple(term.index(letter) for letter in (EXAMPLE, *letters))
    shape = (sizes[EXAMPLE], *(math.prod(sizes[x] for x in group) for group in groups))
    return namespace(array).permute_dims(array, axes).reshape(shape)


def _as_two(
    terms: Sequence[str], output: str, operands: Sequence[Any]
) -> tuple[str, Any, str, Any]:
    """Return two terms and operands that say the same; what only one of them sums is summed."""
    xp = namespace(operands[0])
    last_term, last = terms[-1], operands[-1]
    if len(terms) == 1:
        ones = full((last.shape[last_term.index(EXAMPLE)],), 1.0, last)
        return *_reduced(xp, last_term, last, output), EXAMPLE, ones
    first_term, first = terms[0], operands[0]
    if len(terms) > 2:
        kept = set(output) | set(last_term)
        first_term = "".join(dict.fromkeys(x for term in terms[:-1] for x in term if x in kept))
        first = xp.einsum(f"{','.join(terms[:-1])}->{first_term}", *operands[:-1])
    return (
        *_reduced(xp, first_term, first, output + last_term),
        *_reduced(xp, last_term, last, output + first_term),
    )


def _reduced(xp: Any, term: str, array: Any, kept: str) -> tuple[str, Any]:
    """Return an operand summed over the axes that nothing else has."""
    axes = tuple(i for i, letter in enumerate(term) if letter not in kept and letter != EXAMPLE)
    if not axes:
        return term, array
    return "".join(x for i, x in enumerate(term) if i not in axes), xp.sum(array, axis=axes)
