"""The gradients of single examples of a small convolutional network."""

from suite.workloads import Examples

WORKLOAD = Examples(
    title="Convolutions of 32 and 64 channels, pooling, 128, 10, batches of 64",
    note="Images of MNIST.",
    network="two convolutions",
    batch=64,
    calls=3,
    peers=("torch-func", "opacus", "backpack", "jax-vmap"),
    rounds=9,
)
