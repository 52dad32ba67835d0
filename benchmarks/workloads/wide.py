"""A wide network: nearly nothing but matrix products."""

from suite.workloads import Training

WORKLOAD = Training(
    title="A wide network, 784-1024-1024-1024-1024-10, batches of 128",
    note="5,120 images of MNIST.",
    data="mnist",
    widths=(784, 1024, 1024, 1024, 1024, 10),
    batch=128,
    examples=5_120,
    peers=("torch-eager", "torch-compile", "jax-jit", "jax-scan", "keras-tensorflow", "thinc"),
    rounds=7,
)
