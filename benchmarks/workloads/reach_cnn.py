"""How soon a very good network is there, from nothing."""

from suite.workloads import Programs

WORKLOAD = Programs(
    title="From the start of the process to 99% of the test images of MNIST right",
    note=(
        "Convolutions of 16 and 32 channels, 5 x 5, each with ReLU and pooling, and a dense layer, "
        "measured after each epoch. The recipe of both: Adam with one cycle of the learning rate "
        "(up to 0.01, planned for 5 epochs) in batches of 128; PyTorch has channels last and its "
        "fused Adam. A seed a round."
    ),
    commands={
        "pullback": ("{programs}/reach_cnn_ours.py", "{seed}"),
        "torch-eager": ("{programs}/reach_cnn_torch.py", "{mnist}", "{seed}"),
    },
    agree="test_accuracy",
    tolerance=0.01,
    rounds=5,
    targets={"torch-eager": 0.8},
)
