"""Nested dictionaries of named leaves: parameters, state, gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Path = tuple[str, ...]


def leaves(tree: Mapping[str, Any], prefix: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield (path, leaf) pairs, depth first, in the order of the dictionaries."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*prefix, name))
        else:
            yield (*prefix, name), value


def map_leaves(fn: Callable[[Any], Any], tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tree of the same names with ``fn`` applied to every leaf."""
    return {
        name: map_leaves(fn, value) if isinstance(value, Mapping) else fn(value)
        for name, value in tree.items()
    }


def unflatten(pairs: Mapping[Path, Any]) -> dict[str, Any]:
    """Return the nested tree of ``{path: leaf}``."""
    tree: dict[str, Any] = {}
    for path, value in pairs.items():
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
        node[path[-1]] = value
    return tree


def dotted(path: Path) -> str:
    """Return the path as it is written for people and in files: ``"1.W"``."""
    return ".".join(path)
