"""An LSTM of 128 units over 50 steps, batches of 64."""

from suite.workloads import Sequences

WORKLOAD = Sequences(
    title="An LSTM of 128 units over 50 steps, batches of 64",
    note="MNIST's images as 50 steps of 15 pixels (the last 34 are left out), 2,560 of them.",
    network="recurrent",
    data="mnist",
    steps=50,
    batch=64,
    examples=2_560,
    peers=("torch-eager",),
    rounds=9,
    targets={"torch-eager": 0.85},
)
