"""A deep and narrow network: many small products."""

from suite.workloads import Training

WORKLOAD = Training(
    title="A deep and narrow network, 32 hidden layers of 64, batches of 128",
    note="12,800 images of MNIST.",
    data="mnist",
    widths=(784, *[64] * 32, 10),
    batch=128,
    examples=12_800,
    lr=0.001,
    peers=("torch-eager", "torch-compile", "jax-jit", "jax-scan", "keras-tensorflow", "thinc"),
    targets={"torch-eager": 0.4},
)
