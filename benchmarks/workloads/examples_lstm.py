"""The gradients of single examples of an LSTM."""

from suite.workloads import Examples

WORKLOAD = Examples(
    title="An LSTM of 128 units over 28 steps, batches of 64",
    note=(
        "Rows of MNIST's images; the last state decides. For `torch.func` the cell is written in "
        "plain operations, and Opacus has an LSTM of its own, as neither follows PyTorch's."
    ),
    network="recurrent",
    batch=64,
    calls=5,
    peers=("torch-func", "opacus", "backpack", "jax-vmap"),
    rounds=9,
)
