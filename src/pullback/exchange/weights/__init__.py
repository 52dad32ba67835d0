"""Weights alone, in the files of other libraries: for networks of the same architecture."""

from pullback.exchange.weights.keras import from_keras, to_keras
from pullback.exchange.weights.pytorch import from_torch, to_torch

__all__ = ["from_keras", "from_torch", "to_keras", "to_torch"]
