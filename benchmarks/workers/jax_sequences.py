"""The Transformer for characters in JAX: jitted steps of AdamW, arrays given to them for reuse."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from protocol import Job

HEADS, OF_A_BLOCK = 4, 8
BETA1, BETA2, EPS, DECAY = 0.9, 0.999, 1e-8, 0.01
Params = list[jax.Array]
State = tuple[Params, Params, Params]


def norm(x: jax.Array, gain: jax.Array, shift: jax.Array) -> jax.Array:
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * gain + shift


def block(x: jax.Array, p: Params) -> jax.Array:
    gain1, shift1, joined, out, gain2, shift2, up, down = p
    count, steps, width = x.shape
    shape = (count, steps, HEADS, width // HEADS)
    q, k, v = (a.reshape(shape) for a in jnp.split(norm(x, gain1, shift1) @ joined, 3, axis=-1))
    mixed = jax.nn.dot_product_attention(q, k, v, is_causal=True)
    x = x + mixed.reshape(count, steps, width) @ out
    return x + jax.nn.gelu(norm(x, gain2, shift2) @ up) @ down


def outputs(p: Params, ids: jax.Array) -> jax.Array:
    x = p[0][ids] + p[1]
    for begin in range(2, len(p) - 2, OF_A_BLOCK):
        x = block(x, p[begin : begin + OF_A_BLOCK])
    return norm(x, p[-2], p[-1]) @ p[0].T


def loss_of(p: Params, x: jax.Array, y: jax.Array) -> jax.Array:
    logs = jax.nn.log_softmax(outputs(p, x))
    return -jnp.take_along_axis(logs, y[..., None], axis=2).mean()


@partial(jax.jit, donate_argnums=(0, 1))
def learn(
    state: State, total: jax.Array, x: jax.Array, y: jax.Array, number: int, lr: float
) -> tuple[State, jax.Array]:
    p, m, v = state
    loss, g = jax.value_and_grad(loss_of)(p, x, y)
    m = [BETA1 * a + (1 - BETA1) * b for a, b in zip(m, g, strict=True)]
    v = [BETA2 * a + (1 - BETA2) * b * b for a, b in zip(v, g, strict=True)]
    ends = 1 - BETA1**number, 1 - BETA2**number
    p = [
        a * (1 - lr * DECAY * (a.ndim > 1)) - lr * (b / ends[0]) / (jnp.sqrt(c / ends[1]) + EPS)
        for a, b, c in zip(p, m, v, strict=True)
    ]
    return (p, m, v), total + loss * len(x)


def transformer_epoch(job: Job) -> tuple[Callable[[], float], Callable[[], None]]:
    """Return an epoch, whose mean loss it gives, and the way back to the start."""
    x, y = (job.array[name].astype(np.int32) for name in "xy")
    rows, count = job.array["rows"], sum(name[0] == "p" for name in job.array)
    state: list[State] = []

    def reset() -> None:
        p = [jnp.array(job.array[f"p{i}"]) for i in range(count)]
        state[:] = [(p, [jnp.zeros_like(a) for a in p], [jnp.zeros_like(a) for a in p])]

    def epoch() -> float:
        total = jnp.zeros(())
        for number, begin in enumerate(range(0, len(rows), job.batch), start=1):
            index = rows[begin : begin + job.batch]
            state[0], total = learn(state[0], total, x[index], y[index], number, job.lr)
        jax.block_until_ready(state)
        return float(total) / len(x)

    return epoch, reset
