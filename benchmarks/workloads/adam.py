"""The update alone: how fast memory is read and written."""

from suite.workloads import Update

WORKLOAD = Update(
    title="Adam, 10 million parameters",
    note="Ours are one vector; PyTorch's are ten tensors.",
    size=10_000_000,
    tensors=10,
    calls=5,
    peers=("torch-eager", "torch-fused"),
    targets={"torch-eager": 0.8},
)
