"""ONNX files: models for other programs, and theirs."""

from pullback.exchange.onnx.export import to_onnx
from pullback.exchange.onnx.load import from_onnx

__all__ = ["from_onnx", "to_onnx"]
