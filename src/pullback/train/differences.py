"""In which settings runs differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pullback.core.config import TYPE

PLACES = ("maps", "transforms")
"""Fields that say nothing beside the place that follows."""


def differences(configs: Sequence[Any]) -> dict[str, list[Any]]:
    """Return the settings in which configurations differ, each with its value in every one.

    A name is a path, such as ``optimizer.lr``. Where descriptions of one type or lists of one
    length stand in the same place, their parts are compared, and otherwise the whole is the value,
    as a short text.

    Args:
        configs: as ``to_config`` makes them; what is missing in one is None there.
    """
    return dict(_differences(list(configs), ()))


def _differences(values: list[Any], path: tuple[str, ...]) -> Iterator[tuple[str, list[Any]]]:
    if all(value == values[0] for value in values):
        return
    if all(isinstance(value, dict) for value in values) and _alike(map(_kind, values)):
        for key in dict.fromkeys(key for value in values for key in value):
            own = path if key in PLACES else (*path, key)
            yield from _differences([value.get(key) for value in values], own)
    elif all(isinstance(value, list) for value in values) and _alike(map(len, values)):
        for place, parts in enumerate(zip(*values, strict=True)):
            yield from _differences(list(parts), (*path, str(place)))
    else:
        yield ".".join(path), [short(value) for value in values]


def _kind(config: dict[str, Any]) -> tuple[Any, ...]:
    """Return what descriptions have in common whose parts can be compared one by one."""
    return config.get(TYPE), *(len(config[key]) for key in PLACES if key in config)


def _alike(values: Any) -> bool:
    first, *others = values
    return all(value == first for value in others)


def short(value: Any) -> Any:
    """Return a value as it is, and a description as its type with its numbers and parts."""
    if isinstance(value, list):
        return " ".join(str(short(item)) for item in value)
    if not isinstance(value, dict):
        return value
    inner = [
        str(short(item))
        for item in value.values()
        if isinstance(item, dict | int | float) and not isinstance(item, bool)
    ]
    maps = [short(value[key]) for key in PLACES if key in value]
    return f"{value.get(TYPE, '')}({', '.join([*inner, *maps])})"
