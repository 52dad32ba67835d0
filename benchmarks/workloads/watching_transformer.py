"""What watching costs a causal Transformer."""

from suite.workloads import Sequences, Watching

WORKLOAD = Watching(
    title="A causal Transformer: 4 layers, 4 heads, width 128, block 64, batches of 12, watched",
    note="480 windows of tiny Shakespeare, AdamW; an example is a window.",
    plain=Sequences(
        title="the epoch",
        network="transformer",
        data="shakespeare",
        steps=64,
        batch=12,
        examples=480,
        lr=0.001,
        peers=(),
    ),
    targets={"unwatched": 1.3},
)
