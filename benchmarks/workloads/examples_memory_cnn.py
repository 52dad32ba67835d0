"""The memory for the gradients of single examples of a small convolutional network."""

from suite.workloads import Examples, ExamplesMemory

WORKLOAD = ExamplesMemory(
    title="Peak memory of forming them once: two convolutions, batches of 64",
    note="The network above, a whole process; the gradients alone are 307 MB.",
    examples=Examples(
        title="the work",
        network="two convolutions",
        batch=64,
        calls=1,
        peers=("torch-func", "opacus", "backpack", "jax-vmap"),
    ),
)
