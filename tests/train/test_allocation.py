"""What a step allocates once the run is under way: next to nothing."""

import gc
import tracemalloc

import numpy as np
import pytest

import pullback as pb
from pullback.data.split import order
from pullback.train.fit import Training
from pullback.train.metrics import Accuracy
from pullback.train.settings import Settings

LIMIT = 4096
BATCH = 128
OPTIMIZERS = [
    pb.optim.SGD(0.01), pb.optim.Momentum(0.01), pb.optim.Nesterov(0.01), pb.optim.Adam(0.001),
    pb.optim.AdamW(0.001),
    pb.optim.chain(pb.optim.ClipGlobalNorm(1.0), pb.optim.Adam(0.001), pb.optim.EMA(0.9)),
]  # fmt: skip


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_a_step_of_the_reference_network_allocates_less_than_4_kb(optimizer, rng):
    """From the bytes of the images to the metrics; the peak bounds every single block as well."""
    images = rng.integers(0, 256, (20 * BATCH, 28, 28), dtype=np.uint8)
    data = pb.data.from_arrays(images, rng.integers(0, 10, len(images)))
    layers = pb.Linear(128), pb.ReLU(), pb.Linear(64), pb.ReLU(), pb.Linear(10)
    settings = Settings(
        net=pb.Chain(pb.Flatten(), *layers),
        loss=pb.losses.CrossEntropy(),
        optimizer=optimizer,
        metrics=(Accuracy(),),
        batch_size=BATCH,
        normalize="scale",
    )
    loop, rows = Training(settings, data, None, ()).loop, order(len(data), 0, 0)

    def step(number: int) -> None:
        loop.stepper.one_step(rows[number * BATCH : (number + 1) * BATCH])

    with np.errstate(all="ignore"):
        for number in range(4):
            step(number)
        gc.collect()
        tracemalloc.start()
        try:
            step(4)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            step(5)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak - before < LIMIT
