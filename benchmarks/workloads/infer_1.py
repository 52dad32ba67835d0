"""One image at a time, as a service answers."""

from suite.workloads import Inference

WORKLOAD = Inference(
    title="The outputs of 784-128-64-10 for 1 image",
    data="mnist",
    widths=(784, 128, 64, 10),
    batch=1,
    calls=2_000,
    peers=("torch-eager", "torch-compile", "jax-jit", "keras-tensorflow"),
)
