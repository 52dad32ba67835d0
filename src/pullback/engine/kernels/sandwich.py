"""Small matrices on both sides of squares of vectors: ``y = L x L^T``, number by number."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pullback.engine.kernels.lanes import Emitter, constant

Matrix = tuple[tuple[float, ...], ...]


def sandwich(matrix: Matrix) -> Any:
    """Return an instruction ``(x, x_row, x_column, y, y_row, y_column, count, like)``.

    Of ``L`` (m, n), ``x[r, s]`` with r and s below n and ``y[i, j]`` with i and j below m are
    ``count`` numbers each, whole vectors. ``x`` and ``y`` are addresses, the others distances in
    bytes.
    """

    @intrinsic
    def between(
        typing: Any, x: Any, x_row: Any, x_column: Any, y: Any, y_row: Any, y_column: Any,
        count: Any, like: Any,
    ) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            dtype = signature.args[-1].dtype
            number, size = context.get_value_type(dtype), dtype.bitwidth // 8
            _Sandwich(builder, number, size, matrix).emit(*values[:-1])
            return context.get_dummy_value()

        return types.void(*(types.int64,) * 7, like), generate

    return between


class _Sandwich(Emitter):
    """The instructions of one ``sandwich``."""

    def __init__(self, builder: Any, number: Any, size: int, matrix: Matrix) -> None:
        super().__init__(builder, number, size)
        self.matrix = matrix

    def emit(
        self, x: Any, x_row: Any, x_column: Any, y: Any, y_row: Any, y_column: Any, count: Any
    ) -> None:
        """Go along the ``count`` numbers, a vector at a time."""
        builder, inside = self.builder, range(len(self.matrix[0]))
        end, (j,), close = self.loop([constant(0)])
        body = builder.append_basic_block("numbers")
        builder.cbranch(builder.icmp_signed("<", j, count), body, end)
        builder.position_at_end(body)
        offset = builder.mul(j, constant(self.size))
        rows = [
            [self.load(self._place(x, offset, x_row, r, x_column, s), 1)[0] for s in inside]
            for r in inside
        ]
        columns = [self._times(column) for column in zip(*rows, strict=True)]
        for i, halfway in enumerate(zip(*columns, strict=True)):
            for k, value in enumerate(self._times(halfway)):
                place = self.at(self._place(y, offset, y_row, i, y_column, k), 0)
                builder.store(value, place, align=self.size)
        close([builder.add(j, constant(self.lanes))])

    def _place(self, start: Any, offset: Any, row: Any, i: int, column: Any, j: int) -> Any:
        builder = self.builder
        down, across = builder.mul(row, constant(i)), builder.mul(column, constant(j))
        return builder.add(builder.add(start, offset), builder.add(down, across))

    def _times(self, vectors: Any) -> list[Any]:
        """Return ``L v``."""
        return [self._sum(row, vectors) for row in self.matrix]

    def _sum(self, factors: tuple[float, ...], vectors: Any) -> Any:
        builder, total = self.builder, None
        for factor, each in sorted(zip(factors, vectors, strict=True), key=lambda pair: -pair[0]):
            if factor == 0:
                continue
            if abs(factor) == 1:
                term = each
            else:
                term = builder.fmul(each, ir.Constant(self.kind, [abs(factor)] * self.lanes))
            if total is None:
                total = term if factor > 0 else builder.fneg(term)
            else:
                total = builder.fadd(total, term) if factor > 0 else builder.fsub(total, term)
        return total
