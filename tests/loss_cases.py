"""The contract table of the losses: for every registered loss the cases it must pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from contract_cases import seeds_for

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
from pullback.losses.ctc import frames_needed

Target = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True)
class LossCase:
    """A loss, the shape of the outputs, and how a target is drawn.

    ``smooth`` losses are compared with differences too, which no kink must be near.
    """

    loss: Loss
    shape: tuple[int, ...]
    target: Target
    smooth: bool = False

    def arrays(self, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Outputs in float64, and the target."""
        rng = np.random.default_rng(seed)
        y = 2 * rng.standard_normal(self.shape)
        return y, self.target(rng, self.shape)


def classes(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, shape[1], shape[0])


def small_classes(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, shape[1], shape[0]).astype(np.uint8)


def one_hot(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.eye(shape[1])[rng.integers(0, shape[1], shape[0])]


def shares(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.dirichlet(np.ones(shape[1]), shape[0])


def bits(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, 2, shape)


def unit(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(0, 1, shape)


def unit_column(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(0, 1, shape[:-1])


def numbers(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape)


def column(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape[:-1])


def position_classes(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, shape[-1], shape[:-1])


def padded_classes(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Classes of positions with padding at the end, as much as there can be in the last example."""
    found = position_classes(rng, shape).reshape(shape[0], -1)
    for row in found[1:]:
        row[rng.integers(1, len(row)) :] = -1
    found[-1] = -1 if shape[0] > 2 else found[-1]
    return found.reshape(shape[:-1])


def spelling(most: int) -> Target:
    """Frames and up to so many labels, for which the frames do; in the first, as many as can be."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        count, steps, classes = shape
        found = np.full((count, 1 + most), -1)
        for i, row in enumerate(found):
            row[0] = steps if i == 0 else rng.integers(1, steps + 1)
            labels = rng.integers(1, classes, min(most, int(row[0]) // 2 + (i == 0)))
            row[1 : 1 + len(labels)] = labels
            if frames_needed(row[None, 1:])[0] > row[0]:
                row[2:] = -1
        return found

    return draw


def position_shares(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.dirichlet(np.ones(shape[-1]), shape[:-1])


def rare(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Few ones, and none in the first example."""
    found = (rng.uniform(0, 1, shape) < 0.2).astype(float)
    found[0] = 0
    return found


def boxes(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Centre and size of boxes near the outputs' and far from them; the last example has none."""
    every = math.prod(shape[:-1])
    found = np.concatenate([rng.normal(0, 3, (every, 2)), rng.uniform(0.2, 4, (every, 2))], axis=1)
    found[rng.uniform(0, 1, every) < 0.3, 2:] = 0
    found = found.reshape(shape)
    found[-1] = 0
    return found


def one_box(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.concatenate([rng.normal(0, 1, (*shape[:-1], 2)), np.ones((*shape[:-1], 2))], axis=-1)


def boxes_and_classes(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    rest = (*shape[:-1], shape[-1] - 4)
    return np.concatenate([boxes(rng, (*shape[:-1], 4)), rare(rng, rest)], axis=-1)


def members(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Classes of the members of groups; in the first, none has another of its class."""
    found = rng.integers(0, 3, shape[:2])
    found[0] = np.arange(shape[1])
    return found


def pairs(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(shape[1]) // 2 + np.zeros((shape[0], 1), np.uint8)


def _regression(*losses: Loss, smooth: bool = False) -> list[LossCase]:
    shapes: list[tuple[tuple[int, ...], Target]] = [
        ((1, 3), numbers),
        ((5, 4), numbers),
        ((4, 1), column),
        ((3, 2, 2), numbers),
        ((6,), numbers),
        ((5, 3), classes),
    ]
    return [
        LossCase(losses[i % len(losses)], shape, target, smooth)
        for i, (shape, target) in enumerate(shapes)
    ]


LOSS_CASES: dict[str, list[LossCase]] = {
    "CrossEntropy": [
        LossCase(CrossEntropy(), (1, 3), classes),
        LossCase(CrossEntropy(), (5, 4), small_classes),
        LossCase(CrossEntropy(), (5, 4), one_hot),
        LossCase(CrossEntropy(), (5, 4), shares),
        LossCase(CrossEntropy(label_smoothing=0.1), (5, 4), classes),
        LossCase(CrossEntropy(label_smoothing=0.3), (4, 3), shares),
        LossCase(CrossEntropy(class_weights=(1, 0.5, 3)), (6, 3), classes),
        LossCase(CrossEntropy(class_weights=(0, 0.5, 3)), (6, 3), shares),
        LossCase(CrossEntropy(0.2, (2.0, 0.5, 3.0)), (6, 3), classes),
        LossCase(CrossEntropy(), (3, 1), classes),
        LossCase(CrossEntropy(), (3, 2, 4), position_classes),
        LossCase(CrossEntropy(0.2, (2.0, 0.5, 3.0)), (2, 2, 3, 3), position_classes),
        LossCase(CrossEntropy(), (2, 3, 3), position_shares),
        LossCase(CrossEntropy(), (4, 5, 3), padded_classes),
        LossCase(CrossEntropy(0.2, (2.0, 0.5, 3.0)), (3, 2, 4, 3), padded_classes),
    ],
    "CTC": [
        LossCase(CTC(), (1, 5, 3), spelling(2), smooth=True),
        LossCase(CTC(), (4, 7, 4), spelling(4), smooth=True),
        LossCase(CTC(), (3, 6, 2), spelling(3), smooth=True),
        LossCase(CTC("zero"), (3, 3, 5), spelling(1), smooth=True),
        LossCase(CTC(), (3, 4, 3), spelling(0), smooth=True),
    ],
    "Dice": [
        LossCase(Dice(), (1, 4, 3), position_classes, smooth=True),
        LossCase(Dice(0.1), (3, 3, 2, 4), position_classes, smooth=True),
        LossCase(Dice(), (2, 5, 3), position_shares, smooth=True),
    ],
    "Focal": [
        LossCase(Focal(), (1, 5), rare, smooth=True),
        LossCase(Focal(), (4, 3, 3), rare, smooth=True),
        LossCase(Focal(0.0, 0.5), (3, 2, 2, 4), rare, smooth=True),
        LossCase(Focal(1.5, 0.6), (4, 6), rare, smooth=True),
    ],
    "GIoU": [
        LossCase(GIoU(), (3, 4), one_box),
        LossCase(GIoU(), (4, 5, 4), boxes),
        LossCase(GIoU(), (3, 2, 3, 4), boxes),
        LossCase(GIoU(), (1, 2, 4), boxes),
    ],
    "Contrastive": [
        LossCase(Contrastive(1.0), (1, 4, 3), pairs, smooth=True),
        LossCase(Contrastive(0.7), (4, 5, 2), members, smooth=True),
        LossCase(Contrastive(2.0), (3, 2, 3), members, smooth=True),
    ],
    "WeightedSum": [
        LossCase(WeightedSum((CrossEntropy(), Dice()), (1.0, 0.5)), (3, 4, 3), position_classes),
        LossCase(
            WeightedSum((GIoU(), Focal()), (2.0, 1.0), (4, 3)), (3, 2, 2, 7), boxes_and_classes
        ),
        LossCase(WeightedSum((SquaredError(),), (3.0,)), (4, 2), numbers),
    ],
    "BinaryCrossEntropy": [
        LossCase(BinaryCrossEntropy(), (1, 1), bits, smooth=True),
        LossCase(BinaryCrossEntropy(), (5, 1), unit_column, smooth=True),
        LossCase(BinaryCrossEntropy(), (4, 3), unit, smooth=True),
        LossCase(BinaryCrossEntropy(), (3, 2, 2), bits, smooth=True),
        LossCase(BinaryCrossEntropy(), (4, 3), classes, smooth=True),
    ],
    "KLDivergence": [
        LossCase(KLDivergence(), (1, 3), shares),
        LossCase(KLDivergence(), (5, 4), shares),
        LossCase(KLDivergence(), (5, 4), one_hot),
        LossCase(KLDivergence(), (3, 2), unit),
        LossCase(KLDivergence(), (5, 3), small_classes),
    ],
    "HalfSquaredError": _regression(HalfSquaredError()),
    "SquaredError": _regression(SquaredError()),
    "AbsoluteError": _regression(AbsoluteError(), smooth=True),
    "Huber": _regression(Huber(), Huber(0.3), Huber(4.0), smooth=True),
}


def all_loss_inputs() -> dict[str, tuple[LossCase, int]]:
    """Every case with every seed it is drawn from, by an identifier."""
    return {
        f"{name}-{i}-{seed}": (case, seed)
        for name, cases in LOSS_CASES.items()
        for i, case in enumerate(cases)
        for seed in seeds_for(cases)
    }


def all_loss_cases() -> dict[str, LossCase]:
    """Every case by an identifier."""
    return {f"{name}-{i}": case for name, cs in LOSS_CASES.items() for i, case in enumerate(cs)}
