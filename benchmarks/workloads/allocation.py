"""What a step allocates once everything is warm."""

from suite.workloads import Allocation, Training

WORKLOAD = Allocation(
    title="What a training step of 784-128-64-10 allocates, batches of 128",
    training=Training(
        title="one step",
        data="mnist",
        widths=(784, 128, 64, 10),
        batch=128,
        examples=54_000,
        peers=(),
    ),
)
