"""The same in PyTorch, with its fused attention: ``attention_torch.py LENGTH SEED``."""

import json
import sys

import numpy as np
import torch
from resident import growth_bytes
from torch.nn import functional

HEADS, WIDTH, COUNT = 4, 128, 4


def gradients(steps: int, seed: int) -> float:
    """Return the mean size of the gradient of the inputs."""
    rng = np.random.default_rng(seed)
    joined, out = torch.nn.Linear(WIDTH, 3 * WIDTH), torch.nn.Linear(WIDTH, WIDTH)
    flat = np.random.default_rng(0).standard_normal(4 * WIDTH * (WIDTH + 1)) / WIDTH**0.5
    with torch.no_grad():
        begin = 0
        # our order: W, b, Wo, bo, matrices with the inputs first
        for parameter in (joined.weight, joined.bias, out.weight, out.bias):
            part = torch.from_numpy(flat[begin : begin + parameter.numel()])
            turned = part.reshape(parameter.shape[::-1]).T if parameter.ndim == 2 else part
            parameter.copy_(turned)
            begin += parameter.numel()
    x = torch.from_numpy(rng.standard_normal((COUNT, steps, WIDTH), np.float32))
    gy = torch.from_numpy(rng.standard_normal((COUNT, steps, WIDTH), np.float32))
    x.requires_grad_()
    shape = (COUNT, steps, HEADS, WIDTH // HEADS)
    q, k, v = (part.view(shape).transpose(1, 2) for part in joined(x).split(WIDTH, dim=2))
    mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    out(mixed.transpose(1, 2).reshape(COUNT, steps, WIDTH)).backward(gy)
    return float(x.grad.abs().mean())


gradients(64, 0)
size, grown = growth_bytes(lambda: gradients(int(sys.argv[1]), int(sys.argv[2])))
print(json.dumps({"size": size, "peak_bytes": grown}))
