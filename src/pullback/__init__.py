"""Pullback: neural networks by backpropagation, in the open.

Everything is a mapping, and every mapping has a pullback you can read, check, watch and extend.

The names of the library stand in ``_api.py`` and are loaded when the first of them is used, so
that the command line answers at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pullback._version import __version__ as __version__

if TYPE_CHECKING:
    from pullback._api import *  # noqa: F403


def __getattr__(name: str) -> Any:
    if name == "__all__" or not name.startswith("_"):
        api = import_module("pullback._api")
        if name == "__all__" or name in api.__all__:
            return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__getattr__("__all__"), "__version__"]
