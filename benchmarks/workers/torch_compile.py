"""PyTorch with the step compiled."""

from __future__ import annotations

import torch
from protocol import Job, Task, serve
from torch_eager import VERSIONS, calls_of, epoch_of, network, restart


def training(job: Job) -> Task:
    net = network(job)
    optimizer = torch.optim.SGD(net.parameters(), lr=job.lr)
    loss_of = torch.nn.CrossEntropyLoss()

    @torch.compile(dynamic=False)  # two sizes, that of the last batch among them
    def forward(inputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        outputs = net(inputs)
        return loss_of(outputs, targets), (outputs.detach().argmax(1) == targets).sum()

    def step(inputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        loss, right = forward(inputs, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach(), right

    return Task(epoch_of(job, step), lambda: restart(job, net))


def inference(job: Job) -> Task:
    return calls_of(job, torch.compile(network(job), dynamic=False))


if __name__ == "__main__":
    serve({"training": training, "inference": inference}, VERSIONS)
