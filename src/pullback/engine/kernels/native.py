"""What kernels need beyond Python's arithmetic: memory by address, atomic words, calls.

Every kernel is compiled to one C function, ``void(int64 *a, int64 part, int64 parts, T *like)``:
``a`` holds sizes, addresses and numbers, ``part`` of ``parts`` is the share of the work to do, and
``like`` is never read, only its type: it makes the same source a kernel for each dtype.
"""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

WORD = ir.IntType(64)
PAUSE = {
    "x86_64": ("llvm.x86.sse2.pause", ()),
    "AMD64": ("llvm.x86.sse2.pause", ()),
    "aarch64": ("llvm.aarch64.hint", (1,)),
    "arm64": ("llvm.aarch64.hint", (1,)),
}
"""LLVM's name of the instruction for loops that wait, and its arguments."""
ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE = 101, 111, 112  # cblas.h


@intrinsic
def pointer(typing: Any, address: Any, like: Any) -> Any:
    """Return ``address`` as a pointer of the type of ``like``."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], context.get_value_type(signature.return_type))

    return like(types.int64, like), generate


@njit(inline="always")
def vector(address: Any, count: Any, like: Any) -> Any:
    """Return the ``count`` numbers at ``address`` as an array."""
    return carray(pointer(address, like), (count,))


@njit(inline="always")
def matrix(address: Any, rows: Any, columns: Any, like: Any) -> Any:
    """Return the numbers at ``address`` as rows and columns."""
    return carray(pointer(address, like), (rows, columns))


def _fixed_pointer(number: Any) -> Any:
    """Return an intrinsic that makes an address a pointer to ``number``s."""

    @intrinsic
    def at(typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.inttoptr(values[0], context.get_value_type(signature.return_type))

        return types.CPointer(number)(types.int64), generate

    return at


_words_at, _words_32_at, _bytes_at, _reals_at = map(
    _fixed_pointer, (types.int64, types.uint32, types.uint8, types.float64)
)


@njit(inline="always")
def integers(address: Any, count: Any) -> Any:
    """Return the ``count`` 64-bit integers at ``address``."""
    return carray(_words_at(address), (count,))


@njit(inline="always")
def words_32(address: Any, count: Any) -> Any:
    """Return the ``count`` words of 32 bits at ``address``."""
    return carray(_words_32_at(address), (count,))


@njit(inline="always")
def bytes_at(address: Any, count: Any) -> Any:
    """Return the ``count`` bytes at ``address``."""
    return carray(_bytes_at(address), (count,))


@njit(inline="always")
def reals(address: Any, count: Any) -> Any:
    """Return the ``count`` float64 numbers at ``address``."""
    return carray(_reals_at(address), (count,))


@intrinsic
def real(typing: Any, word: Any) -> Any:
    """Return the float64 whose bits are in ``word``."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], ir.DoubleType())

    return types.float64(types.int64), generate


@intrinsic
def item_size(typing: Any, like: Any) -> Any:
    """Return the bytes of one number of the type that ``like`` points to."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return ir.Constant(WORD, signature.args[0].dtype.bitwidth // 8)

    return types.int64(like), generate


@intrinsic
def square_on_stack(typing: Any, like: Any) -> Any:
    """Return the address of 32 words of 32 bits that last as long as the kernel runs."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = cgutils.alloca_once(builder, ir.ArrayType(ir.IntType(32), 32))
        return builder.ptrtoint(place, WORD)

    return types.int64(like), generate


