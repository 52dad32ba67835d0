"""Names to classes: what can be written in a configuration, saved, and must be tested."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from pullback.core.errors import ConfigError, suggestion

T = TypeVar("T")

_TYPES: dict[str, type[Any]] = {}


class Registry(Generic[T]):
    """The classes of one kind, by name.

    Whatever is registered can be named in a configuration and saved in a model file, and is
    enrolled in the contract tests of its kind. Names are unique across all registries. An ending
    among ``endings`` may be left out: ``cosine`` is ``CosineDecay``.
    """

    def __init__(self, kind: str, endings: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self._endings = endings
        self._classes: dict[str, type[T]] = {}

    def register(self, cls: type[T]) -> type[T]:
        """Class decorator: enrol ``cls`` under its own name."""
        name = cls.__name__
        if name in _TYPES:
            raise ConfigError(f"the name {name!r} is registered twice; choose another")
        _TYPES[name] = cls
        self._classes[name] = cls
        return cls

    def get(self, name: str) -> type[T]:
        """Return the class called ``name`` (case and underscores do not matter)."""
        folded = {
            known.removesuffix(ending).lower(): known
            for ending in ("", *self._endings)
            for known in self._classes
        }
        key = folded.get(name.replace("_", "").replace("-", "").lower())
        if key is None:
            raise ConfigError(f"unknown {self.kind} {name!r}.{suggestion(name, self._classes)}")
        return self._classes[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)

    def items(self) -> list[tuple[str, type[T]]]:
        """Return (name, class) pairs in order of registration."""
        return list(self._classes.items())


def registered_type(name: str) -> type[Any]:
    """Return the class registered as ``name`` in any registry."""
    if name not in _TYPES:
        raise ConfigError(f"unknown type {name!r}.{suggestion(name, _TYPES)}")
    return _TYPES[name]


def is_registered(cls: type[Any]) -> bool:
    """Tell whether ``cls`` itself (not a class of the same name) is registered."""
    return _TYPES.get(cls.__name__) is cls
