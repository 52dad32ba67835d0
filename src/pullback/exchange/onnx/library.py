"""The library ``onnx``, which is an extra."""

from __future__ import annotations

from typing import Any

from pullback.core.errors import ConfigError

TEXT = {"missing": "ONNX files need onnx; install it: pip install 'pullback[onnx]'"}


def onnx_library() -> Any:
    """Return the module ``onnx``.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import onnx
        import onnx.helper
        import onnx.numpy_helper
    except ImportError:
        raise ConfigError(TEXT["missing"]) from None
    return onnx
