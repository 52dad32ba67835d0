"""Many numbers at once, in instructions that no loop of ours is compiled to."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pullback.engine.kernels.native import WORD

BYTES = 64
"""Of the widest registers, and of a line of the cache; narrower machines use several."""
TILES = (8, 4, 2, 1)
"""How many such vectors a sum keeps in registers."""
COMPARED = 32


@intrinsic
def differ(typing: Any, address: Any, like: Any) -> Any:
    """Return a word with a bit for each of the 32 numbers at ``address`` that is not 0."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        dtype = signature.args[1].dtype
        kind = ir.VectorType(context.get_value_type(dtype), COMPARED)
        place = builder.inttoptr(values[0], kind.as_pointer())
        numbers = builder.load(place, align=dtype.bitwidth // 8)
        # NaN differs from everything
        found = builder.fcmp_unordered("!=", numbers, ir.Constant(kind, [0.0] * COMPARED))
        return builder.zext(builder.bitcast(found, ir.IntType(COMPARED)), WORD)

    return types.int64(types.int64, like), generate


@intrinsic
def add_rows(
    typing: Any, y: Any, more: Any, bits: Any, x: Any, x_step: Any, w: Any, w_step: Any,
    m: Any, like: Any,
) -> Any:  # fmt: skip
    """``y[:m] = sum_b x[b] w[b, :m]`` over the bits b of a word, plus ``y`` if ``more``.

    ``y``, ``x`` and ``w`` are addresses, steps are in bytes; the ``m`` numbers are whole vectors.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        dtype = signature.args[-1].dtype
        rows = _Rows(builder, context.get_value_type(dtype), dtype.bitwidth // 8, values)
        for tile in TILES:
            rows.emit(tile)
        return context.get_dummy_value()

    word = types.int64
    return types.void(word, types.boolean, types.uint32, *(word,) * 5, like), generate


class _Rows:
    """The instructions of ``add_rows``: for each size of tile, as many as there is room for."""

    def __init__(self, builder: Any, number: Any, size: int, values: Any) -> None:
        self.builder, self.number, self.size = builder, number, size
        self.y, self.more, bits, self.x, self.x_step, self.w, self.w_step, self.m, _ = values
        self.bits = builder.zext(bits, WORD)
        self.lanes = BYTES // size
        self.kind = ir.VectorType(number, self.lanes)
        name = f"llvm.fma.v{self.lanes}f{8 * size}"
        self.fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(self.kind, [self.kind] * 3), name
        )
        self.done = cgutils.alloca_once_value(builder, _word(0))

    def emit(self, tile: int) -> None:
        """``while done + tile <= m``: add the next ``tile`` vectors."""
        builder = self.builder
        again, body, after = map(builder.append_basic_block, ("again", "body", "after"))
        builder.branch(again)
        builder.position_at_end(again)
        done = builder.load(self.done)
        following = builder.add(done, _word(tile * self.lanes))
        builder.cbranch(builder.icmp_signed("<=", following, self.m), body, after)
        builder.position_at_end(body)
        offset = builder.mul(done, _word(self.size))
        self._add(offset, tile)
        builder.store(following, self.done)
        builder.branch(again)
        builder.position_at_end(after)

    def _add(self, offset: Any, tile: int) -> None:
        builder = self.builder
        y, w = builder.add(self.y, offset), builder.add(self.w, offset)
        entry = builder.block
        with builder.if_then(self.more):
            before, there = self._load(y, tile), builder.block
        sums = self._phis(tile)
        for each, number in zip(sums, before, strict=True):
            each.add_incoming(number, there)
            each.add_incoming(ir.Constant(self.kind, [0.0] * self.lanes), entry)
        for i, each in enumerate(self._loop(sums, w)):
            builder.store(each, self._at(y, i), align=self.size)

    def _loop(self, start: list[Any], w: Any) -> list[Any]:
        """Go through the bits, lowest first; return the sums."""
        builder, entry = self.builder, self.builder.block
        test, body, end = map(builder.append_basic_block, ("test", "bit", "end"))
        builder.branch(test)
        builder.position_at_end(test)
        bits, sums = builder.phi(WORD), self._phis(len(start))
        builder.cbranch(builder.icmp_signed("!=", bits, _word(0)), body, end)
        builder.position_at_end(body)
        bit = builder.cttz(bits, ir.Constant(ir.IntType(1), 1))
        factor = self._spread(builder.add(self.x, builder.mul(bit, self.x_step)))
        rows = self._load(builder.add(w, builder.mul(bit, self.w_step)), len(start))
        added = [builder.call(self.fma, [factor, *pair]) for pair in zip(rows, sums, strict=True)]
        rest = builder.and_(bits, builder.sub(bits, _word(1)))
        builder.branch(test)
        incoming = zip([bits, *sums], [self.bits, *start], [rest, *added], strict=True)
        for each, first, following in incoming:
            each.add_incoming(first, entry)
            each.add_incoming(following, body)
        builder.position_at_end(end)
        return sums

    def _phis(self, count: int) -> list[Any]:
        return [self.builder.phi(self.kind) for _ in range(count)]

    def _at(self, address: Any, i: int) -> Any:
        place = self.builder.inttoptr(address, self.kind.as_pointer())
        return self.builder.gep(place, [_word(i)])

    def _load(self, address: Any, count: int) -> list[Any]:
        return [self.builder.load(self._at(address, i), align=self.size) for i in range(count)]

    def _spread(self, address: Any) -> Any:
        """Return the number at ``address`` in every lane."""
        builder, index = self.builder, ir.IntType(32)
        nothing = ir.Constant(self.kind, ir.Undefined)
        number = builder.load(builder.inttoptr(address, self.number.as_pointer()))
        first = builder.insert_element(nothing, number, ir.Constant(index, 0))
        everywhere = ir.Constant(ir.VectorType(index, self.lanes), [0] * self.lanes)
        return builder.shuffle_vector(first, nothing, everywhere)


def _word(value: int) -> Any:
    return ir.Constant(WORD, value)
