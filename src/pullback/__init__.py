"""Pullback: neural networks by backpropagation, in the open.

Everything is a mapping, and every mapping has a pullback you can read, check, watch and extend.
"""

from pullback import losses
from pullback._version import __version__
from pullback.core.context import Context
from pullback.core.contraction import C, Contraction
from pullback.core.errors import PullbackError
from pullback.core.map import Map, init
from pullback.core.spec import Param, Slot, Spec
from pullback.maps import *  # noqa: F403
from pullback.maps import __all__ as _map_names
from pullback.train.gradient import value_and_grad

__all__ = [
    "C",
    "Context",
    "Contraction",
    "Map",
    "Param",
    "PullbackError",
    "Slot",
    "Spec",
    "__version__",
    "init",
    "losses",
    "value_and_grad",
    *_map_names,
]
