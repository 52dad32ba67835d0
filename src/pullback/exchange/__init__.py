"""Models for other programs, and models of theirs."""

from pullback.exchange.onnx import from_onnx, to_onnx
from pullback.exchange.parity import Parity, parity
from pullback.exchange.weights import from_keras, from_torch, to_keras, to_torch

__all__ = [
    "Parity",
    "from_keras",
    "from_onnx",
    "from_torch",
    "parity",
    "to_keras",
    "to_onnx",
    "to_torch",
]
