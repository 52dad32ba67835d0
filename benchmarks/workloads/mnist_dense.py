"""The textbook's network on images without a single zero: nothing can be left out."""

from suite.workloads import Training

WORKLOAD = Training(
    title="MNIST without zeros, 784-128-64-10, batches of 128",
    note="Every 0 of the images is a 1 here.",
    data="mnist-without-zeros",
    widths=(784, 128, 64, 10),
    batch=128,
    examples=54_000,
    peers=("torch-eager", "jax-scan", "sklearn"),
    rounds=7,
    targets={"torch-eager": 0.55},
    peak=0.6,
)
