"""Recommendation: what a user would rate highly, from what all users have rated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError
from pullback.core.map import Map
from pullback.data.dataset import Data, Dataset
from pullback.data.rows import spread
from pullback.data.tables import Ratings
from pullback.losses import SquaredError
from pullback.models import matrix_factors, two_towers
from pullback.optim import AdamW
from pullback.optim.schedules import OneCycle
from pullback.recipes.common import Result, write_figures
from pullback.train.events import Callback
from pullback.train.fit import fit
from pullback.train.model import Model
from pullback.train.ranking import ndcg_at, precision_at

BEST = 10
"""How many items are recommended, and looked at in the measurement."""
RISE = 0.1
"""Share of the steps in which the learning rate rises."""
GOOD = 0.75
"""An item is a good one where its rating is at least so far from the lowest to the highest."""
RANKED = 500
"""Users whose rankings are measured, at most: at even distances among all."""
DAMPING, ROUNDS = 10, 10
"""Of the biases alone: ratings of the mean that each has besides its own, and repetitions."""
SETTINGS: dict[str, dict[str, Any]] = {
    "towers": {"epochs": 16, "batch_size": 1024, "lr": 0.006, "decay": 0.1},
    "factors": {"epochs": 20, "batch_size": 256, "lr": 0.02, "decay": 0.1},
}
"""The two models, and how each is trained; the first is the default."""
TEXT = {
    "model": "--model {found}; expected one of {known}",
    "no ratings": "{name}: these are no ratings; expected a table with the columns user, item and "
    "rating, or the data set 'ratings'",
    "not of ratings": "this model was not trained on ratings; 'pullback train recommend' makes one",
}


def recommend(
    data: Data,
    out: str | Path,
    *,
    epochs: int | None = None,
    seed: int = 0,
    model: str = "towers",
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Train a network on ratings, and measure it on the test part beside simpler answers.

    Args:
        data: ratings, see ``pullback.data.tables.ratings``.
        out: the run's folder; ``figures.json`` is added to its files.
        epochs: how often to go through the ratings; None: as suits the model.
        seed: decides the start, the order and the noise.
        model: ``"towers"``, of what is known and rated on both sides, or ``"factors"``, of a vector
            for each user and each item.
        callbacks: called with the events of training.

    Raises:
        ConfigError: another model, or data that are no ratings.
    """
    if model not in SETTINGS:
        raise ConfigError(TEXT["model"].format(found=model, known=", ".join(SETTINGS)))
    if not isinstance(data.table, Ratings) or data.test is None:
        raise ConfigError(TEXT["no ratings"].format(name=data.name))
    data, chosen = bare(data) if model == "factors" else data, SETTINGS[model]
    table, test = data.table, data.test
    assert test is not None
    epochs = epochs or chosen["epochs"]
    run = fit(
        network(table, model),
        data,
        loss=SquaredError(),
        optimizer=AdamW(OneCycle(chosen["lr"], RISE), weight_decay=chosen["decay"]),
        epochs=epochs,
        batch_size=min(chosen["batch_size"], len(data.train)),
        seed=seed,
        normalize="none",
        callbacks=callbacks,
        out=out,
    )
    if run.stopped == "interrupted":
        return Result(run, {})
    figures: dict[str, Any] = {**measure(run.model, test), **simple(table, test)}
    figures |= {"model": model, "seed": seed, "epochs": epochs}
    write_figures(Path(out), figures)
    return Result(run, figures)


def bare(data: Data) -> Data:
    """Return ratings as examples of two numbers, the places of user and item."""
    table = replace(data.table, bare=True)

    def narrow(part: Any) -> Dataset:
        found: Dataset = replace(part, x=table.pairs(part.x.users, part.x.items))
        return found

    return replace(data, train=narrow(data.train), test=narrow(data.test), table=table)


def network(table: Ratings, model: str) -> Map:
    """Return the network of a model for the users and items of a table."""
    users, items = (len(side.words) for side in table.sides)
    make = two_towers if model == "towers" else matrix_factors
    return make(users, items, table.widths)


