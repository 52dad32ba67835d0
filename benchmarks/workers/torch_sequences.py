"""The networks of sequences in PyTorch, with their parameters in our order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class Started(nn.Module):
    """Base: a network whose parameters are set from arrays ``p0, p1, ...``, in ``ours()``."""

    def ours(self) -> Iterator[torch.Tensor]:
        """Yield the parameters in our order."""
        raise NotImplementedError

    def start(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take our start; matrices of PyTorch's layers have the outputs first."""
        with torch.no_grad():
            for i, parameter in enumerate(self.ours()):
                given = torch.from_numpy(arrays[f"p{i}"])
                tables = isinstance(self, Transformer) and i < 2
                parameter.copy_(given.T if given.ndim == 2 and not tables else given)

    def decayed(self, decay: float) -> list[dict[str, object]]:
        """Return two groups, of which the matrices decay."""
        every = list(self.parameters())
        return [
            {"params": [p for p in every if p.ndim >= 2], "weight_decay": decay},
            {"params": [p for p in every if p.ndim < 2], "weight_decay": 0.0},
        ]


class Recurrent(Started):
    lstm_kind: Callable[..., nn.Module] = nn.LSTM

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.lstm = self.lstm_kind(inputs, 128, batch_first=True)
        self.dense = nn.Linear(128, 10)
        # PyTorch adds two biases, which would both move: one stays where it is, at 0
        self.lstm.bias_hh_l0.requires_grad_(False).zero_()

    def ours(self) -> Iterator[torch.Tensor]:
        lstm = self.lstm
        yield from (lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0)
        yield from (self.dense.weight, self.dense.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, (last, _) = self.lstm(x)
        return self.dense(last[0])


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.joined, self.out = (nn.Linear(width, n * width, bias=False) for n in (3, 1))
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def ours(self) -> Iterator[torch.Tensor]:
        yield from (self.norm1.weight, self.norm1.bias, self.joined.weight, self.out.weight)
        yield from (self.norm2.weight, self.norm2.bias, self.up.weight, self.down.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        count, steps, width = x.shape
        shape = (count, steps, self.heads, width // self.heads)
        q, k, v = (
            part.view(shape).transpose(1, 2)
            for part in self.joined(self.norm1(x)).split(width, dim=2)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(count, steps, width))
        return x + self.down(functional.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Transformer(Started):
    """nanoGPT's network: one table for input and output, learned positions, no biases."""

    def __init__(
        self, symbols: int = 65, layers: int = 4, heads: int = 4, width: int = 128
    ) -> None:
        super().__init__()
        self.table, self.places = nn.Embedding(symbols, width), nn.Embedding(64, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def ours(self) -> Iterator[torch.Tensor]:
        yield from (self.table.weight, self.places.weight)
        for block in self.blocks:
            yield from block.ours()
        yield from (self.norm.weight, self.norm.bias)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.table(ids) + self.places.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        return functional.linear(self.norm(x), self.table.weight)


SEQUENCES: dict[str, Callable[..., Started]] = {"recurrent": Recurrent, "transformer": Transformer}
