"""Examples of modules that need an extra are left out where it is not installed."""

from importlib.util import find_spec

NEED = {
    "torch": "src/pullback/engine/tensors",
    "sklearn": "src/pullback/sklearn",
    "onnx": "src/pullback/exchange",
}

collect_ignore = [folder for name, folder in NEED.items() if find_spec(name) is None]
