"""PyTorch as most write it: a loop over batches, one operation after another."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from protocol import THREADS, Job, Task, mean_size, serve
from torch.nn.functional import cross_entropy
from torch_networks import NETWORKS, start
from torch_sequences import SEQUENCES

torch.set_num_threads(THREADS)
Step = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def network(job: Job) -> torch.nn.Sequential:
    layers: list[torch.nn.Module] = []
    for inputs, outputs in pairwise(job.widths):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers[:-1])
    restart(job, net)
    return net


def restart(job: Job, net: torch.nn.Sequential) -> None:
    with torch.no_grad():
        for layer, (weight, bias) in zip(net[::2], job.start(), strict=True):
            layer.weight.copy_(torch.from_numpy(weight).T)
            layer.bias.copy_(torch.from_numpy(bias))


def training(job: Job) -> Task:
    net = network(job)
    return Task(epoch_of(job, step_of(job, net)), lambda: restart(job, net))


def step_of(job: Job, net: torch.nn.Module) -> Step:
    optimizer = torch.optim.SGD(net.parameters(), lr=job.lr)
    loss_of = torch.nn.CrossEntropyLoss()

    def step(inputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        outputs = net(inputs)
        loss = loss_of(outputs, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach(), (outputs.argmax(1) == targets).sum()

    return step


def epoch_of(job: Job, step: Step) -> Callable[[], float]:
    """Return an epoch of ``step``, which returns the mean loss and the count of right answers."""
    x, y = torch.from_numpy(job.inputs()), torch.from_numpy(job.array["y"])
    rows = torch.from_numpy(job.array["rows"])

    def epoch() -> float:
        total, right = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for index in rows.split(job.batch):
            loss, hits = step(x[index], y[index])
            total += loss * len(index)
            right += hits
        return float(total) / len(x)

    return epoch


def images(job: Job) -> Task:
    """Images with the channels last in memory, which is PyTorch's faster way on a processor."""
    net = NETWORKS[job.network]().to(memory_format=torch.channels_last)
    learn = step_of(job, net)

    def step(inputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return learn(inputs[:, None].contiguous(memory_format=torch.channels_last), targets)

    return Task(epoch_of(job, step), lambda: start(net, job.array))


def sequences(job: Job) -> Task:
    """Classes by plain SGD; characters by AdamW in one pass, with fused attention."""
    if job.array["y"].ndim == 1:
        net = SEQUENCES[job.network](job.array["x"].shape[2])
        return Task(epoch_of(job, step_of(job, net)), lambda: net.start(job.array))
    net = SEQUENCES[job.network]()
    x, y = (torch.from_numpy(job.array[name]).long() for name in "xy")
    rows = torch.from_numpy(job.array["rows"])
    optimizer = torch.optim.AdamW(net.decayed(0.01), lr=job.lr, fused=True)

    def epoch() -> float:
        total = torch.zeros(())
        for index in rows.split(job.batch):
            loss = cross_entropy(net(x[index]).flatten(0, 1), y[index].flatten())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(index)
        return float(total) / len(x)

    def reset() -> None:
        net.start(job.array)
        optimizer.state.clear()

    return Task(epoch, reset)


def inference(job: Job) -> Task:
    return calls_of(job, network(job))


def calls_of(job: Job, net: Callable[[torch.Tensor], torch.Tensor]) -> Task:
    x = torch.from_numpy(job.inputs())

    @torch.inference_mode()
    def calls() -> torch.Tensor:
        for _ in range(job.calls):
            y = net(x)
        return y

    return Task(calls, outcome=mean_size, count=job.calls)


def update(job: Job, **how: bool) -> Task:
    theta = torch.from_numpy(job.array["theta"])
    parameters = [torch.nn.Parameter(part) for part in theta.chunk(job.tensors)]
    for parameter, part in zip(
        parameters, torch.from_numpy(job.array["gradient"]).chunk(job.tensors), strict=True
    ):
        parameter.grad = part
    optimizer = torch.optim.Adam(parameters, lr=job.lr, **(how or {"foreach": True}))

    def updates() -> torch.Tensor:
        for _ in range(job.calls):
            optimizer.step()
        return theta

    return Task(updates, outcome=mean_size, count=job.calls)


VERSIONS = {"torch": torch.__version__}

if __name__ == "__main__":
    kinds = {
        "training": training,
        "images": images,
        "sequences": sequences,
        "inference": inference,
        "update": update,
    }
    serve(kinds, VERSIONS)
