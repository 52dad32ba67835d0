"""JAX with a jitted step, called once for each batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax_sequences import transformer_epoch
from protocol import Job, Task, mean_size, serve

Params = list[tuple[jax.Array, jax.Array]]
Sums = tuple[jax.Array, jax.Array]


def forward(params: Params, x: jax.Array) -> jax.Array:
    for weight, bias in params[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    weight, bias = params[-1]
    return x @ weight + bias


Outputs = Callable[[Params, jax.Array], jax.Array]


def loss_of(
    params: Params, x: jax.Array, y: jax.Array, outputs: Outputs
) -> tuple[jax.Array, jax.Array]:
    logits = outputs(params, x)
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1)
    return -chosen.mean(), (logits.argmax(1) == y).sum()


def learn(
    params: Params,
    sums: Sums,
    x: jax.Array,
    y: jax.Array,
    lr: float,
    outputs: Outputs = forward,
) -> tuple[Params, Sums]:
    """Take one step; add loss and right answers to the sums."""
    slopes = jax.value_and_grad(loss_of, has_aux=True)
    (loss, right), gradient = slopes(params, x, y, outputs)
    params = jax.tree.map(lambda p, g: p - lr * g, params, gradient)
    return params, (sums[0] + loss * len(x), sums[1] + right)


def no_sums() -> Sums:
    return jnp.zeros(()), jnp.zeros((), jnp.int32)


def start(job: Job) -> Params:
    return [(jnp.array(weight), jnp.array(bias)) for weight, bias in job.start()]


class Learner:
    """The parameters, and an epoch that moves them and returns its mean loss."""

    def __init__(self, job: Job, epoch: Callable[[Params], tuple[Params, Sums]]) -> None:
        self.job, self.epoch = job, epoch
        self.params: Params = []

    def reset(self) -> None:
        self.params = start(self.job)

    def run(self) -> float:
        self.params, sums = jax.block_until_ready(self.epoch(self.params))
        return float(sums[0]) / len(self.job.array["y"])

    def task(self) -> Task:
        return Task(self.run, self.reset)


def training(job: Job) -> Task:
    x, y = jnp.array(job.inputs()), jnp.array(job.array["y"].astype(np.int32))
    rows = job.array["rows"].astype(np.int32)

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(
        params: Params, sums: Sums, x: jax.Array, y: jax.Array, index: Any
    ) -> tuple[Params, Sums]:
        return learn(params, sums, x[index], y[index], job.lr)

    def epoch(params: Params) -> tuple[Params, Sums]:
        sums = no_sums()
        for begin in range(0, len(rows), job.batch):
            params, sums = step(params, sums, x, y, rows[begin : begin + job.batch])
        return params, sums

    return Learner(job, epoch).task()


def convolve(params: Params, x: jax.Array) -> jax.Array:
    """Two convolutions, pooling and two dense layers, channels last."""
    for weight, bias in params[:2]:
        axes = ("NHWC", "HWIO", "NHWC")
        x = jax.lax.conv_general_dilated(x, weight, (1, 1), "VALID", dimension_numbers=axes)
        x = jax.nn.relu(x + bias)
    window = (1, 2, 2, 1)
    x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")
    return forward(params[2:], x.reshape(len(x), -1))


def images(job: Job) -> Task:
    x, y = jnp.array(job.inputs())[..., None], jnp.array(job.array["y"].astype(np.int32))
    rows = job.array["rows"].astype(np.int32)

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(
        params: Params, sums: Sums, x: jax.Array, y: jax.Array, index: Any
    ) -> tuple[Params, Sums]:
        return learn(params, sums, x[index], y[index], job.lr, convolve)

    def epoch(params: Params) -> tuple[Params, Sums]:
        sums = no_sums()
        for begin in range(0, len(rows), job.batch):
            params, sums = step(params, sums, x, y, rows[begin : begin + job.batch])
        return params, sums

    learner = Learner(job, epoch)
    begin = [(job.array[f"p{2 * i}"], job.array[f"p{2 * i + 1}"]) for i in range(4)]
    return Task(learner.run, lambda: setattr(learner, "params", jax.tree.map(jnp.array, begin)))


def sequences(job: Job) -> Task:
    return Task(*transformer_epoch(job))


def inference(job: Job) -> Task:
    params, x, outputs = start(job), jnp.array(job.inputs()), jax.jit(forward)

    def calls() -> jax.Array:
        for _ in range(job.calls):
            y = outputs(params, x).block_until_ready()
        return y

    return Task(calls, outcome=mean_size, count=job.calls)


VERSIONS = {"jax": jax.__version__}

if __name__ == "__main__":
    kinds = {
        "training": training,
        "images": images,
        "sequences": sequences,
        "inference": inference,
    }
    serve(kinds, VERSIONS)
