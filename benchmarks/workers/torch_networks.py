"""The convolutional networks in PyTorch, with their parameters in our order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class Perceptron(nn.Module):
    flat = None

    def __init__(self) -> None:
        super().__init__()
        self.dense1, self.dense2 = nn.Linear(784, 128), nn.Linear(128, 64)
        self.dense3 = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.dense1(torch.flatten(x, 1)))
        return self.dense3(functional.relu(self.dense2(x)))


class TwoConvolutions(nn.Module):
    flat = (12, 12, 64)

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
        self.dense1, self.dense2 = nn.Linear(12 * 12 * 64, 128), nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.conv2(functional.relu(self.conv1(x))))
        x = torch.flatten(functional.max_pool2d(x, 2), 1)
        return self.dense2(functional.relu(self.dense1(x)))


class Block(nn.Module):
    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.around: nn.Module = nn.Identity()
        if stride > 1:
            conv = nn.Conv2d(inputs, channels, 1, stride, bias=False)
            self.around = nn.Sequential(conv, nn.BatchNorm2d(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(x)))))
        return functional.relu(y + self.around(x))


class Residual(nn.Module):
    flat = None

    def __init__(self, blocks: int = 3, width: int = 16) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        channels, made = width, []
        for stage in range(3):
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                made.append(Block(channels, width << stage, stride))
                channels = width << stage
        self.blocks = nn.Sequential(*made)
        self.dense = nn.Linear(channels, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(functional.relu(self.norm(self.conv(x))))
        return self.dense(x.mean((2, 3)))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "perceptron": Perceptron,
    "two convolutions": TwoConvolutions,
    "residual": Residual,
}


def start(net: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Take our start, arrays ``p0, p1, ...``."""
    with torch.no_grad():
        for i, parameter in enumerate(net.parameters()):
            parameter.copy_(as_theirs(torch.from_numpy(arrays[f"p{i}"]), net))


def as_theirs(parameter: torch.Tensor, net: nn.Module) -> torch.Tensor:
    """Return one of our parameters as PyTorch lays it out: outputs first, then channels."""
    if parameter.ndim == 4:
        return parameter.permute(3, 2, 0, 1)
    if parameter.ndim == 2 and net.flat is not None and len(parameter) > 1000:
        rows, columns, channels = net.flat
        return parameter.reshape(rows, columns, channels, -1).permute(3, 2, 0, 1).flatten(1)
    return parameter.T if parameter.ndim == 2 else parameter
