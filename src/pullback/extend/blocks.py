r"""Blocks of a curvature matrix: a weight and its bias as one matrix, with a factor for each side.

An example's gradient of a weight is :math:`L_n^T R_n` (see ``core.pair``), that of the bias beside
it the sum of one of the two over its positions. With a column of ones on the other they are one
matrix, as with homogeneous coordinates in Martens and Grosse (2015), section 2.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pullback.core.arrays import full, memory, namespace
from pullback.core.contraction import Contraction
from pullback.core.pair import Pair
from pullback.core.spec import Array
from pullback.core.theta import Entry
from pullback.extend.evidence import Evidence
from pullback.extend.kronecker import squares

LARGEST = 8192
"""Rows of a factor up to which it is formed."""
NONE = -1


@dataclass(frozen=True)
class Block:
    """Where a weight, and the bias joined to it, lie in the flat vector.

    As a matrix it has the axes of the left block in its rows and those of the right one in its
    columns, and the bias, where ``bias`` is not ``NONE``, as a last row (``side`` 0) or column
    (``side`` 1). ``shape`` and ``order`` are those of the weight's ``Pair``; ``rows`` counts the
    left axes.
    """

    start: int
    rows: int
    bias: int
    side: int
    shape: tuple[int, ...]
    order: tuple[int, ...]

    @classmethod
    def read(cls, kept: np.ndarray) -> Block:
        """Return the block that ``kept()`` was made of."""
        start, rows, bias, side, *axes = map(int, kept)
        half = len(axes) // 2
        return cls(start, rows, bias, side, tuple(axes[:half]), tuple(axes[half:]))

    def kept(self) -> np.ndarray:
        """Return all of it as one array."""
        numbers = (self.start, self.rows, self.bias, self.side, *self.shape, *self.order)
        return np.array(numbers, np.int64)

    @property
    def _sizes(self) -> tuple[int, int]:
        """Rows and columns without the bias."""
        left = math.prod(self.shape[: self.rows])
        return left, math.prod(self.shape) // left

    @property
    def sizes(self) -> tuple[int, int]:
        """Rows and columns."""
        left, right = self._sizes
        if self.bias == NONE:
            return left, right
        return (left + 1, right) if self.side == 0 else (left, right + 1)

    @property
    def places(self) -> list[slice]:
        """The slices of the flat vector that are in it."""
        weight = slice(self.start, self.start + math.prod(self.shape))
        if self.bias == NONE:
            return [weight]
        return [weight, slice(self.bias, self.bias + self._sizes[1 - self.side])]

    def matrix(self, flat: Array) -> Array:
        """Return what ``flat`` has in its places, as a matrix."""
        weight, *bias = (flat[place] for place in self.places)
        xp, back = namespace(flat), tuple(int(i) for i in np.argsort(self.order))
        axes = weight.reshape([self.shape[i] for i in self.order])
        found = xp.permute_dims(axes, back).reshape(self._sizes)
        if not bias:
            return found
        if self.side == 0:
            return xp.concat([found, bias[0][None, :]], axis=0)
        return xp.concat([found, bias[0][:, None]], axis=1)

    def write(self, matrix: Array, flat: Array) -> None:
        """Write a matrix into its places of ``flat``."""
        left, right = self._sizes
        weight, *bias = self.places
        axes = namespace(flat).permute_dims(matrix[:left, :right].reshape(self.shape), self.order)
        flat[weight].reshape(axes.shape)[...] = axes
        if bias:
            flat[bias[0]] = matrix[-1] if self.side == 0 else matrix[:, -1]


@dataclass(frozen=True)
class Found:
    """The blocks of a network with the pair of each, and the parameters that are in none."""

    blocks: list[tuple[Block, Pair]]
    rest: list[tuple[Entry, Contraction]]


def blocks_of(at: Evidence) -> Found:
    """Divide the parameters into blocks and the rest.

    In a block are weights whose axes are divided between two operands, with up to ``LARGEST`` for
    each: not the scales of normalisation, tables that are looked up, grouped convolutions, or what
    is used in several places.
    """
    rest = {entry.start: (entry, contraction) for entry, contraction in at.contractions}
    blocks = []
    for entry, contraction in at.contractions:
        if type(contraction) is not Contraction or len(contraction.terms) != 2:
            continue
        pair = contraction.pair
        if pair.left.shape[1] != 1 or max(pair.left.shape[3], pair.right.shape[3]) > LARGEST:
            continue
        bias, side = _bias_of(entry, contraction, list(rest.values()))
        rows = sum(letter in contraction.terms[0] for letter in contraction.output)
        blocks.append((Block(entry.start, rows, bias, side, pair.shape, pair.order), pair))
        for start in (entry.start, bias):
            rest.pop(start, None)
    return Found(blocks, list(rest.values()))


def _bias_of(
    entry: Entry, weight: Contraction, others: list[tuple[Entry, Contraction]]
) -> tuple[int, int]:
    """Return where the bias starts that goes with a weight, and on which side its ones are."""
    for other, bias in others:
        alone = type(bias) is Contraction and len(bias.terms) == 1
        if not alone or other.path[:-1] != entry.path[:-1]:
            continue
        for i, (term, operand) in enumerate(zip(weight.terms, weight.operands, strict=True)):
            own = "".join(letter for letter in weight.output if letter in term)
            if (term, own) == (bias.terms[0], bias.output) and _same(operand, bias.operands[0]):
                return other.start, 1 - i
    return NONE, 0


def _same(a: Any, b: Any) -> bool:
    return bool(a.shape == b.shape and a.dtype == b.dtype and memory(a) == memory(b))


def factors_of(block: Block, pair: Pair, share: Array, sharing: str) -> tuple[Array, Array]:
    """Return the factors of a block: one the mean over the terms, the other their weighted sum."""
    sides = [pair.left[:, 0], pair.right[:, 0]]
    if block.bias != NONE:
        side = sides[block.side]
        ones = full((*side.shape[:-1], 1), 1.0, side)
        sides[block.side] = namespace(side).concat([side, ones], axis=-1)
    left, right, terms = squares(sides[0] * share[:, None, None] ** 0.5, sides[1], sharing)
    return left, right / terms
