"""What ``--augment`` and ``--shift`` say, as a map that varies the training images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pullback.core.compose import Chain
from pullback.core.config import from_config
from pullback.core.errors import ConfigError, suggestion
from pullback.core.map import Map
from pullback.maps import RandomAffine, RandomErasing, RandomFlip, RandomShift

VALUES = {"shift": int, "rotate": float, "scale": float, "flip": float, "erase": float}
"""The kinds of variation, and what their values are."""
OPTIONAL = {"flip": 0.5, "erase": 0.5}
"""What a value is where it is left out."""
EXAMPLE = "expected a list such as shift:2,rotate:10,scale:0.1,flip,erase:0.25"


def build_augment(recipe: Mapping[str, Any]) -> Map | None:
    """Return the variations of ``augment``: a list, or a description in full.

    ``shift`` comes first where the list has none of its own. Turning and enlarging are done as one.
    """
    wanted = recipe.get("augment") or ""
    if isinstance(wanted, Mapping):
        found = from_config(dict(wanted))
        if not isinstance(found, Map):
            raise ConfigError(f"augment: {wanted.get('type')!r} is not a map")
        return found
    values = _values(wanted)
    if recipe.get("shift") and "shift" not in values:
        values = {"shift": recipe["shift"], **values}
    affine = {"rotate": values.get("rotate", 0.0), "scale": values.get("scale", 0.0)}
    made: dict[str, Map] = {}
    for kind, value in values.items():
        if kind in affine:
            made["affine"] = RandomAffine(affine["rotate"], affine["scale"])
        elif kind == "shift":
            made[kind] = RandomShift(value)
        else:
            made[kind] = RandomFlip(value) if kind == "flip" else RandomErasing(value)
    maps = list(made.values())
    if len(maps) > 1:
        return Chain(*maps)
    return maps[0] if maps else None


def _values(wanted: str) -> dict[str, Any]:
    """Return the value of each kind in a list, in its order."""
    values: dict[str, Any] = {}
    for item in filter(None, wanted.replace(" ", "").split(",")):
        kind, _, text = item.partition(":")
        if kind not in VALUES:
            raise ConfigError(f"augment: unknown {kind!r}; {EXAMPLE}.{suggestion(kind, VALUES)}")
        if kind in values:
            raise ConfigError(f"augment {wanted!r} has {kind} twice")
        try:
            values[kind] = VALUES[kind](text) if text else OPTIONAL[kind]
        except (KeyError, ValueError):
            raise ConfigError(f"augment: {item!r} needs a number; {EXAMPLE}") from None
    return values
