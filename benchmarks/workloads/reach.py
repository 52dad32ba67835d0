"""How soon a good network is there, from nothing."""

from suite.workloads import Programs

WORKLOAD = Programs(
    title="From the start of the process to 98% of the test images of MNIST right",
    note=(
        "784-128-64-10 from He's start, measured after each epoch. The recipe of both: Adam "
        "with one cycle of the learning rate (up to 0.006, planned for 7 epochs) in batches of "
        "256; PyTorch's Adam is the fused one. A seed a round."
    ),
    commands={
        "pullback": ("{programs}/reach_ours.py", "{seed}"),
        "torch-eager": ("{programs}/reach_torch.py", "{mnist}", "{seed}"),
    },
    agree="test_accuracy",
    tolerance=0.01,
    rounds=7,
)
