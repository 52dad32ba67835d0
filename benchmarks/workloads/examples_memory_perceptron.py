"""The memory for the gradients of single examples of the textbook's network."""

from suite.workloads import Examples, ExamplesMemory

WORKLOAD = ExamplesMemory(
    title="Peak memory of forming them once: 784-128-64-10, batches of 128",
    note="A whole process, with its library and what that compiles; the gradients alone are 56 MB.",
    examples=Examples(
        title="the work",
        network="perceptron",
        batch=128,
        calls=1,
        peers=("torch-func", "opacus", "backpack", "jax-vmap"),
    ),
)
