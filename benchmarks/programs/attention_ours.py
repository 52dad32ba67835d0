"""Attention over a long sequence, forwards and backwards: ``attention_ours.py LENGTH SEED``.

Prints by how much the memory of the process grew at most.
"""

import json
import sys

import numpy as np
from resident import growth_bytes

import pullback as pb
from pullback.core.context import Context
from pullback.core.theta import write_gradient
from pullback.engine import lower

HEADS, WIDTH, COUNT = 4, 128, 4


def gradients(steps: int, seed: int) -> float:
    """Return the mean size of the gradient of the inputs."""
    rng = np.random.default_rng(seed)
    net, spec = pb.Attention(HEADS, causal=True), pb.Spec((steps, WIDTH), "float32")
    p, _ = pb.init(net, spec, seed=0)
    p.flat[:] = np.random.default_rng(0).standard_normal(p.flat.shape) / WIDTH**0.5
    x = rng.standard_normal((COUNT, steps, WIDTH), np.float32)
    gy = rng.standard_normal((COUNT, steps, WIDTH), np.float32)
    fast = lower(net, spec, COUNT, input_gradient=True)
    _, res = fast.forward(p, x, Context(train=True))
    gx, delta = fast.pullback(p, res, gy)
    write_gradient(fast.grads(p, res, delta), p.layout.view(np.zeros_like(p.flat)))
    return float(np.abs(gx).mean())


gradients(64, 0)  # what is loaded and compiled when it is first needed is not counted
size, grown = growth_bytes(lambda: gradients(int(sys.argv[1]), int(sys.argv[2])))
print(json.dumps({"size": size, "peak_bytes": grown}))
