"""Many numbers at once, in instructions that no loop of ours is compiled to."""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pullback.engine.kernels.native import WORD

BYTES = 64 if binding.get_host_cpu_features().get("avx512f") else 32
"""Of the widest registers that machines like this one have, or that they use as one."""
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


class Emitter:
    """What the instructions below have in common: vectors, and loops that carry values."""

    def __init__(self, builder: Any, number: Any, size: int) -> None:
        self.builder, self.number, self.size = builder, number, size
        self.lanes = BYTES // size
        self.kind = ir.VectorType(number, self.lanes)
        name = f"llvm.fma.v{self.lanes}f{8 * size}"
        self.fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(self.kind, [self.kind] * 3), name
        )

    def loop(self, start: list[Any]) -> tuple[Any, list[Any], Any]:
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

    def at(self, address: Any, i: int) -> Any:
        """Return where the vector number ``i`` after an address is."""
        place = self.builder.inttoptr(address, self.kind.as_pointer())
        return self.builder.gep(place, [constant(i)])

    def load(self, address: Any, count: int) -> list[Any]:
        """Return the vectors from an address on."""
        return [self.builder.load(self.at(address, i), align=self.size) for i in range(count)]

    def _spread(self, address: Any) -> Any:
        """Return the number at ``address`` in every lane."""
        builder, index = self.builder, ir.IntType(32)
        nothing = ir.Constant(self.kind, ir.Undefined)
        number = builder.load(builder.inttoptr(address, self.number.as_pointer()))
        first = builder.insert_element(nothing, number, ir.Constant(index, 0))
        everywhere = ir.Constant(ir.VectorType(index, self.lanes), [0] * self.lanes)
        return builder.shuffle_vector(first, nothing, everywhere)


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


class _Rows(Emitter):
    """The instructions of ``add_rows``: for each size of tile, as many as there is room for."""

    def __init__(self, builder: Any, number: Any, size: int, values: Any) -> None:
        super().__init__(builder, number, size)
        self.y, self.more, self.bits, self.count, self.bits_step, *rest = values
        self.x, self.x_step, self.x_jump, self.w, self.w_step, self.w_jump, self.m, _ = rest
        self.done = cgutils.alloca_once_value(builder, constant(0))

    def emit(self, tile: int) -> None:
        """``while done + tile <= m``: add the next ``tile`` vectors."""
        builder = self.builder
        again, body, after = map(builder.append_basic_block, ("again", "body", "after"))
        builder.branch(again)
        builder.position_at_end(again)
        done = builder.load(self.done)
        following = builder.add(done, constant(tile * self.lanes))
        builder.cbranch(builder.icmp_signed("<=", following, self.m), body, after)
        builder.position_at_end(body)
        self._add(builder.mul(done, constant(self.size)), tile)
        builder.store(following, self.done)
        builder.branch(again)
        builder.position_at_end(after)

    def _add(self, offset: Any, tile: int) -> None:
        builder = self.builder
        y, w = builder.add(self.y, offset), builder.add(self.w, offset)
        entry = builder.block
        with builder.if_then(self.more):
            before, there = self.load(y, tile), builder.block
        start = [builder.phi(self.kind) for _ in range(tile)]
        for each, number in zip(start, before, strict=True):
            each.add_incoming(number, there)
            each.add_incoming(ir.Constant(self.kind, [0.0] * self.lanes), entry)
        for i, each in enumerate(self._words(start, w)):
            builder.store(each, self.at(y, i), align=self.size)

    def _words(self, start: list[Any], w: Any) -> list[Any]:
        """Go through the words; return the sums."""
        builder, index = self.builder, ir.IntType(32).as_pointer()
        zero = constant(0)
        end, values, close = self.loop([zero, *start])
        t, sums = values[0], values[1:]
        body = builder.append_basic_block("word")
        builder.cbranch(builder.icmp_signed("<", t, self.count), body, end)
        builder.position_at_end(body)
        place = builder.add(self.bits, builder.mul(t, self.bits_step))
        bits = builder.zext(builder.load(builder.inttoptr(place, index)), WORD)
        x = builder.add(self.x, builder.mul(t, self.x_jump))
        found = self._bits(sums, bits, x, builder.add(w, builder.mul(t, self.w_jump)))
        close([builder.add(t, constant(1)), *found])
        return sums

    def _bits(self, start: list[Any], bits: Any, x: Any, w: Any) -> list[Any]:
        """Go through the bits of a word, lowest first; return the sums."""
        builder = self.builder
        end, values, close = self.loop([bits, *start])
        rest, sums = values[0], values[1:]
        body = builder.append_basic_block("bit")
        builder.cbranch(builder.icmp_signed("!=", rest, constant(0)), body, end)
        builder.position_at_end(body)
        bit = builder.cttz(rest, ir.Constant(ir.IntType(1), 1))
        factor = self._spread(builder.add(x, builder.mul(bit, self.x_step)))
        rows = self.load(builder.add(w, builder.mul(bit, self.w_step)), len(start))
        added = [builder.call(self.fma, [factor, *pair]) for pair in zip(rows, sums, strict=True)]
        close([builder.and_(rest, builder.sub(rest, constant(1))), *added])
        return sums


