"""A small convolutional network: two convolutions, pooling and two dense layers."""

from suite.workloads import Images

WORKLOAD = Images(
    title="Convolutions of 32 and 64 channels, pooling, 128, 10, batches of 128",
    note="5,120 images of MNIST.",
    network="two convolutions",
    batch=128,
    examples=5_120,
    peers=("torch-eager", "jax-jit"),
    rounds=9,
    targets={"torch-eager": 0.85, "jax-jit": 0.3},
)
