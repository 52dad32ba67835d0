"""Which examples go where: splits by seed, and the order of an epoch."""

from __future__ import annotations

import numpy as np

from pullback.core.errors import ConfigError
from pullback.core.random import generator
from pullback.data.dataset import Dataset


def order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of ``count`` examples in an epoch: a function of (seed, epoch) alone."""
    return generator(seed, "data", "order", step=epoch).permutation(count)


POOL = 64
"""Batches whose examples are sorted by length together."""


def epoch_order(dataset: Dataset, batch_size: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of the examples in an epoch, a function of its arguments alone.

    Of examples of different lengths (or sizes), those of a batch are of about the same: 64 batches
    at a time of a random order are sorted by length and cut, and the batches come in random order.
    One that is not full comes last.
    """
    rows = order(len(dataset), seed, epoch)
    sizes = dataset.lengths if dataset.sizes is None else dataset.sizes
    if sizes is None:
        return rows
    for start in range(0, len(rows), POOL * batch_size):
        pool = rows[start : start + POOL * batch_size]
        pool[:] = pool[np.argsort(sizes[pool], kind="stable")]
    whole = len(rows) // batch_size
    places = generator(seed, "data", "batches", step=epoch).permutation(whole)
    full = rows[: whole * batch_size].reshape(whole, batch_size)[places].reshape(-1)
    return np.concatenate([full, rows[whole * batch_size :]])


HOLDOUTS = ("random", "stratified", "last")
"""How the examples to hold out are chosen."""


def split(
    dataset: Dataset, fraction: float, seed: int, holdout: str = "random"
) -> tuple[Dataset, Dataset]:
    """Return ``(rest, held)`` with the share ``fraction`` of the examples held out.

    Both keep the order of ``dataset``. ``holdout`` says which are held out: ``"random"`` ones;
    ``"stratified"``, at random and of every class the same share, to the nearest example (largest
    remainders first); or the ``"last"``, for data in order of time, where both parts are views.

    Raises:
        ConfigError: a share that leaves one of the parts empty, another ``holdout``, or no
            classes to stratify by.
    """
    if holdout not in HOLDOUTS:
        raise ConfigError(f"holdout={holdout!r}; expected one of {', '.join(HOLDOUTS)}")
    count = len(dataset)
    held_count = round(fraction * count) if 0 < fraction < 1 else 0
    if not 0 < held_count < count:
        raise ConfigError(
            f"a share of {fraction!r} of {count} examples leaves a part empty; "
            "expected a number between 0 and 1 that leaves examples on both sides"
        )
    if holdout == "last":
        return dataset[: count - held_count], dataset[count - held_count :]
    rng = generator(seed, "data", "split")
    chosen = np.zeros(count, dtype=bool)
    if holdout == "stratified":
        chosen[_stratified(dataset, fraction, held_count, rng)] = True
    else:
        chosen[rng.permutation(count)[:held_count]] = True
    return dataset[np.flatnonzero(~chosen)], dataset[np.flatnonzero(chosen)]


def _stratified(
    dataset: Dataset, fraction: float, total: int, rng: np.random.Generator
) -> np.ndarray:
    if dataset.classes is None:
        raise ConfigError('holdout="stratified" needs class targets; leave it out for regression')
    labels, members = np.unique(dataset.y, return_counts=True)
    ideal = members * fraction
    taken = np.floor(ideal).astype(np.int64)
    by_remainder = np.argsort(taken - ideal, kind="stable")
    taken[by_remainder[: max(0, total - int(taken.sum()))]] += 1
    picked = []
    for label, n in zip(labels, taken, strict=True):
        rows = np.flatnonzero(dataset.y == label)
        picked.append(rng.permutation(rows)[:n])
    return np.concatenate(picked)


def folds(dataset: Dataset, count: int, seed: int) -> np.ndarray:
    """Return ``(N,)`` the fold, from 0 to ``count - 1``, of each example: at random, by classes.

    Of every class each fold has the same number, to one example.

    Raises:
        ConfigError: fewer than two folds, no classes, or a class with fewer examples than folds.
    """
    if dataset.classes is None:
        raise ConfigError("folds are made by classes, and this data set has none")
    least = int(np.bincount(dataset.y, minlength=len(dataset.classes)).min())
    if not 2 <= count <= least:
        raise ConfigError(
            f"folds={count}; expected from 2 to {least}, the examples of the smallest class"
        )
    rng = generator(seed, "data", "folds")
    # class after class, so that what one leaves over goes to the next fold
    rows = np.concatenate([rng.permutation(np.flatnonzero(dataset.y == c))
                           for c in range(len(dataset.classes))])  # fmt: skip
    found = np.empty(len(dataset), np.int64)
    found[rows] = np.arange(len(dataset)) % count
    return found


def train_validation_test(
    dataset: Dataset, validation: float, test: float, seed: int, holdout: str = "random"
) -> tuple[Dataset, Dataset, Dataset]:
    """Return three parts; both shares are of the whole.

    Raises:
        ConfigError: see ``split``.
    """
    rest, test_part = split(dataset, test, seed, holdout)
    train, validation_part = split(rest, validation * len(dataset) / len(rest), seed, holdout)
    return train, validation_part, test_part
