"""Seconds an epoch of the reference preset against the same loop in eager PyTorch.

    python benchmarks/epoch.py [--rounds 7] [--threads 2]

Both train 784-128-64-10 on the same 54,000 MNIST images with plain SGD (0.01, batch 128), take
running loss and accuracy, and run in turn, A B A B ..., in one process with equal threads. MNIST
is found as ``pullback train mnist`` finds it. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from threadpoolctl import threadpool_limits

import pullback as pb
from pullback.core.theta import Theta
from pullback.data.split import order
from pullback.train.fit import Training
from pullback.train.metrics import Accuracy
from pullback.train.settings import Settings

BATCH = 128
LR = 0.01


def ours(train: pb.data.Dataset) -> tuple[Callable[[], float], Theta]:
    """Return the epoch, and the parameters at the start."""
    layers = pb.Linear(128), pb.ReLU(), pb.Linear(64), pb.ReLU(), pb.Linear(10)
    settings = Settings(
        net=pb.Chain(pb.Flatten(), *layers),
        loss=pb.losses.CrossEntropy(),
        optimizer=pb.optim.SGD(LR),
        metrics=(Accuracy(),),
        epochs=1,
        batch_size=BATCH,
        normalize="scale",
    )
    loop = Training(settings, train, None, ()).loop
    start = loop.learner.theta.copy()

    def epoch() -> float:
        loop.position.epoch, loop.position.stopped = 0, None
        loop.run(lambda: None, lambda: None)
        return float(loop.position.records[-1]["loss"])

    return epoch, start


def theirs(train: pb.data.Dataset, start: Theta) -> Callable[[], float]:
    x = torch.from_numpy(train.x.reshape(len(train), -1).astype(np.float32) / 255)
    y = torch.from_numpy(train.y)
    net = torch.nn.Sequential(
        torch.nn.Linear(784, 128),
        torch.nn.ReLU(),
        torch.nn.Linear(128, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 10),
    )
    with torch.no_grad():  # the same start, so that the losses can be compared
        for theirs_layer, name in zip(net[::2], ("1", "3", "5"), strict=True):
            theirs_layer.weight.copy_(torch.from_numpy(start[name]["W"].T.copy()))
            theirs_layer.bias.copy_(torch.from_numpy(start[name]["b"].copy()))
    optimizer = torch.optim.SGD(net.parameters(), lr=LR)
    loss_of = torch.nn.CrossEntropyLoss()

    def epoch() -> float:
        rows = torch.from_numpy(order(len(train), 0, 0))
        total, right = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for start in range(0, len(train), BATCH):
            index = rows[start : start + BATCH]
            inputs, targets = x[index], y[index]
            outputs = net(inputs)
            loss = loss_of(outputs, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(index)
            right += (outputs.argmax(1) == targets).sum()
        return float(total) / len(train)

    return epoch


def seconds(epoch: Callable[[], float]) -> float:
    began = time.perf_counter()
    epoch()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = pb.data.load("mnist")
    train, _ = pb.data.split(data.train, 0.1, 0)
    a, start = ours(train)
    b = theirs(train, start)
    with threadpool_limits(options.threads):
        a(), b()  # warm up
        times = [(seconds(a), seconds(b)) for _ in range(options.rounds)]
        losses = a(), b()
    ratios = sorted(mine / other for mine, other in times)
    print(
        json.dumps(
            {
                "pullback_seconds": statistics.median(mine for mine, _ in times),
                "pytorch_seconds": statistics.median(other for _, other in times),
                "ratio": statistics.median(ratios),
                "ratio_min_max": [ratios[0], ratios[-1]],
                "rounds": options.rounds,
                "threads": options.threads,
                "losses_after": losses,
                "versions": {"pullback": pb.__version__, "torch": torch.__version__},
            }
        )
    )


if __name__ == "__main__":
    main()
