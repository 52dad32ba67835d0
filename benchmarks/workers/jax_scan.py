"""JAX with a whole epoch in one jitted call: a scan over the batches."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax_jit import VERSIONS, Learner, Params, Sums, learn, no_sums
from protocol import Job, Task, serve


def training(job: Job) -> Task:
    x, y = jnp.array(job.inputs()), jnp.array(job.array["y"].astype(np.int32))
    rows = jnp.array(job.array["rows"].astype(np.int32))
    whole = len(rows) // job.batch * job.batch  # a scan's batches are all of one size

    # Rows are gathered batch by batch: putting all in order first takes longer.
    @partial(jax.jit, donate_argnums=0)
    def epoch(params: Params, x: jax.Array, y: jax.Array, rows: jax.Array) -> tuple[Params, Sums]:
        def step(sofar: tuple[Params, Sums], index: jax.Array) -> tuple[tuple[Params, Sums], None]:
            return learn(*sofar, x[index], y[index], job.lr), None

        found, _ = jax.lax.scan(step, (params, no_sums()), rows[:whole].reshape(-1, job.batch))
        if whole < len(rows):
            found, _ = step(found, rows[whole:])
        return found

    return Learner(job, lambda params: epoch(params, x, y, rows)).task()


if __name__ == "__main__":
    serve({"training": training}, VERSIONS)
