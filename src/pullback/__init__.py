"""Pullback: neural networks by backpropagation, in the open.

Everything is a mapping, and every mapping has a pullback you can read, check, watch and extend.
"""

from pullback import data, losses, optim
from pullback._version import __version__
from pullback.core.context import Context
from pullback.core.contraction import C, Contraction
from pullback.core.errors import PullbackError
from pullback.core.map import Map, init
from pullback.core.spec import Param, Slot, Spec
from pullback.maps import *  # noqa: F403
from pullback.maps import __all__ as _map_names
from pullback.train.fit import Run, fit, resume
from pullback.train.gradient import value_and_grad
from pullback.train.history import History
from pullback.train.model import Model
from pullback.train.model_file import load_model

__all__ = [
    "C",
    "Context",
    "Contraction",
    "History",
    "Map",
    "Model",
    "Param",
    "PullbackError",
    "Run",
    "Slot",
    "Spec",
    "__version__",
    "data",
    "fit",
    "init",
    "load_model",
    "losses",
    "optim",
    "resume",
    "value_and_grad",
    *_map_names,
]
