"""Exponentials that loops of ours are compiled to lanes with, other than calls of a library."""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

_FORMATS = {32: (23, 127, 7), 64: (52, 1023, 13)}
"""Bits of a number: bits of its fraction, bias of its exponent, and terms of the series needed."""
_LOWEST = {32: -104.0, 64: -746.0}
"""The exponential of this number, and of all below, is 0."""

_LOG_2_REST = 2.3190468138462996e-17
"""What ``log 2`` is above the number that stands for it."""


def _exponential(one_less: bool) -> Any:
    """Return an instruction for ``exp(x)``, or ``exp(x) - 1``, of ``x <= 0`` or NaN.

    With n the integer nearest to ``x / log 2`` and ``r = x - n log 2``, which is at most 0.35,
    ``exp(x) = 2^n exp(r)``, and exp(r) is a short series. Cody and Waite, "Software manual for the
    elementary functions" (1980), chapter 6.
    """

    @intrinsic
    def between(typing: Any, x: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            bits = signature.args[0].bitwidth
            return _Exponential(builder, bits).emit(values[0], one_less)

        return x(x), generate

    return between


class _Exponential:
    """The instructions, of one number: loops over them become lanes."""

    def __init__(self, builder: Any, bits: int) -> None:
        self.builder, self.bits = builder, bits
        self.kind = ir.FloatType() if bits == 32 else ir.DoubleType()
        self.fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(self.kind, [self.kind] * 3), f"llvm.fma.f{bits}"
        )

    def _number(self, value: float) -> Any:
        return ir.Constant(self.kind, value)

    def emit(self, x: Any, one_less: bool) -> Any:
        builder, number = self.builder, self._number
        fraction, bias, terms = _FORMATS[self.bits]
        lowest = number(_LOWEST[self.bits])
        x = builder.select(builder.fcmp_ordered("<", x, lowest), lowest, x)  # NaN stays
        # to a number this large a sum is rounded to a whole one, which its last bits then hold
        large = number(1.5 * 2.0**fraction)
        shifted = builder.call(self.fma, [x, number(1 / math.log(2)), large])
        n = builder.fsub(shifted, large)
        high = math.ldexp(round(math.ldexp(math.log(2), 15)), -15)  # times n it is exact
        low = math.log(2) - high + _LOG_2_REST
        rest = builder.call(self.fma, [n, number(-high), x])
        rest = builder.call(self.fma, [n, number(-low), rest])
        found = number(1 / math.factorial(terms))
        for k in range(terms - 1, 0, -1):
            found = builder.call(self.fma, [found, rest, number(1 / math.factorial(k))])
        found = builder.fmul(found, rest)  # exp(r) - 1
        # 2^n in two factors, as of the least results it is no normal number
        whole = ir.IntType(self.bits)
        power = builder.sub(builder.bitcast(shifted, whole), builder.bitcast(large, whole))
        half = builder.ashr(power, ir.Constant(whole, 1))
        one, other = (
            builder.bitcast(
                builder.shl(
                    builder.add(each, ir.Constant(whole, bias)), ir.Constant(whole, fraction)
                ),
                self.kind,
            )
            for each in (half, builder.sub(power, half))
        )
        if one_less:
            scale = builder.fmul(one, other)
            return builder.call(self.fma, [scale, found, builder.fsub(scale, number(1.0))])
        return builder.fmul(builder.call(self.fma, [one, found, one]), other)


falling_exp = _exponential(one_less=False)
"""``exp(x)``, x <= 0."""
falling_expm1 = _exponential(one_less=True)
"""``exp(x) - 1``, x <= 0, exact also near 0."""


@intrinsic
def whole(typing: Any, value: Any, x: Any) -> Any:
    """Return a whole number in the type of ``x``."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.sitofp(values[0], context.get_value_type(signature.return_type))

    return x(types.int64, x), generate


@njit(inline="always")
def sigmoid_and_slope(x: Any) -> Any:
    """Return ``s = 1 / (1 + exp(-x))`` and ``s (1 - s)``, neither losing digits."""
    one = whole(1, x)
    e = falling_exp(-x if x > 0 else x)
    high = one / (one + e)
    low = e * high
    return high if x > 0 else low, low * high


@njit(inline="always")
def tanh(x: Any) -> Any:
    """Return ``tanh(x) = -expm1(-2 |x|) / (expm1(-2 |x|) + 2)``, with the sign of x."""
    twice = x + x
    e = falling_expm1(-twice if x > 0 else twice)
    return (-e if x > 0 else e) / (e + whole(2, x))
