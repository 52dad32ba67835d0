"""A table with few columns: next to nothing to compute in a step."""

from suite.workloads import Training

WORKLOAD = Training(
    title="A table of 16 columns, 16-64-64-2, batches of 256",
    note="UCI's Adult, 32,561 rows.",
    data="adult",
    widths=(16, 64, 64, 2),
    batch=256,
    examples=32_561,
    peers=("torch-eager", "torch-compile", "jax-jit", "jax-scan", "keras-tensorflow", "thinc"),
)
