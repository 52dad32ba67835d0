"""Engines: how maps are run."""

from pullback.engine import dense as _dense
from pullback.engine.losses import lower_loss
from pullback.engine.lower import KERNELS, lower

__all__ = ["KERNELS", "lower", "lower_loss"]

del _dense
