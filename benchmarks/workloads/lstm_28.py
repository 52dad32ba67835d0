"""An LSTM of 128 units over 28 steps, batches of 64."""

from suite.workloads import Sequences

WORKLOAD = Sequences(
    title="An LSTM of 128 units over 28 steps, batches of 64",
    note="Rows of MNIST's images, 2,560 of them; the last state decides.",
    network="recurrent",
    data="mnist",
    steps=28,
    batch=64,
    examples=2_560,
    peers=("torch-eager",),
    rounds=9,
    targets={"torch-eager": 0.85},
)
