"""The memory that attention over a long sequence takes."""

from suite.workloads import Programs

WORKLOAD = Programs(
    title="Growth of memory by causal attention, 4 sequences of 4,096 steps, width 128, 4 heads",
    note=(
        "Forwards and backwards, from before the inputs are made, after a first pass over 64 "
        "steps; the shares of all pairs of steps alone would take 1.07 GB."
    ),
    commands={
        "pullback": ("{programs}/attention_ours.py", "4096", "{seed}"),
        "torch-eager": ("{programs}/attention_torch.py", "4096", "{seed}"),
    },
    measure="peak_bytes",
    agree="size",
    tolerance=1e-3,
    targets={"torch-eager": 1.2},
    rounds=3,
)
