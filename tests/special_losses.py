"""Special points of losses, with the answer and where it comes from.

Every number stands in the table, in the closed form that loses no digits. The words are those of
the table of maps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class LossPoint:
    """A loss of one example: its value and its slope."""

    loss: Loss
    y: tuple[float, ...]
    target: Any
    value: float
    slope: tuple[float, ...]
    source: str


INF, NAN = math.inf, math.nan
THIRD, LOG2, LOG3 = 1 / 3, math.log(2), math.log(3)
CE, BCE, KL = CrossEntropy(), BinaryCrossEntropy(), KLDivergence()
HALF, SQUARED, ABSOLUTE = HalfSquaredError(), SquaredError(), AbsoluteError()
LOW = math.exp(-36.75)
LEAST = math.exp(-745)
LOSS_POINTS = [
    LossPoint(CE, (0, 0), 0, LOG2, (-0.5, 0.5), "definition"),
    LossPoint(CE, (1e4, -1e4), 0, 0, (0, 0), "limit"),
    LossPoint(CE, (1e4, -1e4), 1, 2e4, (1, -1), "definition"),
    LossPoint(CE, (-1e4, 1e4), 1, 0, (0, 0), "limit"),
    LossPoint(CE, (0, -INF), 0, 0, (0, 0), "limit"),
    LossPoint(CE, (0, -INF), 1, INF, (1, -1), "limit"),
    LossPoint(CE, (0, -INF), (1.0, 0.0), 0, (0, 0), "limit"),
    LossPoint(CE, (0, -INF, 0), (0.5, 0.0, 0.5), LOG2, (0, 0, 0), "limit"),
    LossPoint(CE, (3, 3, 3), 1, LOG3, (THIRD, -2 / 3, THIRD), "definition"),
    LossPoint(CE, (-1e4, -1e4), 1, LOG2, (0.5, -0.5), "definition"),
    LossPoint(CE, (1e4, 1e4), (0.5, 0.5), LOG2, (0, 0), "definition"),
    LossPoint(CE, (0, 36.75), 0, 36.75, (-1, 1), "definition"),
    LossPoint(CE, (5e-324, 0), 0, LOG2, (-0.5, 0.5), "definition"),
    LossPoint(CE, (5,), 0, 0, (0,), "definition"),
    LossPoint(CE, (0, 0), (0.0, 0.0), 0, (0, 0), "definition"),
    LossPoint(CE, (NAN, 0), 0, NAN, (NAN, NAN), "IEEE"),
    LossPoint(CE, (INF, 0), 0, NAN, (NAN, NAN), "IEEE"),
    LossPoint(CrossEntropy(0.2), (0, 0), 0, LOG2, (-0.4, 0.4), "definition"),
    LossPoint(CrossEntropy(0.2), (1e4, -1e4), 0, 2e3, (0.1, -0.1), "definition"),
    LossPoint(CrossEntropy(0.2), (0, -INF), 0, INF, (0.1, -0.1), "limit"),
    LossPoint(CrossEntropy(0.2), (0, 0), (1.0, 0.0), LOG2, (-0.4, 0.4), "definition"),
    LossPoint(CrossEntropy(0.0, (0, 1)), (0, 0), 0, 0, (0, 0), "definition"),
    LossPoint(CrossEntropy(0.0, (0, 1)), (1e4, -1e4), 1, 2e4, (1, -1), "definition"),
    LossPoint(CrossEntropy(0.0, (0, 1)), (-INF, 0), 0, 0, (0, 0), "limit"),
    LossPoint(CrossEntropy(0.0, (2, 1)), (0, 0), 0, 2 * LOG2, (-1, 1), "definition"),
    LossPoint(BCE, (0,), 0.0, LOG2, (0.5,), "definition"),
    LossPoint(BCE, (0,), 1.0, LOG2, (-0.5,), "definition"),
    LossPoint(BCE, (-0.0,), 0.5, LOG2, (0,), "definition"),
    LossPoint(BCE, (1e-300,), 0.0, LOG2, (0.5,), "definition"),
    LossPoint(BCE, (-1e-300,), 1.0, LOG2, (-0.5,), "definition"),
    LossPoint(BCE, (5e-324,), 0.5, LOG2, (0,), "definition"),
    LossPoint(BCE, (36.75,), 1.0, LOW, (-LOW,), "definition"),
    LossPoint(BCE, (-36.75,), 0.0, LOW, (LOW,), "definition"),
    LossPoint(BCE, (36.75,), 0.0, 36.75, (1,), "definition"),
    LossPoint(BCE, (-36.75,), 1.0, 36.75, (-1,), "definition"),
    LossPoint(BCE, (36.75,), 0.5, 18.375, (0.5,), "definition"),
    LossPoint(BCE, (745,), 1.0, LEAST, (-LEAST,), "definition"),
    LossPoint(BCE, (-745,), 0.0, LEAST, (LEAST,), "definition"),
    LossPoint(BCE, (745,), 0.0, 745, (1,), "definition"),
    LossPoint(BCE, (1e4,), 1.0, 0, (0,), "limit"),
    LossPoint(BCE, (1e4,), 0.0, 1e4, (1,), "limit"),
    LossPoint(BCE, (-1e4,), 1.0, 1e4, (-1,), "limit"),
    LossPoint(BCE, (-1e4,), 0.0, 0, (0,), "limit"),
    LossPoint(BCE, (INF,), 1.0, 0, (0,), "limit"),
    LossPoint(BCE, (INF,), 0.0, INF, (1,), "limit"),
    LossPoint(BCE, (-INF,), 0.0, 0, (0,), "limit"),
    LossPoint(BCE, (-INF,), 1.0, INF, (-1,), "limit"),
    LossPoint(BCE, (NAN,), 1.0, NAN, (NAN,), "IEEE"),
    LossPoint(BCE, (0, INF), (0.0, 1.0), LOG2 / 2, (0.25, 0), "limit"),
    LossPoint(KL, (0, 0), (0.5, 0.5), 0, (0, 0), "definition"),
    LossPoint(KL, (0, 0), (1.0, 0.0), LOG2, (-0.5, 0.5), "limit"),
    LossPoint(KL, (0, 0), (0.0, 0.0), 0, (0, 0), "limit"),
    LossPoint(KL, (0, -INF), (1.0, 0.0), 0, (0, 0), "limit"),
    LossPoint(KL, (0, -INF), (0.5, 0.5), INF, (0.5, -0.5), "limit"),
    LossPoint(KL, (1e4, -1e4), (0.0, 1.0), 2e4, (1, -1), "limit"),
    LossPoint(KL, (-1e4, -1e4, -1e4), (THIRD,) * 3, 0, (0, 0, 0), "definition"),
    LossPoint(KL, (0, NAN), (0.5, 0.5), NAN, (NAN, NAN), "IEEE"),
    LossPoint(Huber(2.0), (2,), 0.0, 2, (2,), "definition"),
    LossPoint(Huber(2.0), (-2,), 0.0, 2, (-2,), "definition"),
    LossPoint(Huber(0.1), (0.1,), 0.0, 0.5 * 0.1 * 0.1, (0.1,), "definition"),
    LossPoint(Huber(2.0), (0,), 0.0, 0, (0,), "definition"),
    LossPoint(Huber(2.0), (-0.0,), 0.0, 0, (0,), "definition"),
    LossPoint(Huber(2.0), (5e-324,), 0.0, 0, (5e-324,), "definition"),
    LossPoint(Huber(2.0), (1e300,), 0.0, 2e300, (2,), "definition"),
    LossPoint(Huber(2.0), (-1e300,), 0.0, 2e300, (-2,), "definition"),
    LossPoint(Huber(2.0), (INF,), 0.0, INF, (2,), "limit"),
    LossPoint(Huber(2.0), (NAN,), 0.0, NAN, (NAN,), "IEEE"),
    LossPoint(ABSOLUTE, (3,), 3.0, 0, (0,), "convention"),
    LossPoint(ABSOLUTE, (3, -1), (3.0, 1.0), 1, (0, -0.5), "convention"),
    LossPoint(ABSOLUTE, (-0.0,), 0.0, 0, (0,), "convention"),
    LossPoint(ABSOLUTE, (5e-324,), 0.0, 5e-324, (1,), "definition"),
    LossPoint(ABSOLUTE, (1e308,), 0.0, 1e308, (1,), "definition"),
    LossPoint(ABSOLUTE, (-INF,), 0.0, INF, (-1,), "limit"),
    LossPoint(ABSOLUTE, (NAN,), 0.0, NAN, (NAN,), "IEEE"),
    LossPoint(SQUARED, (1e150,), 0.0, 1e300, (2e150,), "definition"),
    LossPoint(SQUARED, (1e8,), 1e8 - 1, 1, (2,), "definition"),
    LossPoint(SQUARED, (3,), 3.0, 0, (0,), "definition"),
    LossPoint(SQUARED, (INF,), 0.0, INF, (INF,), "limit"),
    LossPoint(SQUARED, (NAN,), 0.0, NAN, (NAN,), "IEEE"),
    LossPoint(HALF, (5e-324,), 0.0, 0, (5e-324,), "definition"),
    LossPoint(HALF, (1e150,), 0.0, 5e299, (1e150,), "definition"),
    LossPoint(HALF, (3,), 3.0, 0, (0,), "definition"),
    LossPoint(HALF, (-INF,), 0.0, INF, (-INF,), "limit"),
    LossPoint(HALF, (NAN,), 0.0, NAN, (NAN,), "IEEE"),
]