def best(model: Model, user: str, count: int = BEST) -> list[tuple[str, float]]:
    """Return the titles of the items that a user would rate highest, and these ratings.

    Items that the user has rated in training are left out.

    Raises:
        ConfigError: the model is none of ratings.
        DataError: there is no such user.
    """
    table = model.table
    if not isinstance(table, Ratings):
        raise ConfigError(TEXT["not of ratings"])
    items = table.unseen(table.user(user))
    outputs = scores(model, table.user(user), items)
    first = np.argsort(-outputs, kind="stable")[:count]
    ratings = table.in_units(outputs[first])
    return [(table.titles[items[k]], float(r)) for k, r in zip(first, ratings, strict=True)]


def scores(model: Model, user: int, items: np.ndarray) -> np.ndarray:
    """Return the outputs ``(n,)`` for a user and ``items (n,)``, by their places."""
    outputs: np.ndarray = model.outputs(model.table.pairs(np.full(len(items), user), items))[:, 0]
    return outputs


def measure(model: Model, test: Dataset) -> dict[str, float]:
    """Return the error on the test ratings, and how many good items are among the best ten.

    ``rmse`` is in units of a rating. For ``precision_at_10`` and ``ndcg_at_10`` all items that a
    user has not rated in training are ranked; those that the user rates well in the test part
    count, and each as much as the other. Users without such are left out.
    """
    table: Ratings = model.table
    told, true = table.in_units(model.outputs(test.x)), test.y + table.middle
    found = {"rmse": float(np.sqrt(np.mean((told - true) ** 2)))}
    return found | ranking(table, test, lambda user, items: scores(model, user, items))


def ranking(table: Ratings, test: Dataset, score: Any) -> dict[str, float]:
    """Return the means over users of what ``score(user, items)`` puts first."""
    pairs: Any = test.x  # made by ``Ratings.examples``
    low, high = min(table.values), max(table.values)
    good = (test.y + table.middle >= low + GOOD * (high - low)) & (pairs.items >= 0)
    users = np.unique(pairs.users[good & (pairs.users >= 0)])
    each = []
    for user in users[spread(len(users), RANKED)]:
        items = table.unseen(user)
        relevant = np.isin(items, pairs.items[good & (pairs.users == user)])
        given = score(user, items)
        each.append((precision_at(given, relevant, BEST), ndcg_at(given, relevant * 1.0, BEST)))
    precision, ndcg = np.mean(each, axis=0) if each else (0.0, 0.0)
    return {f"precision_at_{BEST}": float(precision), f"ndcg_at_{BEST}": float(ndcg)}


def simple(table: Ratings, test: Dataset) -> dict[str, float]:
    """Return the figures of simpler answers: always the mean, means of items, biases alone.

    The ranking is by how often an item was rated, the same for all users.
    """
    pairs: Any = test.x
    u, i, true = pairs.users, pairs.items, test.y
    user, item = biases(table)
    means = biases(table, rounds=1, damping=0)[1]
    told = {"mean": np.zeros(len(true)), "item_mean": means[i], "biases": user[u] + item[i]}
    found = {f"{name}_rmse": float(np.sqrt(np.mean((y - true) ** 2))) for name, y in told.items()}
    often = np.bincount(table.items, minlength=len(table.titles)).astype(float)
    popular = ranking(table, test, lambda user, items: often[items])
    return found | {f"popular_{name}": value for name, value in popular.items()}


def biases(
    table: Ratings, rounds: int = ROUNDS, damping: float = DAMPING
) -> tuple[np.ndarray, np.ndarray]:
    """Return how far above the mean each user rates, and each item is rated; 0 for unknown ones.

    By turns, what the other side leaves is averaged, items first.
    """
    u, i = np.array(table.users), np.array(table.items)
    r = np.array(table.values) - table.middle
    user, item = (np.zeros(len(side.words) + 1) for side in table.sides)
    for _ in range(rounds):
        for own, other, at, bat in ((item, user, i, u), (user, item, u, i)):
            total = np.bincount(at, r - other[bat], len(own))
            own[...] = total / np.maximum(np.bincount(at, minlength=len(own)) + damping, 1)
    return user, item
