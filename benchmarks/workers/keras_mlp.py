"""Keras, whichever its backend: ``fit``, and ``predict_on_batch``."""

from __future__ import annotations

import keras
import numpy as np
from protocol import Job, Task, mean_size, serve


def network(job: Job) -> keras.Model:
    layers = [keras.layers.Input((job.widths[0],))]
    layers += [keras.layers.Dense(width, activation="relu") for width in job.widths[1:-1]]
    model = keras.Sequential([*layers, keras.layers.Dense(job.widths[-1])])
    restart(job, model)
    return model


def restart(job: Job, model: keras.Model) -> None:
    model.set_weights([array for layer in job.start() for array in layer])


def training(job: Job) -> Task:
    x, y, model = job.inputs(), job.array["y"], network(job)
    model.compile(
        keras.optimizers.SGD(job.lr),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )

    def epoch() -> float:
        found = model.fit(x, y, batch_size=job.batch, epochs=1, verbose=0)
        return float(found.history["loss"][0])

    return Task(epoch, lambda: restart(job, model))


def inference(job: Job) -> Task:
    x, model = job.inputs(), network(job)

    def calls() -> np.ndarray:
        for _ in range(job.calls):
            y = model.predict_on_batch(x)
        return y

    return Task(calls, outcome=mean_size, count=job.calls)


def answer(versions: dict[str, str]) -> None:
    serve({"training": training, "inference": inference}, {"keras": keras.__version__, **versions})
