"""A causal Transformer: 4 layers, 4 heads, width 128, block 64, batches of 12, AdamW."""

from suite.workloads import Sequences

WORKLOAD = Sequences(
    title="A causal Transformer: 4 layers, 4 heads, width 128, block 64, batches of 12, AdamW",
    note="480 windows of tiny Shakespeare. PyTorch with fused attention and the fused AdamW.",
    network="transformer",
    data="shakespeare",
    steps=64,
    batch=12,
    examples=480,
    lr=0.001,
    peers=("torch-eager", "jax-jit"),
    rounds=9,
    targets={"torch-eager": 0.85, "jax-jit": 0.5},
)
