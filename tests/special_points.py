"""Special points of maps, with the answer and where it comes from.

Answers of functions of one number are worked out in 700 digits, or are limits; those of rows stand
in the table. ``definition``: the formula itself. ``limit``: of the function. ``convention``: the
subgradient that is chosen at a kink. ``IEEE``: what arithmetic says of NaN, whose comparisons are
all false.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, getcontext

import numpy as np

from pullback.core.map import Map
from pullback.maps import (
    ELU,
    GELU,
    BatchNorm,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    RMSNorm,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)

getcontext().prec = 700  # 1 - exp(-1e-300) has its first digit at the 300th
getcontext().Emin, getcontext().Emax = -99_999_999, 99_999_999
INF, NAN = math.inf, math.nan


def _signed(*sizes: float) -> tuple[float, ...]:
    return tuple(sign * size for size in sizes for sign in (1, -1))


FINITE = {
    "float64": _signed(0.0, 5e-324, 1e-310, 1e-300, 1e-8, 1, 5, 20.5, 36.7, 709, 745, 1e4, 1e308),
    "float32": _signed(0.0, 1e-45, 1e-39, 1.2e-38, 1e-4, 1, 5, 16.7, 88.7, 103.9, 1e4, 3.4e38),
}


@dataclass(frozen=True)
class Point:
    """A map of one number at a number: its value and its slope.

    ``steep`` is by how much an error of the slowest factor grows on the way to the value: the
    relative condition of the function, for those whose inner polynomial is rounded.
    """

    net: Map
    dtype: str
    x: float
    y: float
    slope: float
    source: str
    steep: float = 0.0


ONE = Decimal(1)


def _sigmoid(x: Decimal) -> tuple[Decimal, Decimal]:
    e = (-abs(x)).exp()
    return (ONE if x > 0 else e) / (ONE + e), e / (ONE + e) ** 2


def _tanh(x: Decimal) -> tuple[Decimal, Decimal]:
    e = (-2 * abs(x)).exp()
    t = ((ONE - e) / (ONE + e)).copy_sign(x)
    return t, 4 * e / (ONE + e) ** 2


def _gelu(x: Decimal) -> tuple[Decimal, Decimal]:
    scale = (Decimal(2) / PI).sqrt()
    t, slope = _tanh(scale * (x + Decimal("0.044715") * x**3))
    inner = scale * (ONE + Decimal("0.134145") * x * x)
    return x * (ONE + t) / 2, (ONE + t) / 2 + x * slope * inner / 2


def _silu(x: Decimal) -> tuple[Decimal, Decimal]:
    s, slope = _sigmoid(x)
    return x * s, s + x * slope


def _softplus(x: Decimal) -> tuple[Decimal, Decimal]:
    return (ONE + x.exp()).ln() if x < 1000 else x, _sigmoid(x)[0]


def _elu(x: Decimal) -> tuple[Decimal, Decimal]:
    a = Decimal("0.5")
    return (x, ONE) if x > 0 else (a * (x.exp() - ONE), a * x.exp())


def _relu(x: Decimal) -> tuple[Decimal, Decimal]:
    return (x, ONE) if x > 0 else (Decimal(0), Decimal(0))


def _leaky(x: Decimal) -> tuple[Decimal, Decimal]:
    return (x, ONE) if x > 0 else (x / 4, ONE / 4)


PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")
FUNCTIONS: tuple[tuple[Map, Callable[[Decimal], tuple[Decimal, Decimal]]], ...] = (
    (Sigmoid(), _sigmoid), (Tanh(), _tanh), (GELU(), _gelu), (SiLU(), _silu),
    (Softplus(), _softplus), (ELU(0.5), _elu), (ReLU(), _relu), (LeakyReLU(0.25), _leaky),
)  # fmt: skip
# value and slope at infinity, at -infinity, and the slope at NaN
LIMITS = (
    (Sigmoid(), (1, 0), (0, 0), NAN), (Tanh(), (1, 0), (-1, 0), NAN),
    (GELU(), (INF, 1), (0, 0), NAN), (SiLU(), (INF, 1), (0, 0), NAN),
    (Softplus(), (INF, 1), (0, 0), NAN), (ELU(0.5), (INF, 1), (-0.5, 0), NAN),
    (ReLU(), (INF, 1), (0, 0), 0), (LeakyReLU(0.25), (INF, 1), (-INF, 0.25), 0.25),
)  # fmt: skip
KINKED = (ELU, ReLU, LeakyReLU)


def points() -> list[Point]:
    found = []
    for dtype, numbers in FINITE.items():
        for net, function in FUNCTIONS:
            found += [_point(net, function, dtype, x) for x in numbers]
        for net, high, low, at_nan in LIMITS:
            found.append(Point(net, dtype, INF, *high, "limit"))
            found.append(Point(net, dtype, -INF, *low, "limit"))
            found.append(Point(net, dtype, NAN, NAN, at_nan, "IEEE"))
    return found


def _point(net: Map, function: Callable, dtype: str, x: float) -> Point:
    x = float(np.dtype(dtype).type(x))
    y, slope = function(Decimal(x))
    source = "convention" if x == 0 and isinstance(net, KINKED) else "definition"
    steep = abs(float(Decimal(x) * slope / y)) if isinstance(net, GELU) and y else 0.0
    return Point(net, dtype, x, float(y), float(slope), source, steep)


@dataclass(frozen=True)
class Row:
    """A map of a row: its value, and what it pulls ``gy`` back to.

    For ``BatchNorm`` the row is a feature's numbers in a batch.
    """

    net: Map
    x: tuple[float, ...]
    y: tuple[float, ...]
    gy: tuple[float, ...]
    gx: tuple[float, ...]
    source: str


THIRD, LOG3, LOW = 1 / 3, math.log(3), math.exp(-36.7)
ROWS = [
    Row(Softmax(), (0, 0, 0), (THIRD,) * 3, (1, 0, 0), (2 / 9, -1 / 9, -1 / 9), "definition"),
    Row(Softmax(), (7, 7, 7), (THIRD,) * 3, (1, 1, 1), (0, 0, 0), "definition"),
    Row(Softmax(), (1e4, 1e4), (0.5, 0.5), (1, 0), (0.25, -0.25), "definition"),
    Row(Softmax(), (-1e4, -1e4), (0.5, 0.5), (1, 0), (0.25, -0.25), "definition"),
    Row(Softmax(), (1e4, -1e4), (1, 0), (3, 5), (0, 0), "limit"),
    Row(Softmax(), (0, -INF, 0), (0.5, 0, 0.5), (1, 9, 0), (0.25, 0, -0.25), "limit"),
    Row(Softmax(), (-INF, 3, -INF), (0, 1, 0), (1, 2, 3), (0, 0, 0), "limit"),
    Row(Softmax(), (5,), (1,), (3,), (0,), "definition"),
    Row(Softmax(), (-0.0, 0.0), (0.5, 0.5), (0, 1), (-0.25, 0.25), "definition"),
    Row(Softmax(), (5e-324, 0), (0.5, 0.5), (0, 1), (-0.25, 0.25), "definition"),
    Row(Softmax(), (1e308, -1e308), (1, 0), (1, 1), (0, 0), "limit"),
    Row(Softmax(), (NAN, 0), (NAN, NAN), (1, 0), (NAN, NAN), "IEEE"),
    Row(Softmax(), (INF, 0), (NAN, NAN), (1, 0), (NAN, NAN), "IEEE"),
    Row(Softmax(), (-INF, -INF), (NAN, NAN), (1, 0), (NAN, NAN), "IEEE"),
    Row(LogSoftmax(), (0, 0, 0), (-LOG3,) * 3, (1, 0, 0), (2 / 3, -THIRD, -THIRD), "definition"),
    Row(LogSoftmax(), (1e4, 1e4), (-math.log(2),) * 2, (1, 0), (0.5, -0.5), "definition"),
    Row(LogSoftmax(), (1e4, -1e4), (0, -2e4), (1, 1), (-1, 1), "definition"),
    Row(LogSoftmax(), (-1e4, 1e4), (-2e4, 0), (1, 0), (1, -1), "definition"),
    Row(LogSoftmax(), (0, -INF), (0, -INF), (1, 0), (0, 0), "limit"),
    Row(LogSoftmax(), (0, -INF), (0, -INF), (0, 1), (-1, 1), "limit"),
    Row(LogSoftmax(), (5,), (0,), (3,), (0,), "definition"),
    Row(LogSoftmax(), (NAN, 0), (NAN, NAN), (1, 0), (NAN, NAN), "IEEE"),
    Row(LayerNorm(), (3, 3, 3), (0, 0, 0), (0, 0, 0), (0, 0, 0), "definition"),
    Row(LayerNorm(0.25), (5, 5), (0, 0), (1, -1), (2, -2), "definition"),
    Row(LayerNorm(0.25), (1e8, 1e8), (0, 0), (1, 1), (0, 0), "definition"),
    Row(LayerNorm(), (7,), (0,), (5,), (0,), "definition"),
    Row(LayerNorm(), (NAN, 1), (NAN, NAN), (1, 0), (NAN, NAN), "IEEE"),
    Row(LogSoftmax(), (INF, 0), (NAN, NAN), (1, 0), (NAN, NAN), "IEEE"),
    Row(LogSoftmax(), (-INF, -INF), (NAN, NAN), (1, 0), (NAN, NAN), "IEEE"),
    Row(LogSoftmax(), (0, -36.7), (-LOW, -36.7 - LOW), (1, 1), (-1, 1), "definition"),
    Row(Softmax(), (0, -36.7), (1, LOW), (0, 1), (-LOW, LOW), "definition"),
    Row(Softmax(), (300, -300.5), (1, math.exp(-600.5)), (1, 1), (0, 0), "definition"),
    Row(Softmax(), (0, -745), (1, 5e-324), (1, 1), (0, 0), "definition"),
    Row(LayerNorm(), (0.1,) * 7, (0,) * 7, (1,) * 7, (0,) * 7, "definition"),
    Row(LayerNorm(), (1e8 / 3,) * 7, (0,) * 7, (1,) * 7, (0,) * 7, "definition"),
    Row(LayerNorm(0.25), (0, -0.0), (0, 0), (3, 1), (2, -2), "definition"),
    Row(LayerNorm(3.0), (2, 0), (0.5, -0.5), (1, 0), (0.1875, -0.1875), "definition"),
    Row(LayerNorm(), (INF, 1), (NAN, NAN), (1, 0), (NAN, NAN), "IEEE"),
    Row(RMSNorm(), (0, 0), (0, 0), (1, -2), (1e3, -2e3), "definition"),
    Row(RMSNorm(0.25), (0, -0.0), (0, 0), (3, 1), (6, 2), "definition"),
    Row(RMSNorm(3.0), (1, 1), (0.5, 0.5), (1, 0), (0.4375, -0.0625), "definition"),
    Row(RMSNorm(1e-300), (3,), (1,), (5,), (0,), "definition"),
    Row(RMSNorm(), (NAN, 1), (NAN, NAN), (1, 0), (NAN, NAN), "IEEE"),
    Row(BatchNorm(), (0.1,) * 7, (0,) * 7, (1,) * 7, (0,) * 7, "definition"),
    Row(BatchNorm(), (1e8 / 3,) * 7, (0,) * 7, (1,) * 7, (0,) * 7, "definition"),
    Row(BatchNorm(0.25), (5, 5), (0, 0), (1, -1), (2, -2), "definition"),
    Row(BatchNorm(3.0), (2, 0), (0.5, -0.5), (1, 0), (0.1875, -0.1875), "definition"),
    Row(BatchNorm(), (NAN, 1), (NAN, NAN), (1, 0), (NAN, NAN), "IEEE"),
]  # fmt: skip
