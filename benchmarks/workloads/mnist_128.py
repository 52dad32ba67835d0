"""The textbook's network, at its own batch size."""

from suite.workloads import Training

WORKLOAD = Training(
    title="MNIST, 784-128-64-10, batches of 128",
    note="Four fifths of the inputs are 0, and we multiply only the others.",
    data="mnist",
    widths=(784, 128, 64, 10),
    batch=128,
    examples=54_000,
    peers=(
        "torch-eager",
        "torch-compile",
        "jax-jit",
        "jax-scan",
        "keras-tensorflow",
        "keras-torch",
        "sklearn",
        "thinc",
    ),
    targets={
        "torch-eager": 0.55,
        "keras-tensorflow": 0.2,
        "jax-scan": 0.85,
        "sklearn": 0.35,
        "thinc": 0.35,
    },
)
