"""Gradients of single examples by ``torch.func``: one example's gradient, vectorised."""

from __future__ import annotations

import torch
from protocol import Job, Task, gradients_task, serve
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy
from torch_examples import batch, network
from torch_sequences import Recurrent


class Unrolled(Recurrent):
    """The LSTM in plain operations: ``vmap`` has no rule for PyTorch's own."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        lstm, state = self.lstm, x.new_zeros(len(x), self.lstm.hidden_size)
        output = state
        for inputs in x.unbind(1):
            sums = inputs @ lstm.weight_ih_l0.T + output @ lstm.weight_hh_l0.T + lstm.bias_ih_l0
            enter, forget, content, leave = sums.chunk(4, dim=1)
            state = forget.sigmoid() * state + enter.sigmoid() * content.tanh()
            output = leave.sigmoid() * state.tanh()
        return self.dense(output)


def examples(job: Job) -> Task:
    net, (x, y) = network(job, Unrolled), batch(job)
    parameters = {name: p.detach() for name, p in net.named_parameters() if p.requires_grad}

    def loss_of(
        parameters: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor
    ) -> torch.Tensor:
        return cross_entropy(functional_call(net, parameters, (x[None],)), y[None])

    slopes = vmap(grad(loss_of), (None, 0, 0))
    return gradients_task(job, lambda: list(slopes(parameters, x, y).values()))


if __name__ == "__main__":
    serve({"examples": examples}, {"torch": torch.__version__})
