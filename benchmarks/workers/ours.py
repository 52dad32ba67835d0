"""Pullback's side: the loop of ``fit``, a model's outputs, an update, and the machine's peak."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from protocol import Job, Task, gradients_task, mean_size, serve

import pullback as pb
from pullback.core.config import from_config
from pullback.core.theta import Theta
from pullback.core.tree import leaves
from pullback.data.split import order
from pullback.engine import lower, lower_loss, lower_optimizer
from pullback.optim import Segment
from pullback.train.fit import Training
from pullback.train.metrics import as_metrics
from pullback.train.settings import Settings

PEAK_SIZES = (1024, 1536, 2048)
PEAK_TRIES = 3
WATCHED = ("noise_scale", "total_variance")
"""Both need the norms of the gradients of all single examples."""


Names = tuple[str, ...]


def learning(job: Job, watch: Names = ()) -> Training:
    """Return the training of the job, at its start."""
    layers: list[pb.Map] = []
    for width in job.widths[1:-1]:
        layers += [pb.Linear(width), pb.ReLU()]
    settings = Settings(
        net=pb.Chain(*layers, pb.Linear(job.widths[-1])),
        loss=pb.losses.CrossEntropy(),
        optimizer=pb.optim.SGD(job.lr),
        metrics=as_metrics(("accuracy",)),
        epochs=1,
        batch_size=job.batch,
        normalize="none" if job.scale == 1 else "scale",
        watch=watch,
    )
    data = pb.data.from_arrays(job.array["x"], job.array["y"])
    return Training(settings, data, None, ())


def restart(job: Job, training: Training) -> None:
    loop = training.loop
    for i, (weight, bias) in enumerate(job.start()):
        loop.learner.theta[str(2 * i)]["W"][...] = weight
        loop.learner.theta[str(2 * i)]["b"][...] = bias
    loop.position.epoch, loop.position.stopped = 0, None
    loop.position.records.clear()


def epoch_of(training: Training) -> Callable[[], float]:
    loop = training.loop

    def epoch() -> float:
        loop.run(lambda: None, lambda: None)
        return float(loop.position.records[-1]["loss"])

    return epoch


def training(job: Job, watch: Names = ()) -> Task:
    made = learning(job, watch)
    return Task(epoch_of(made), lambda: restart(job, made))


def begin(job: Job, theta: Theta) -> None:
    """Put the parameters where the job says that they start."""
    own = [entry for entry in theta.layout.entries if not entry.alias]
    for i, entry in enumerate(own):
        theta.flat[entry.start : entry.stop] = job.array[f"p{i}"].reshape(-1)


def described(job: Job, data: pb.data.Dataset, **settings: Any) -> Task:
    """An epoch of the network that the job describes."""
    chosen = Settings(
        net=from_config(job.description),
        loss=pb.losses.CrossEntropy(),
        epochs=1,
        batch_size=job.batch,
        **settings,
    )
    made = Training(chosen, data, None, ())
    loop = made.loop

    def reset() -> None:
        begin(job, loop.learner.theta)
        for name, slot in loop.learner.slots.items():
            if not name.startswith("_"):  # those are the rule's own tables
                slot[...] = 0
        loop.learner.step = loop.position.epoch = 0
        loop.position.stopped = None
        loop.position.records.clear()

    return Task(epoch_of(made), reset)


def images(job: Job, watch: Names = ()) -> Task:
    data = pb.data.from_arrays(job.array["x"], job.array["y"])
    return described(
        job,
        data,
        optimizer=pb.optim.SGD(job.lr),
        metrics=as_metrics(("accuracy",)),
        normalize="scale",
        watch=watch,
    )


def sequences(job: Job, watch: Names = ()) -> Task:
    x, y = job.array["x"], job.array["y"]
    if y.ndim == 1:
        return images(job, watch)
    text = np.append(x, y[-1, -1])  # the targets of a window are its characters, and the next one
    data = pb.data.text.windows(text, x.shape[1], stride=x.shape[1])
    return described(
        job,
        data,
        optimizer=pb.optim.AdamW(job.lr),
        metrics=(),
        normalize="none",
        watch=watch,
    )


EPOCHS = {"training": training, "images": images, "sequences": sequences}


def watching(job: Job, watch: Names = WATCHED) -> Task:
    return EPOCHS[job.trains](job, watch)


def examples(job: Job) -> Task:
    x, y = job.inputs(), job.array["y"]
    net, spec = from_config(job.description), pb.Spec(x.shape[1:])
    theta, _ = pb.init(net, spec, seed=0)
    begin(job, theta)
    fast, loss = lower(net, spec, len(x)), lower_loss(pb.losses.CrossEntropy())

    def gradients() -> list[np.ndarray]:
        found = pb.quantities(fast, loss, theta, x, y, ["per_example_grad"])
        return [array for _, array in leaves(found["per_example_grad"])]

    return gradients_task(job, gradients)


def inference(job: Job) -> Task:
    made = learning(job)
    restart(job, made)
    model, x = made.model(), job.array["x"]

    def calls() -> np.ndarray:
        for _ in range(job.calls):
            y = model.outputs(x)
        return y

    return Task(calls, outcome=mean_size, count=job.calls)


def update(job: Job) -> Task:
    theta, gradient = job.array["theta"], job.array["gradient"]
    rule = lower_optimizer(pb.optim.Adam(job.lr), theta.dtype.name)  # as ``fit`` does
    size = len(theta) // job.tensors
    segments = tuple(Segment(str(i), i * size, (i + 1) * size, True) for i in range(job.tensors))
    slots = rule.start(theta, segments)
    step = 0

    def updates() -> np.ndarray:
        nonlocal step
        for _ in range(job.calls):
            rule.update(gradient, slots, theta, step)
            step += 1
        return theta

    return Task(updates, outcome=mean_size, count=job.calls)


def allocation(job: Job) -> Task:
    """The outcome is the peak, in bytes, of what a call of steps allocates and frees again."""
    loop = learning(job).loop
    rows = order(len(loop.train), 0, 0)

    def traced() -> int:
        loop.position.batch = 0
        for _ in range(3):
            loop.position.batch += loop.stepper.take(rows, loop.position.batch)
        gc.collect()
        tracemalloc.start()
        try:
            loop.position.batch += loop.stepper.take(rows, loop.position.batch)
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            loop.stepper.take(rows, loop.position.batch)
            return tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()

    return Task(traced)


def peak(job: Job) -> Task:
    """The outcome is the most multiply-adds a second of a product of square matrices."""
    rng = np.random.default_rng(0)
    cases = []
    for size in PEAK_SIZES:
        a, b = rng.standard_normal((2, size, size), np.float32)
        cases.append((a, b, np.empty_like(a)))

    def best() -> float:
        found = 0.0
        for a, b, out in cases:
            for _ in range(PEAK_TRIES):
                began = time.perf_counter()
                np.matmul(a, b, out=out)
                found = max(found, len(a) ** 3 / (time.perf_counter() - began))
        return found

    return Task(best)


def versions() -> dict[str, str]:
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "pullback": pb.__version__,
        "numpy": np.__version__,
        "BLAS": f"{blas['name']} {blas['version']}",
    }


if __name__ == "__main__":
    serve(
        {
            **EPOCHS,
            "watching": watching,
            "examples": examples,
            "inference": inference,
            "update": update,
            "allocation": allocation,
            "peak": peak,
        },
        versions(),
    )
