"""The textbook's network in small batches, where the cost of a step beside its products shows."""

from suite.workloads import Training

WORKLOAD = Training(
    title="MNIST, 784-128-64-10, batches of 32",
    data="mnist",
    widths=(784, 128, 64, 10),
    batch=32,
    examples=54_000,
    peers=("torch-eager", "torch-compile", "jax-jit", "jax-scan", "keras-tensorflow", "thinc"),
    targets={"torch-eager": 0.45},
    rounds=7,
)
