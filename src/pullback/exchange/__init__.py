"""Models for other programs, and models of theirs."""

from pullback.exchange.onnx import to_onnx

__all__ = ["to_onnx"]
