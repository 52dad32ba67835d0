"""How long a process takes before its first own line."""

from suite.workloads import Programs

MODULES = {
    "pullback": "pullback",
    "numpy": "numpy",
    "torch-eager": "torch",
    "jax-jit": "jax",
    "keras-tensorflow": "keras",
    "sklearn": "sklearn.neural_network",
    "thinc": "thinc.api",
}

WORKLOAD = Programs(
    title="From the start of the process to the library imported",
    commands={peer: ("{programs}/imports.py", module) for peer, module in MODULES.items()},
    agree="imported",
    tolerance=0.0,
    rounds=11,
)
