"""The most memory that a process holds at once."""

from suite.workloads import Programs

WORKLOAD = Programs(
    title="Peak memory of a process that loads MNIST and trains an epoch of 784-128-64-10",
    note=(
        "Ours keeps the images as they are, in bytes, and makes floating-point numbers of a "
        "batch; PyTorch's program makes one tensor of all, as its fastest loop wants it."
    ),
    commands={
        "pullback": ("{programs}/memory_ours.py", "{seed}"),
        "torch-eager": ("{programs}/memory_torch.py", "{mnist}", "{seed}"),
    },
    measure="peak_bytes",
    agree="loss",
    tolerance=0.1,  # each starts from random numbers of its own
    targets={"torch-eager": 0.5},
    rounds=3,
)
