"""Gradients of single examples in JAX: one example's gradient, vectorised and jitted."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax_jit import VERSIONS, convolve, forward
from protocol import Job, Task, gradients_task, serve

Arrays = list[jax.Array]


def pairs(params: Arrays) -> list[tuple[jax.Array, jax.Array]]:
    return list(zip(params[::2], params[1::2], strict=True))


def perceptron(params: Arrays, x: jax.Array) -> jax.Array:
    return forward(pairs(params), x.reshape(-1))


def two_convolutions(params: Arrays, x: jax.Array) -> jax.Array:
    return convolve(pairs(params), x[None, ..., None])[0]


def recurrent(params: Arrays, x: jax.Array) -> jax.Array:
    inwards, around, bias, weight, shift = params
    State = tuple[jax.Array, jax.Array]

    def step(last: State, inputs: jax.Array) -> tuple[State, None]:
        output, state = last
        sums = inputs @ inwards + output @ around + bias
        enter, forget, content, leave = jnp.split(sums, 4)
        state = jax.nn.sigmoid(forget) * state + jax.nn.sigmoid(enter) * jnp.tanh(content)
        return (jax.nn.sigmoid(leave) * jnp.tanh(state), state), None

    nothing = jnp.zeros(len(around))
    (output, _), _ = jax.lax.scan(step, (nothing, nothing), x)
    return output @ weight + shift


NETWORKS = {
    "perceptron": perceptron,
    "two convolutions": two_convolutions,
    "recurrent": recurrent,
}


def examples(job: Job) -> Task:
    outputs, x = NETWORKS[job.network], jnp.array(job.inputs())
    y = jnp.array(job.array["y"].astype(np.int32))
    count = sum(name[0] == "p" for name in job.array)
    params = [jnp.array(job.array[f"p{i}"]) for i in range(count)]

    def loss_of(params: Arrays, x: jax.Array, y: jax.Array) -> jax.Array:
        return -jax.nn.log_softmax(outputs(params, x))[y]

    slopes = jax.jit(jax.vmap(jax.grad(loss_of), (None, 0, 0)))
    return gradients_task(job, lambda: jax.block_until_ready(slopes(params, x, y)))


if __name__ == "__main__":
    serve({"examples": examples}, VERSIONS)
