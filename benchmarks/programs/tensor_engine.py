"""Seconds a step on PyTorch's tensors on the processor: our maps, and PyTorch with its autograd.

    python benchmarks/programs/tensor_engine.py [--rounds 9] [--only NAME ...]

Both take the same steps on the same batches in one process, in turn, with the same threads:
``fit(device="torch")``, whose backward pass is ours, and PyTorch's modules, autograd and fused
update. The networks and the data are those of the other benchmarks, in float32.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import pullback as pb
from pullback.engine import set_threads
from pullback.train.fit import Training
from pullback.train.settings import settings_for

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "workers")]
from suite.networks import NETWORKS as OURS  # noqa: E402
from torch_networks import NETWORKS as IMAGES  # noqa: E402
from torch_sequences import SEQUENCES  # noqa: E402

Epoch = Callable[[], None]


@dataclass(frozen=True)
class Case:
    """A network, what it is trained on, and how."""

    network: str
    batch: int
    shape: tuple[int, ...]
    text: bool = False
    examples: int = 1920

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Random numbers and classes: a step takes as long on any."""
        rng = np.random.default_rng(0)
        if self.text:
            return rng.integers(0, 65, (2, self.examples, *self.shape))
        x = rng.standard_normal((self.examples, *self.shape), dtype=np.float32)
        return x, rng.integers(0, 10, self.examples)


CASES = {
    "MLP": Case("perceptron", 128, (28, 28), examples=12_800),
    "CNN": Case("two convolutions", 128, (28, 28)),
    "LSTM": Case("recurrent", 64, (28, 28)),
    "Transformer": Case("transformer", 12, (64,), text=True, examples=240),
}


def ours(case: Case, x: np.ndarray, y: np.ndarray) -> Epoch:
    data = pb.data.from_arrays(x.astype(np.float32), y)
    settings = settings_for(
        OURS[case.network](), data, loss=pb.losses.CrossEntropy(), batch_size=case.batch,
        optimizer=pb.optim.AdamW(1e-3) if case.text else pb.optim.SGD(0.01),
        normalize="none", device="torch", metrics=(),
    )  # fmt: skip
    stepper = Training(settings, data, None, ()).loop.stepper
    rows = np.arange(len(x))

    def epoch() -> None:
        for batch in range(len(x) // case.batch):
            stepper.take(rows, batch)

    return epoch


def torchs(case: Case, x: np.ndarray, y: np.ndarray) -> Epoch:
    made: Any = {**IMAGES, **SEQUENCES}[case.network]
    net = made(28) if case.network == "recurrent" else made()
    if case.text:
        rule: Any = torch.optim.AdamW(net.decayed(0.01), lr=1e-3, fused=True)
    else:
        rule = torch.optim.SGD(net.parameters(), lr=0.01, fused=True)
    loss = torch.nn.CrossEntropyLoss()
    inputs, target = torch.tensor(x), torch.tensor(y)
    if case.network == "two convolutions":
        inputs, net = inputs[:, None], net.to(memory_format=torch.channels_last)
    rows = torch.arange(len(x)).reshape(-1, case.batch)

    def epoch() -> None:
        for index in rows:
            found = net(inputs[index])
            error = loss(found.reshape(-1, found.shape[-1]), target[index].reshape(-1))
            rule.zero_grad()
            error.backward()
            rule.step()

    return epoch


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    given = parser.parse_args()
    set_threads(given.threads)
    torch.set_num_threads(given.threads)
    for name in given.only:
        case = CASES[name]
        x, y = case.data()
        ways = [ours(case, x, y), torchs(case, x, y)]
        steps = len(x) // case.batch
        times: list[list[float]] = [[], []]
        for turn in range(given.rounds + 1):
            for epoch, kept in zip(ways, times, strict=True):
                gc.collect()
                began = time.perf_counter()
                epoch()
                if turn:  # the first makes what is kept
                    kept.append((time.perf_counter() - began) / steps)
        ratios = [a / b for a, b in zip(*times, strict=True)]
        mine, theirs = (1e3 * statistics.median(kept) for kept in times)
        print(
            f"{name}: ours {mine:.2f} ms a step, PyTorch {theirs:.2f} ms; ratio "
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), "
            f"{given.rounds} rounds of {steps} steps",
            flush=True,
        )


if __name__ == "__main__":
    main()
