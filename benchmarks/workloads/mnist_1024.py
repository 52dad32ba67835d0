"""The textbook's network in large batches, where the products are nearly all."""

from suite.workloads import Training

WORKLOAD = Training(
    title="MNIST, 784-128-64-10, batches of 1024",
    data="mnist",
    widths=(784, 128, 64, 10),
    batch=1024,
    examples=54_000,
    peers=("torch-eager", "torch-compile", "jax-jit", "jax-scan", "keras-tensorflow", "thinc"),
    targets={"torch-eager": 0.9},
)
