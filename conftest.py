"""Examples of modules that need an extra, and what tests share of it, are left out without it."""

from importlib.util import find_spec

NEED = {
    "torch": "src/pullback/engine/tensors",
    "sklearn": "src/pullback/sklearn",
    "onnx": "src/pullback/exchange",
}

collect_ignore = [folder for name, folder in NEED.items() if find_spec(name) is None]
collect_ignore_glob = ["tests/torch_*.py"] if find_spec("torch") is None else []
