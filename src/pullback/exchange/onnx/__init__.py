"""ONNX files: models for other programs, and theirs."""

from pullback.exchange.onnx.export import to_onnx

__all__ = ["to_onnx"]