@njit(inline="always")
def share(count: Any, part: Any, parts: Any, unit: Any) -> Any:
    """Return start and stop of a part of ``count``, in whole ``unit``s as far as they go."""
    units = -(-count // unit)
    start = units * part // parts * unit
    stop = units * (part + 1) // parts * unit
    return min(start, count), min(stop, count)


@njit(inline="always")
def block(x: Any, n: Any, k: Any, first: Any, last: Any, apart: Any, size: Any) -> Any:
    """Return where columns ``first`` to ``last`` of x (n, k) begin, and its stride in numbers.

    Apart, the columns that make a part lie in a block of their own, one after the other.
    """
    return (x + n * first * size, last - first) if apart else (x + first * size, k)


@njit(fastmath={"reassoc"})  # in any order, so that it runs in lanes
def total_of(x: Any) -> Any:
    """Return the sum in float64."""
    total = 0.0
    for j in range(len(x)):
        total += x[j]
    return total


@njit(fastmath={"reassoc"})
def product_of(x: Any, y: Any) -> Any:
    """Return the scalar product in float64."""
    total = 0.0
    for j in range(len(x)):
        total += float(x[j]) * float(y[j])
    return total


@njit(fastmath={"nnan", "nsz"})  # so that it runs in lanes; NaN may be left out
def largest_of(x: Any, least: Any) -> Any:
    """Return the largest number, at least ``least``."""
    largest = least
    for j in range(len(x)):
        largest = x[j] if x[j] > largest else largest
    return largest


@intrinsic
def call_kernel(typing: Any, kernel: Any, a: Any, part: Any, parts: Any) -> Any:
    """Call the kernel at an address."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        function = ir.FunctionType(ir.VoidType(), [WORD] * 4)
        target = builder.inttoptr(values[0], function.as_pointer())
        builder.call(target, [*values[1:], ir.Constant(WORD, 0)])
        return context.get_dummy_value()

    word = types.int64
    return types.void(word, word, word, word), generate


@intrinsic
def call_getter(typing: Any, function: Any) -> Any:
    """Call ``int f(void)`` at an address."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [])
        found = builder.call(builder.inttoptr(values[0], kind.as_pointer()), [])
        return builder.sext(found, WORD)

    return types.int64(types.int64), generate


@intrinsic
def call_setter(typing: Any, function: Any, value: Any) -> Any:
    """Call ``void f(int)`` at an address."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(32)])
        target = builder.inttoptr(values[0], kind.as_pointer())
        builder.call(target, [builder.trunc(values[1], ir.IntType(32))])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def gemm(
    typing: Any, function: Any, wide: Any, flip_a: Any, flip_b: Any, m: Any, n: Any, k: Any,
    a: Any, lda: Any, b: Any, ldb: Any, beta: Any, c: Any, ldc: Any, like: Any,
) -> Any:  # fmt: skip
    """``C <- A B + beta C`` by the ``cblas_?gemm`` at an address.

    A is ``(m, k)`` and B ``(k, n)`` after the transposition that ``flip_a``, ``flip_b`` ask for;
    ``a``, ``b``, ``c`` are addresses. ``wide`` is whether the library's sizes have 64 bits.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        number = context.get_value_type(signature.args[-1].dtype)
        for size in (ir.IntType(32), WORD):
            is_wide = ir.Constant(ir.IntType(1), size is WORD)
            with builder.if_then(builder.icmp_signed("==", values[1], is_wide)):
                _call_gemm(builder, number, size, values)
        return context.get_dummy_value()

    word, flag = types.int64, types.boolean
    arguments = (word, flag, flag, flag, *(word,) * 7, types.float64, word, word, like)
    return types.void(*arguments), generate


def _call_gemm(builder: Any, number: Any, size: Any, values: Any) -> None:
    function, _, flip_a, flip_b, m, n, k, a, lda, b, ldb, beta, c, ldc, _ = values
    enum, array = ir.IntType(32), number.as_pointer()

    def flipped(flag: Any) -> Any:
        return builder.select(flag, ir.Constant(enum, TRANSPOSE), ir.Constant(enum, NO_TRANSPOSE))

    def sized(value: Any) -> Any:
        return value if size is WORD else builder.trunc(value, size)

    def at(address: Any) -> Any:
        return builder.inttoptr(address, array)

    factor = builder.fptrunc(beta, number) if isinstance(number, ir.FloatType) else beta
    kinds = [enum] * 3 + [size] * 3 + [number, array, size, array, size, number, array, size]
    target = builder.inttoptr(function, ir.FunctionType(ir.VoidType(), kinds).as_pointer())
    builder.call(
        target,
        [
            ir.Constant(enum, ROW_MAJOR), flipped(flip_a), flipped(flip_b),
            sized(m), sized(n), sized(k), ir.Constant(number, 1.0),
            at(a), sized(lda), at(b), sized(ldb), factor, at(c), sized(ldc),
        ],
    )  # fmt: skip


@intrinsic
def load(typing: Any, address: Any) -> Any:
    """Return the word at ``address``; what was written before it was stored is visible."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(values[0], WORD.as_pointer()), "acquire", 8)

    return types.int64(types.int64), generate


@intrinsic
def store(typing: Any, address: Any, value: Any) -> Any:
    """Store a word, after everything that was written before."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = builder.inttoptr(values[0], WORD.as_pointer())
        builder.store_atomic(values[1], place, "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def swap(typing: Any, address: Any, old: Any, new: Any) -> Any:
    """Store ``new`` where the word is ``old``; return whether it was. One thread succeeds."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = builder.inttoptr(values[0], WORD.as_pointer())
        found = builder.cmpxchg(place, values[1], values[2], "seq_cst", "seq_cst")
        return builder.extract_value(found, 1)

    word = types.int64
    return types.boolean(word, word, word), generate


@intrinsic
def relax(typing: Any) -> Any:
    """Tell the processor that this is a loop which waits."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        name, numbers = PAUSE.get(platform.machine(), ("", ()))
        if name:
            hint = ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [hint for _ in numbers])
            target = cgutils.get_or_insert_function(builder.module, kind, name)
            builder.call(target, [ir.Constant(hint, number) for number in numbers])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def prefetch(typing: Any, address: Any) -> Any:
    """Ask for the line of the cache at ``address``, to be read soon."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place, flag, flag, flag])
        target = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        read, keep, data = (ir.Constant(flag, number) for number in (0, 3, 1))
        builder.call(target, [builder.inttoptr(values[0], place), read, keep, data])
        return context.get_dummy_value()

    return types.void(types.int64), generate
