"""The gradients of single examples of the textbook's network."""

from suite.workloads import Examples

WORKLOAD = Examples(
    title="784-128-64-10, batches of 128",
    note=(
        "Images of MNIST. Ours forms the gradients of the examples and no sum of them; Opacus and "
        "BackPACK cannot but leave the sum beside them."
    ),
    network="perceptron",
    batch=128,
    calls=20,
    peers=("torch-func", "opacus", "backpack", "jax-vmap"),
    rounds=9,
)