ACROSS = 2
"""The most vectors that a tile has in a row."""
DOWN = 8 if BYTES == 64 else 6
"""The most rows of a tile: with its vectors of W, it fits into the registers."""


@intrinsic
def add_tile(
    typing: Any, y: Any, y_apart: Any, rows: Any, vectors: Any, more: Any,
    x: Any, x_apart: Any, w: Any, outer: Any, x_jump: Any, w_jump: Any,
    inner: Any, x_step: Any, w_step: Any, like: Any,
) -> Any:  # fmt: skip
    """``y[j] = sum_{r,t} x[j, r, t] w[r, t]``, plus ``y`` if ``more``.

    ``y[j]`` and ``w[r, t]`` are ``vectors`` (1 or 2) vectors, ``x[j, r, t]`` is one number; ``j``
    goes to ``rows`` (1 to ``DOWN``), ``r`` to ``outer``, ``t`` to ``inner``. All but counts are
    addresses, and distances in bytes: "apart" from ``j`` to ``j``, "jump" from ``r`` to ``r``,
    "step" from ``t`` to ``t``.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        dtype = signature.args[-1].dtype
        tile = _Tile(builder, context.get_value_type(dtype), dtype.bitwidth // 8, values)
        rows, vectors = values[2], values[3]
        after = builder.append_basic_block("after")
        choice = builder.switch(builder.add(builder.mul(rows, constant(ACROSS)), vectors), after)
        for down in range(1, DOWN + 1):
            for across in range(1, ACROSS + 1):
                block = builder.append_basic_block(f"tile{down}x{across}")
                choice.add_case(constant(down * ACROSS + across), block)
                builder.position_at_end(block)
                tile.emit(down, across)
                builder.branch(after)
        builder.position_at_end(after)
        return context.get_dummy_value()

    word = types.int64
    arguments = (*(word,) * 4, types.boolean, *(word,) * 9, like)
    return types.void(*arguments), generate


class _Tile(Emitter):
    """The instructions of ``add_tile``."""

    def __init__(self, builder: Any, number: Any, size: int, values: Any) -> None:
        super().__init__(builder, number, size)
        self.y, self.y_apart, _, _, self.more, self.x, self.x_apart, self.w, *rest = values
        self.outer, self.x_jump, self.w_jump, self.inner, self.x_step, self.w_step, _ = rest

    def emit(self, down: int, across: int) -> None:
        """A tile of one size."""
        builder = self.builder
        places = [builder.add(self.y, builder.mul(self.y_apart, constant(j))) for j in range(down)]
        sums = self._start(places, across)
        end, values, close = self.loop([constant(0), *sums])
        r, sums = values[0], values[1:]
        body = builder.append_basic_block("outer")
        builder.cbranch(builder.icmp_signed("<", r, self.outer), body, end)
        builder.position_at_end(body)
        x = builder.add(self.x, builder.mul(r, self.x_jump))
        w = builder.add(self.w, builder.mul(r, self.w_jump))
        found = self._inner(sums, x, w, down, across)
        close([builder.add(r, constant(1)), *found])
        for i, each in enumerate(sums):
            place = self.at(places[i // across], i % across)
            builder.store(each, place, align=self.size)

    def _start(self, places: list[Any], across: int) -> list[Any]:
        """Return what is in ``y``, or zeros."""
        builder, entry = self.builder, self.builder.block
        with builder.if_then(self.more):
            before = [each for place in places for each in self.load(place, across)]
            there = builder.block
        start = [builder.phi(self.kind) for _ in before]
        for each, number in zip(start, before, strict=True):
            each.add_incoming(number, there)
            each.add_incoming(ir.Constant(self.kind, [0.0] * self.lanes), entry)
        return start

    def _inner(self, start: list[Any], x: Any, w: Any, down: int, across: int) -> list[Any]:
        builder = self.builder
        end, values, close = self.loop([constant(0), x, w, *start])
        (t, x, w), sums = values[:3], values[3:]
        body = builder.append_basic_block("inner")
        builder.cbranch(builder.icmp_signed("<", t, self.inner), body, end)
        builder.position_at_end(body)
        vectors, added = self.load(w, across), []
        for j in range(down):
            factor = self._spread(builder.add(x, builder.mul(self.x_apart, constant(j))))
            added += [
                builder.call(self.fma, [factor, vectors[v], sums[j * across + v]])
                for v in range(across)
            ]
        following = [builder.add(x, self.x_step), builder.add(w, self.w_step)]
        close([builder.add(t, constant(1)), *following, *added])
        return sums


def constant(value: int) -> Any:
    """Return a word as a value of the instructions."""
    return ir.Constant(WORD, value)
