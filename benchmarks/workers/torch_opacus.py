"""Gradients of single examples by Opacus, whose hooks leave them beside the usual gradient."""

from __future__ import annotations

import opacus
import torch
from opacus.layers import DPLSTM
from protocol import Job, Task, gradients_task, serve
from torch.nn.functional import cross_entropy
from torch_examples import batch, moved, network
from torch_sequences import Recurrent


class Private(Recurrent):
    """The LSTM as Opacus has it: PyTorch's own has no rule there."""

    lstm_kind = DPLSTM


def examples(job: Job) -> Task:
    net = opacus.GradSampleModule(network(job, Private), loss_reduction="sum")
    (x, y), parameters = batch(job), moved(net)

    def gradients() -> list[torch.Tensor]:
        net.zero_grad(set_to_none=True)  # those of single examples too
        cross_entropy(net(x), y, reduction="sum").backward()
        return [parameter.grad_sample for parameter in parameters]

    return gradients_task(job, gradients)


if __name__ == "__main__":
    serve({"examples": examples}, {"torch": torch.__version__, "opacus": opacus.__version__})
