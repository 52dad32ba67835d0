"""Special points of losses, with the answer and where it comes from.

Every number stands in the table, in the closed form that loses no digits. The words are those of
the table of maps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pullback.losses import (
    CTC,
    AbsoluteError,
    BinaryCrossEntropy,
    Contrastive,
    CrossEntropy,
    Dice,
    Focal,
    GIoU,
    HalfSquaredError,
    Huber,
    KLDivergence,
    Loss,
    SquaredError,
    WeightedSum,
)


@dataclass(frozen=True)
class LossPoint:
    """A loss of one example: its value and its slope."""

    loss: Loss
    y: tuple[Any, ...]
    target: Any
    value: float
    slope: tuple[Any, ...]
    source: str


INF, NAN = math.inf, math.nan
THIRD, LOG2, LOG3 = 1 / 3, math.log(2), math.log(3)
CE, BCE, KL = CrossEntropy(), BinaryCrossEntropy(), KLDivergence()
HALF, SQUARED, ABSOLUTE = HalfSquaredError(), SquaredError(), AbsoluteError()
LOW = math.exp(-36.75)
LEAST = math.exp(-745)
FOCAL, BOX, DICE, NEAR = Focal(), GIoU(), Dice(), Contrastive(1.0)
HALFWAY = (0.5 + LOG2) / 16
HERE, FAR, INSIDE = (0.0, 0.0, 64.0, 64.0), (1e3, 0, 64, 64), (0.0, 0.0, 128.0, 128.0)
UNION, HULL = 2 * 64 * 64, 1064 * 64
"""Of the boxes ``HERE`` and ``FAR``; the softplus of 64 is 64."""
SPELL, SPARE = CTC(), CTC("zero")
FIRST = 0.25 * (-20 / 81 - 0.32)
LOSS_POINTS = [
    LossPoint(CE, ((0, 0), (0, 0)), (0, 1), LOG2, ((-0.25, 0.25), (0.25, -0.25)), "definition"),
    LossPoint(CE, ((1e4, -1e4), (0, 0)), (0, 1), LOG2 / 2, ((0, 0), (0.25, -0.25)), "limit"),
    LossPoint(CE, ((0, 0), (5, 9)), (0, -1), LOG2, ((-0.5, 0.5), (0, 0)), "definition"),
    LossPoint(CE, ((0, 0), (5, 9)), (-1, -1), 0, ((0, 0), (0, 0)), "convention"),
    LossPoint(
        CrossEntropy(0.2), ((0, 0), (5, 9)), (0, -1), LOG2, ((-0.4, 0.4), (0, 0)), "definition"
    ),
    LossPoint(SPELL, ((0, 0),), (1, 1), LOG2, ((0.5, -0.5),), "definition"),
    LossPoint(SPELL, ((0, 0),), (1, -1), LOG2, ((-0.5, 0.5),), "definition"),
    LossPoint(
        SPELL, ((0, 0), (0, 0)), (2, 1), math.log(4 / 3), ((1 / 6, -1 / 6),) * 2, "definition"
    ),
    LossPoint(SPELL, ((0, 0), (NAN, 5)), (1, 1), LOG2, ((0.5, -0.5), (0, 0)), "definition"),
    LossPoint(SPELL, ((-1e4, 1e4), (1e4, -1e4)), (2, 1), 0, ((0, 0), (0, 0)), "limit"),
    LossPoint(SPELL, ((1e4, -1e4),), (1, 1), 2e4, ((1, -1),), "limit"),
    LossPoint(SPELL, ((0, -INF),), (1, 1), INF, ((1, 0),), "convention"),
    LossPoint(SPELL, ((NAN, 0),), (1, 1), NAN, ((NAN, NAN),), "IEEE"),
    LossPoint(SPARE, ((0, 0), (0, 0)), (2, 1, 1), 0, ((0, 0), (0, 0)), "convention"),
    LossPoint(SPARE, ((0, 0), (5, 9)), (1, 1, 1), 0, ((0, 0), (0, 0)), "convention"),
    LossPoint(DICE, ((0, 0),), (0,), 7 / 45, ((FIRST, -FIRST),), "definition"),
    LossPoint(DICE, ((1e4, -1e4),), (0,), 0, ((0, 0),), "limit"),
    LossPoint(DICE, ((1e4, -1e4),), (1,), 0.5, ((0, 0),), "limit"),
    LossPoint(DICE, ((NAN, 0),), (1,), NAN, ((NAN, NAN),), "IEEE"),
    LossPoint(FOCAL, (0,), (1.0,), LOG2 / 16, (-HALFWAY,), "definition"),
    LossPoint(FOCAL, (0, 0), (0.0, 0.0), 6 * LOG2 / 16, (3 * HALFWAY,) * 2, "definition"),
    LossPoint(FOCAL, (0, 0), (1.0, 1.0), LOG2 / 16, (-HALFWAY / 2,) * 2, "definition"),
    LossPoint(FOCAL, (1e4,), (1.0,), 0, (0,), "limit"),
    LossPoint(FOCAL, (-1e4,), (1.0,), 2500, (-0.25,), "limit"),
    LossPoint(FOCAL, (1e4,), (0.0,), 7500, (0.75,), "limit"),
    LossPoint(FOCAL, (-1e4,), (0.0,), 0, (0,), "limit"),
    LossPoint(FOCAL, (NAN,), (0.0,), NAN, (NAN,), "IEEE"),
    LossPoint(Focal(0.0, 0.5), (0,), (1.0,), LOG2 / 2, (-0.25,), "definition"),
    LossPoint(BOX, HERE, HERE, 0, (0, 0, 0, 0), "convention"),
    LossPoint(BOX, HERE, INSIDE, 0.75, (0, 0, -1 / 256, -1 / 256), "definition"),
    LossPoint(
        BOX,
        FAR,
        HERE,
        2 - UNION / HULL,
        (64 * UNION / HULL**2, 0, 32 * UNION / HULL**2 - 64 / HULL, -64 / HULL),
        "definition",
    ),
    LossPoint(BOX, (5, 5, 1, 1), (0.0, 0.0, 0.0, 0.0), 0, (0, 0, 0, 0), "definition"),
    LossPoint(BOX, (3, 0, -1e4, 64), HERE, 1, (0, 0, 0, 0), "limit"),
    LossPoint(BOX, (NAN, 0, 64, 64), HERE, NAN, (NAN, NAN, NAN, NAN), "IEEE"),
    LossPoint(NEAR, ((1, 0), (1, 0)), (0, 0), 0, ((0, 0), (0, 0)), "definition"),
    LossPoint(NEAR, ((1, 0), (3, 0)), (0, 1), 0, ((0, 0), (0, 0)), "definition"),
    LossPoint(
        NEAR,
        ((1, 0), (1, 0), (1, 0)),
        (0, 0, 1),
        LOG2,
        ((-0.25, 0), (-0.25, 0), (0.5, 0)),
        "definition",
    ),
    LossPoint(
        NEAR, ((1e3, 0), (1e3, 0), (-1e3, 0)), (0, 0, 1), 0, ((0, 0), (0, 0), (0, 0)), "limit"
    ),
    LossPoint(NEAR, ((NAN, 0), (1, 0)), (0, 0), NAN, ((NAN, NAN), (NAN, NAN)), "IEEE"),
    LossPoint(WeightedSum((SQUARED,), (2.0,)), (3,), 5.0, 8, (-8,), "definition"),
    LossPoint(WeightedSum((SQUARED, ABSOLUTE), (1.0, 2.0)), (3,), 1.0, 8, (6,), "definition"),
    LossPoint(
        WeightedSum((SQUARED, ABSOLUTE), (1.0, 1.0), (1, 1)),
        (1, 2),
        (0.0, 0.0),
        3,
        (2, 1),
        "definition",
    ),
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
