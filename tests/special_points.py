"""Special points of maps and losses, with the answer and where it comes from.

Answers of functions of one number are worked out in 700 digits, or are limits; those of rows and
losses stand in the table. ``definition``: the formula itself. ``limit``: of the function.
``convention``: the subgradient that is chosen at a kink. ``IEEE``: what arithmetic says of NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, getcontext
from typing import Any

from pullback.core.map import Map
from pullback.losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredError,
    Huber,
    KLDivergence,
    Loss,
    SquaredError,
)
from pullback.maps import (
    ELU,
    GELU,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)

getcontext().prec = 700  # 1 - exp(-1e-300) has its first digit at the 300th
getcontext().Emin, getcontext().Emax = -99_999_999, 99_999_999
INF, NAN = math.inf, math.nan
FINITE = (
    0.0, -0.0, 1e-300, -1e-300, 1e-8, -1e-8, 1.0, -1.0, 20.5, -20.5, 36.8, -36.8, 709.0, -709.0,
    745.0, -745.0, 1e4, -1e4,
)  # fmt: skip


@dataclass(frozen=True)
class Point:
    """A map of one number at a number: its value and its slope."""

    net: Map
    x: float
    y: float
    slope: float
    source: str


ONE = Decimal(1)


def _sigmoid(x: Decimal) -> tuple[Decimal, Decimal]:
    s = ONE / (ONE + (-x).exp())
    return s, s * s * (-x).exp()


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
LIMITS = (
    (Sigmoid(), (1, 0), (0, 0)), (Tanh(), (1, 0), (-1, 0)), (GELU(), (INF, 1), (0, 0)),
    (SiLU(), (INF, 1), (0, 0)), (Softplus(), (INF, 1), (0, 0)), (ELU(0.5), (INF, 1), (-0.5, 0)),
    (ReLU(), (INF, 1), (0, 0)), (LeakyReLU(0.25), (INF, 1), (-INF, 0.25)),
)  # fmt: skip


def points() -> list[Point]:
    found = []
    for net, function in FUNCTIONS:
        for x in FINITE:
            y, slope = function(Decimal(x))
            kink = x == 0 and not isinstance(net, Sigmoid | Tanh | GELU | SiLU | Softplus)
            source = "convention" if kink else "definition"
            found.append(Point(net, x, float(y), float(slope), source))
    for net, (high, high_slope), (low, low_slope) in LIMITS:
        found.append(Point(net, INF, high, high_slope, "limit"))
        found.append(Point(net, -INF, low, low_slope, "limit"))
        found.append(Point(net, NAN, NAN, NAN, "IEEE"))
    return found


@dataclass(frozen=True)
class Row:
    """A map of a row: its value, and what it pulls ``gy`` back to."""

    net: Map
    x: tuple[float, ...]
    y: tuple[float, ...]
    gy: tuple[float, ...]
    gx: tuple[float, ...]
    source: str


THIRD, LOG3 = 1 / 3, math.log(3)
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
]  # fmt: skip


@dataclass(frozen=True)
class LossPoint:
    """A loss of one example: its value and its slope."""

    loss: Loss
    y: tuple[float, ...]
    target: Any
    value: float
    slope: tuple[float, ...]
    source: str


LOG2 = math.log(2)
CE, BCE, KL = CrossEntropy(), BinaryCrossEntropy(), KLDivergence()
LOSS_POINTS = [
    LossPoint(CE, (0, 0), 0, LOG2, (-0.5, 0.5), "definition"),
    LossPoint(CE, (1e4, -1e4), 0, 0, (0, 0), "limit"),
    LossPoint(CE, (1e4, -1e4), 1, 2e4, (1, -1), "definition"),
    LossPoint(CE, (-1e4, 1e4), 1, 0, (0, 0), "limit"),
    LossPoint(CE, (0, -INF), 0, 0, (0, 0), "limit"),
    LossPoint(CE, (0, -INF), 1, INF, (1, -1), "limit"),
    LossPoint(CE, (0, -INF), (1.0, 0.0), 0, (0, 0), "limit"),
    LossPoint(CE, (3, 3, 3), 1, LOG3, (THIRD, -2 / 3, THIRD), "definition"),
    LossPoint(CE, (1e4, 1e4), (0.5, 0.5), LOG2, (0, 0), "definition"),
    LossPoint(CE, (5,), 0, 0, (0,), "definition"),
    LossPoint(CE, (NAN, 0), 0, NAN, (NAN, NAN), "IEEE"),
    LossPoint(CrossEntropy(0.2), (0, 0), 0, LOG2, (-0.4, 0.4), "definition"),
    LossPoint(CrossEntropy(0.2), (1e4, -1e4), 0, 2e3, (0.1, -0.1), "definition"),
    LossPoint(CrossEntropy(0.0, (0, 1)), (0, 0), 0, 0, (0, 0), "definition"),
    LossPoint(CrossEntropy(0.0, (0, 1)), (1e4, -1e4), 1, 2e4, (1, -1), "definition"),
    LossPoint(BCE, (0,), 0.0, LOG2, (0.5,), "definition"),
    LossPoint(BCE, (0,), 1.0, LOG2, (-0.5,), "definition"),
    LossPoint(BCE, (1e4,), 1.0, 0, (0,), "limit"),
    LossPoint(BCE, (1e4,), 0.0, 1e4, (1,), "limit"),
    LossPoint(BCE, (-1e4,), 1.0, 1e4, (-1,), "limit"),
    LossPoint(BCE, (-1e4,), 0.0, 0, (0,), "limit"),
    LossPoint(BCE, (-745,), 0.0, math.exp(-745), (math.exp(-745),), "definition"),
    LossPoint(BCE, (-0.0,), 0.5, LOG2, (0,), "definition"),
    LossPoint(KL, (0, 0), (0.5, 0.5), 0, (0, 0), "definition"),
    LossPoint(KL, (0, 0), (1.0, 0.0), LOG2, (-0.5, 0.5), "limit"),
    LossPoint(KL, (0, -INF), (1.0, 0.0), 0, (0, 0), "limit"),
    LossPoint(KL, (1e4, -1e4), (0.0, 1.0), 2e4, (1, -1), "limit"),
    LossPoint(Huber(2.0), (2,), 0.0, 2, (2,), "definition"),
    LossPoint(Huber(2.0), (-2,), 0.0, 2, (-2,), "definition"),
    LossPoint(Huber(2.0), (0,), 0.0, 0, (0,), "definition"),
    LossPoint(Huber(2.0), (1e300,), 0.0, 2e300, (2,), "definition"),
    LossPoint(Huber(2.0), (-1e300,), 0.0, 2e300, (-2,), "definition"),
    LossPoint(AbsoluteError(), (3,), 3.0, 0, (0,), "convention"),
    LossPoint(AbsoluteError(), (3, -1), (3.0, 1.0), 1, (0, -0.5), "convention"),
    LossPoint(AbsoluteError(), (1e308,), 0.0, 1e308, (1,), "definition"),
    LossPoint(SquaredError(), (1e150,), 0.0, 1e300, (2e150,), "definition"),
    LossPoint(HalfSquaredError(), (5e-324,), 0.0, 0, (5e-324,), "definition"),
    LossPoint(HalfSquaredError(), (3,), 3.0, 0, (0,), "definition"),
]
