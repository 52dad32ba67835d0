"""The textbook's network in PyTorch, with the start that Pullback gives it."""

from __future__ import annotations

import torch


def perceptron() -> torch.nn.Sequential:
    """Return 784-128-64-10; He's start before ReLU, Glorot's before the output."""
    net = torch.nn.Sequential(
        torch.nn.Linear(784, 128),
        torch.nn.ReLU(),
        torch.nn.Linear(128, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 10),
    )
    *hidden, last = net[::2]
    for layer in hidden:
        torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    torch.nn.init.xavier_uniform_(last.weight)
    for layer in net[::2]:
        torch.nn.init.zeros_(layer.bias)
    return net
