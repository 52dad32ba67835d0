"""Gradients of single examples by BackPACK, which leaves them beside the usual gradient."""

from __future__ import annotations

from importlib.metadata import version

import torch
from backpack import backpack, extend
from backpack.custom_module.reduce_tuple import ReduceTuple
from backpack.extensions import BatchGrad
from protocol import Job, Task, gradients_task, serve
from torch_examples import batch, moved, network
from torch_sequences import Recurrent


class Followed(Recurrent):
    """The LSTM as BackPACK follows it: through the outputs of all steps, not the last state."""

    def __init__(self, inputs: int) -> None:
        super().__init__(inputs)
        self.outputs = ReduceTuple(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(self.outputs(self.lstm(x))[:, -1])


def examples(job: Job) -> Task:
    net = extend(network(job, Followed))
    loss_of = extend(torch.nn.CrossEntropyLoss(reduction="sum"))
    (x, y), parameters = batch(job), moved(net)

    def gradients() -> list[torch.Tensor]:
        net.zero_grad(set_to_none=True)
        for parameter in parameters:
            parameter.grad_batch = None
        with backpack(BatchGrad()):
            loss_of(net(x), y).backward()
        return [parameter.grad_batch for parameter in parameters]

    return gradients_task(job, gradients)


if __name__ == "__main__":
    versions = {"torch": torch.__version__, "backpack": version("backpack-for-pytorch")}
    serve({"examples": examples}, versions)
