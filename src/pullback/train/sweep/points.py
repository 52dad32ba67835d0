"""Which settings a sweep tries: all combinations, or so many drawn at random."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError
from pullback.core.random import generator

Point = dict[str, Any]
Over = Mapping[str, Sequence[Any]]
TRIES = 20
"""Draws for each point that is wanted: few choices may give the same one again."""
DIGITS = 3
"""Significant digits of a number that is drawn, so that its name says all of it."""
LONGEST = 80
TEXT = {
    "nothing": "nothing to sweep over; name a setting and its values, as in lr=0.1,0.03",
    "values": "{key}: expected a list of values, or a range as a pair (low, high), found "
    "{values!r}",
    "none": "{key}: no values to try",
    "range": "{key}: a range {low!r}..{high!r} needs numbers above 0, the smaller one first",
    "grid": "{key}: a range {low!r}..{high!r} has no grid; say how many points to draw at random, "
    "or name the values",
    "random": "random={count!r}; expected a whole number of at least 1",
}


def points_of(over: Over, random: int | None, seed: int) -> list[Point]:
    """Return the points of a sweep, each a value for every key.

    Args:
        over: of every key a list of values, or a range ``(low, high)`` as a tuple.
        random: None for all combinations of the values; else how many points are drawn: of a list
            each value alike, of a range log-uniformly, in whole numbers where both ends are whole.
        seed: of the draws; the first points stay the same where more are drawn.

    Raises:
        ConfigError: no keys or values, a range that is none, or one in a grid.
    """
    if not over:
        raise ConfigError(TEXT["nothing"])
    for key, values in over.items():
        _check(key, values, random)
    if random is None:
        return _distinct(
            [dict(zip(over, chosen, strict=True)) for chosen in product(*over.values())]
        )
    if not isinstance(random, int) or isinstance(random, bool) or random < 1:
        raise ConfigError(TEXT["random"].format(count=random))
    drawn = [_draw(over, generator(seed, "sweep", step=i)) for i in range(TRIES * random)]
    return _distinct(drawn)[:random]


def _check(key: str, values: Any, random: int | None) -> None:
    if not isinstance(values, list | tuple):
        raise ConfigError(TEXT["values"].format(key=key, values=values))
    if not values:
        raise ConfigError(TEXT["none"].format(key=key))
    if not isinstance(values, tuple):
        return
    if len(values) != 2:
        raise ConfigError(TEXT["values"].format(key=key, values=values))
    low, high = values
    if not all(_number(end) for end in values) or not 0 < low < high < math.inf:
        raise ConfigError(TEXT["range"].format(key=key, low=low, high=high))
    if random is None:
        raise ConfigError(TEXT["grid"].format(key=key, low=low, high=high))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _draw(over: Over, rng: np.random.Generator) -> Point:
    point: Point = {}
    for key, values in over.items():
        if isinstance(values, list):
            point[key] = values[int(rng.integers(len(values)))]
            continue
        low, high = values
        found = math.exp(rng.uniform(math.log(low), math.log(high)))
        whole = isinstance(low, int) and isinstance(high, int)
        point[key] = round(found) if whole else float(f"{found:.{DIGITS}g}")
    return point


def _distinct(points: list[Point]) -> list[Point]:
    return list({name_of(point): point for point in points}.values())


def label(value: Any) -> Any:
    """Return a value as the table shows it: plain values as they are, others as Python has them."""
    return value if isinstance(value, bool | int | float | str | None) else repr(value)


def name_of(point: Point) -> str:
    """Return the name of a point's run: ``lr=0.1,optimizer=sgd``, as a folder can be called.

    Where that cannot say all, a digest of the point follows.
    """
    said = ",".join(f"{key}={label(value)}" for key, value in point.items())
    name = re.sub(r"[^\w.,=+-]+", "_", said)[:LONGEST]
    if name == said:
        return name
    digest = hashlib.blake2b(said.encode(), digest_size=4).hexdigest()
    return f"{name}-{digest}"
