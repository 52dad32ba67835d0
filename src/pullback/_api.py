"""The names of the library, as ``pullback.<name>``."""

from pullback import data, exchange, extend, losses, optim
from pullback.check import check_loss, check_map
from pullback.core import errors, initializers
from pullback.core.context import Context
from pullback.core.contraction import C, Contraction
from pullback.core.errors import PullbackError
from pullback.core.map import MAPS, Map, init
from pullback.core.spec import Param, Slot, Spec
from pullback.engine import set_threads
from pullback.extend import quantities
from pullback.losses.gradient import value_and_grad
from pullback.maps import *  # noqa: F403
from pullback.maps import __all__ as _map_names
from pullback.train import events
from pullback.train.compare import Comparison, compare
from pullback.train.fit import Run, fit, resume
from pullback.train.history import History
from pullback.train.lrfind import lrfind
from pullback.train.model import Model
from pullback.train.model_file import load_model
from pullback.train.receipt import gradient_receipt
from pullback.train.sweep.sweep import sweep
from pullback.train.walk import Walk, walk

__all__ = [
    "MAPS",
    "C",
    "Comparison",
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
    "Walk",
    "check_loss",
    "check_map",
    "compare",
    "data",
    "errors",
    "events",
    "exchange",
    "extend",
    "fit",
    "gradient_receipt",
    "init",
    "initializers",
    "load_model",
    "losses",
    "lrfind",
    "optim",
    "quantities",
    "resume",
    "set_threads",
    "sweep",
    "value_and_grad",
    "walk",
    *_map_names,
]
