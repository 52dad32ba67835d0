"""Models for other programs, and models of theirs."""

from pullback.exchange.onnx import from_onnx, to_onnx

__all__ = ["from_onnx", "to_onnx"]
