"""The textbook's program from its start to its end."""

from suite.workloads import Programs

WORKLOAD = Programs(
    title="The textbook's program, from start to report",
    note=(
        "A whole process each: start, imports, reading MNIST, ten epochs with validation, "
        "the test, the curves, the files."
    ),
    commands={
        "pullback": (
            *("-m", "pullback", "train", "mnist", "--preset", "reference"),
            *("--json", "--out", "{folder}/run"),
        ),
        "keras-tensorflow": ("{programs}/keras_reference.py", "{mnist}", "{folder}/curves.png"),
    },
    agree="test_accuracy",
    tolerance=0.01,
    targets={"keras-tensorflow": 0.2},
)
