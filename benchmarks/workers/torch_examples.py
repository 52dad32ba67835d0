"""What the ways to the gradients of single examples in PyTorch have in common."""

from __future__ import annotations

from collections.abc import Callable

import torch
from protocol import THREADS, Job
from torch import nn
from torch_networks import NETWORKS, start
from torch_sequences import Recurrent

torch.set_num_threads(THREADS)


def network(job: Job, recurrent: Callable[[int], Recurrent] = Recurrent) -> nn.Module:
    """Return the job's network at its start; ``recurrent`` makes that of sequences."""
    if job.network == "recurrent":
        net = recurrent(job.array["x"].shape[2])
        net.start(job.array)
        return net
    net = NETWORKS[job.network]()
    start(net, job.array)
    return net


def batch(job: Job) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs, images with their channel first, and classes."""
    x, y = torch.from_numpy(job.inputs()), torch.from_numpy(job.array["y"])
    return (x[:, None] if job.network == "two convolutions" else x), y


def moved(net: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that learn."""
    return [parameter for parameter in net.parameters() if parameter.requires_grad]
