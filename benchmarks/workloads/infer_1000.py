"""Many images at once."""

from suite.workloads import Inference

WORKLOAD = Inference(
    title="The outputs of 784-128-64-10 for 1,000 images",
    data="mnist",
    widths=(784, 128, 64, 10),
    batch=1000,
    calls=100,
    peers=("torch-eager", "torch-compile", "jax-jit", "keras-tensorflow"),
)
