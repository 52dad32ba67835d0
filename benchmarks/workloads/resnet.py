"""A residual network of 20 layers with batch normalisation."""

from suite.workloads import Images

WORKLOAD = Images(
    title="A residual network of 20 layers, 16 to 64 channels, batches of 128",
    note="1,280 images of MNIST.",
    network="residual",
    batch=128,
    examples=1_280,
    peers=("torch-eager",),
    rounds=9,
    targets={"torch-eager": 0.9},
)
