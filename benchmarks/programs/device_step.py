"""Seconds a step of the textbook's network on an accelerator, ours and PyTorch's in turn.

    python benchmarks/programs/device_step.py [--rounds 9] [--steps 2000] [--device cuda]

784-128-64-10, batches of 128, SGD, float32, data on the device (random: a step takes as long
on any). PyTorch's step gathers the batch on the device, as ours does; compiled
are its passes, its update being the fused one.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

import pullback as pb
from pullback.train.fit import Training
from pullback.train.settings import settings_for

EXAMPLES, BATCH, LR = 60_000, 128, 0.1


def ours(x: np.ndarray, y: np.ndarray, device: str) -> Callable[[int], float]:
    layers = (pb.Linear(128), pb.ReLU(), pb.Linear(64), pb.ReLU(), pb.Linear(10))
    settings = settings_for(
        pb.Chain(*layers), pb.data.from_arrays(x, y), loss=pb.losses.CrossEntropy(),
        optimizer=pb.optim.SGD(LR), batch_size=BATCH, normalize="none", device=device,
    )  # fmt: skip
    stepper = Training(settings, pb.data.from_arrays(x, y), None, ()).loop.stepper
    print("captured" if stepper._program else f"not captured: {stepper.not_captured}")
    rows = np.random.default_rng(0).permutation(len(x))

    def steps(count: int) -> float:
        done = batch = 0
        began = time.perf_counter()
        while done < count:
            if (batch + 1) * BATCH > len(rows):
                batch = 0
            taken = stepper.take(rows, batch)
            batch, done = batch + taken, done + taken
        torch.cuda.synchronize()
        return (time.perf_counter() - began) / done

    return steps


def torchs(x: np.ndarray, y: np.ndarray, device: str, mode: str | None) -> Callable[[int], float]:
    data, target = torch.tensor(x, device=device), torch.tensor(y, device=device)
    net = nn.Sequential(
        nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
    ).to(device)
    optimizer = torch.optim.SGD(net.parameters(), LR, fused=True)
    loss = nn.CrossEntropyLoss()

    def error(index: torch.Tensor) -> torch.Tensor:
        return loss(net(data[index]), target[index])

    error = torch.compile(error, mode=mode) if mode else error
    rows = torch.randperm(len(x), device=device)[: len(x) // BATCH * BATCH].reshape(-1, BATCH)

    def steps(count: int) -> float:
        began = time.perf_counter()
        for i in range(count):
            optimizer.zero_grad()
            error(rows[i % len(rows)]).backward()
            optimizer.step()
        torch.cuda.synchronize()
        return (time.perf_counter() - began) / count

    return steps


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--device", default="cuda")
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    x = rng.standard_normal((EXAMPLES, 784), dtype=np.float32)
    y = rng.integers(0, 10, EXAMPLES)
    ways = {
        "pullback": ours(x, y, given.device),
        "torch eager": torchs(x, y, given.device, None),
        "torch.compile": torchs(x, y, given.device, "reduce-overhead"),
    }
    for steps in ways.values():
        steps(300)
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(given.rounds):
        for name, steps in ways.items():
            found[name].append(steps(given.steps))
    print(torch.cuda.get_device_name(), torch.__version__)
    for name, times in found.items():
        ratios = [a / b for a, b in zip(found["pullback"], times, strict=True)]
        print(
            f"{name}: {statistics.median(times) * 1e6:.1f} us a step ({min(times) * 1e6:.1f} to "
            f"{max(times) * 1e6:.1f}); ours over it {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}), {given.rounds} rounds"
        )


if __name__ == "__main__":
    main()
