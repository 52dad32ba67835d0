"""Engines: how maps are run."""

from pullback.engine import dense as _dense
from pullback.engine.lower import KERNELS, lower

__all__ = ["KERNELS", "lower"]

del _dense
