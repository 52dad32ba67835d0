"""Thinc: a chain of layers, and its own SGD. The loss is summed here, as Thinc's is another."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
from protocol import Job, Task, serve
from thinc.api import SGD, Relu, Softmax, chain


def training(job: Job) -> Task:
    x, y, rows = job.inputs(), job.array["y"], job.array["rows"]
    layers = [Relu(width) for width in job.widths[1:-1]]
    model = chain(*layers, Softmax(job.widths[-1]))
    model.initialize(x[:2], np.eye(job.widths[-1], dtype=np.float32)[y[:2]])
    optimizer = SGD(job.lr, L2=0.0, grad_clip=0.0)

    def reset() -> None:
        for layer, (weight, bias) in zip(model.layers, job.start(), strict=True):
            layer.set_param("W", np.ascontiguousarray(weight.T))
            layer.set_param("b", bias.copy())

    def epoch() -> float:
        total, right = 0.0, 0
        for begin in range(0, len(rows), job.batch):
            index = rows[begin : begin + job.batch]
            labels = y[index]
            guesses, backprop = model.begin_update(x[index])
            places = np.arange(len(index)), labels
            total -= np.log(guesses[places]).sum(dtype=np.float64)
            right += (guesses.argmax(1) == labels).sum()
            guesses[places] -= 1  # of the logits: what Softmax takes as its outputs' gradient
            backprop(guesses / len(index))
            model.finish_update(optimizer)
        return float(total) / len(rows)

    return Task(epoch, reset)


if __name__ == "__main__":
    serve({"training": training}, {"thinc": version("thinc")})
