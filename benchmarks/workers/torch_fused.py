"""PyTorch with the update as one fused kernel."""

from __future__ import annotations

from functools import partial

from protocol import serve
from torch_eager import VERSIONS, update

if __name__ == "__main__":
    serve({"update": partial(update, fused=True)}, VERSIONS)
