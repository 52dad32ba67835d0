"""Registered descriptions to plain data and back: what configurations and model files hold.

Only registered classes can be named, only their fields set, and only to plain values or to other
registered descriptions; nothing read from a file can run code.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from pullback.core.errors import ConfigError, PullbackError, suggestion
from pullback.core.registry import is_registered, registered_type

TYPE = "type"
_PLAIN = (bool, int, float, str, type(None))


def to_config(value: Any) -> Any:
    """Return ``value`` as dictionaries, lists and plain values.

    A description becomes ``{"type": name, field: value, ...}`` with every field, so that it means
    the same when a default has changed.

    Raises:
        ConfigError: something in it is not registered or not plain.
    """
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, tuple | list):
        return [to_config(item) for item in value]
    if not is_registered(type(value)) or not is_dataclass(value):
        raise ConfigError(
            f"a {type(value).__name__} cannot be written to a file: only registered classes can; "
            "register it, or keep the object in code"
        )
    config: dict[str, Any] = {TYPE: type(value).__name__}
    for item in fields(value):
        config[item.name] = to_config(getattr(value, item.name))
    return config


def from_config(data: Any) -> Any:
    """Return what ``to_config`` was given.

    Raises:
        ConfigError: an unknown type or field, a missing field, or a value it refuses.
    """
    if isinstance(data, list | tuple):
        return tuple(from_config(item) for item in data)
    if not isinstance(data, dict):
        if isinstance(data, _PLAIN):
            return data
        raise ConfigError(f"a configuration cannot hold a {type(data).__name__}")
    if not isinstance(data.get(TYPE), str):
        raise ConfigError(
            f"a description needs a {TYPE!r}, found the keys {sorted(map(str, data))}"
        )
    cls = registered_type(data[TYPE])
    known = {item.name: item for item in fields(cls)}
    given = {key: from_config(value) for key, value in data.items() if key != TYPE}
    for key in given:
        if key not in known:
            raise ConfigError(f"{data[TYPE]} has no field {key!r}.{suggestion(key, known)}")
    build = getattr(cls, "from_fields", cls)
    try:
        return build(**given)
    except PullbackError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{data[TYPE]} cannot be built from {given}: {error}") from None
