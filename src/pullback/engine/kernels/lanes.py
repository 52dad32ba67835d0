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
TILES = (8, 6, 4, 2, 1)
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
    typing: Any, y: Any, more: Any, bits: Any, count: Any, bits_step: Any,
    x: Any, x_step: Any, x_jump: Any, w: Any, w_step: Any, w_jump: Any, m: Any, like: Any,
) -> Any:  # fmt: skip
    """``y[:m] = sum x[t, b] w[t, b, :m]`` over the bits b of words t, plus ``y`` if ``more``.

    ``y``, ``x``, ``w`` and that of ``count`` words of 32 bits are addresses; steps, from bit to
    bit, and jumps, from word to word, are in bytes. The ``m`` numbers are whole vectors.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        dtype = signature.args[-1].dtype
        rows = _Rows(builder, context.get_value_type(dtype), dtype.bitwidth // 8, values)
        for tile in TILES:
            rows.emit(tile)
        return context.get_dummy_value()

    word = types.int64
    return types.void(word, types.boolean, *(word,) * 10, like), generate


class _Rows:
    """The instructions of ``add_rows``: for each size of tile, as many as there is room for."""

    def __init__(self, builder: Any, number: Any, size: int, values: Any) -> None:
        self.builder, self.number, self.size = builder, number, size
        self.y, self.more, self.bits, self.count, self.bits_step, *rest = values
        self.x, self.x_step, self.x_jump, self.w, self.w_step, self.w_jump, self.m, _ = rest
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
        self._add(builder.mul(done, _word(self.size)), tile)
        builder.store(following, self.done)
        builder.branch(again)
        builder.position_at_end(after)

    def _add(self, offset: Any, tile: int) -> None:
        builder = self.builder
        y, w = builder.add(self.y, offset), builder.add(self.w, offset)
        entry = builder.block
        with builder.if_then(self.more):
            before, there = self._load(y, tile), builder.block
        start = [builder.phi(self.kind) for _ in range(tile)]
        for each, number in zip(start, before, strict=True):
            each.add_incoming(number, there)
            each.add_incoming(ir.Constant(self.kind, [0.0] * self.lanes), entry)
        for i, each in enumerate(self._words(start, w)):
            builder.store(each, self._at(y, i), align=self.size)

    def _words(self, start: list[Any], w: Any) -> list[Any]:
        """Go through the words; return the sums."""
        builder, index = self.builder, ir.IntType(32).as_pointer()
        zero = _word(0)
        end, values, close = self._loop([zero, *start])
        t, sums = values[0], values[1:]
        body = builder.append_basic_block("word")
        builder.cbranch(builder.icmp_signed("<", t, self.count), body, end)
        builder.position_at_end(body)
        place = builder.add(self.bits, builder.mul(t, self.bits_step))
        bits = builder.zext(builder.load(builder.inttoptr(place, index)), WORD)
        x = builder.add(self.x, builder.mul(t, self.x_jump))
        found = self._bits(sums, bits, x, builder.add(w, builder.mul(t, self.w_jump)))
        close([builder.add(t, _word(1)), *found])
        return sums

    def _bits(self, start: list[Any], bits: Any, x: Any, w: Any) -> list[Any]:
        """Go through the bits of a word, lowest first; return the sums."""
        builder = self.builder
        end, values, close = self._loop([bits, *start])
        rest, sums = values[0], values[1:]
        body = builder.append_basic_block("bit")
        builder.cbranch(builder.icmp_signed("!=", rest, _word(0)), body, end)
        builder.position_at_end(body)
        bit = builder.cttz(rest, ir.Constant(ir.IntType(1), 1))
        factor = self._spread(builder.add(x, builder.mul(bit, self.x_step)))
        rows = self._load(builder.add(w, builder.mul(bit, self.w_step)), len(start))
        added = [builder.call(self.fma, [factor, *pair]) for pair in zip(rows, sums, strict=True)]
        close([builder.and_(rest, builder.sub(rest, _word(1))), *added])
        return sums

    def _loop(self, start: list[Any]) -> tuple[Any, list[Any], Any]:
        """Begin a loop over values; return its end, the values, and how to close it."""
        builder, entry = self.builder, self.builder.block
        test, end = map(builder.append_basic_block, ("test", "end"))
        builder.branch(test)
        builder.position_at_end(test)
        values = [builder.phi(each.type) for each in start]
        for value, first in zip(values, start, strict=True):
            value.add_incoming(first, entry)

        def close(following: list[Any]) -> None:
            for value, each in zip(values, following, strict=True):
                value.add_incoming(each, builder.block)
            builder.branch(test)
            builder.position_at_end(end)

        return end, values, close

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
