"""Train an epoch over a folder of images that is read while training: memory, and time waited.

``stream_folder.py [--count 200000] [--batch-size 128] [--hidden 1024]`` writes so many images of 28
x 28 pixels, made from MNIST's training part (from the second time on an image is moved by a few
pixels), into a folder that is removed in the end, and trains a perceptron over them once.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from resident import resident_bytes

import pullback as pb
from pullback.train.events import Event, Progress
from pullback.train.fit import Training
from pullback.train.settings import Settings


def write(folder: Path, count: int) -> None:
    train = pb.data.load("mnist").train
    for label in range(10):
        (folder / str(label)).mkdir()
    for i in range(count):
        turn, row = divmod(i, len(train))
        moved = np.roll(train.x[row], (turn % 5 - turn // 5, turn // 5), (0, 1))
        Image.fromarray(moved).save(folder / str(train.y[row]) / f"{i:07d}.png", compress_level=1)


class Watch:
    """Notes the resident memory at each tenth of the epoch."""

    def __init__(self) -> None:
        self.resident: dict[str, int] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress):
            tenth = 10 * event.step // event.steps_per_epoch
            if tenth:
                self.resident.setdefault(f"{10 * tenth}%", resident_bytes())


def settings(batch_size: int, hidden: int) -> Settings:
    return Settings(
        net=pb.Chain(pb.Flatten(), pb.Linear(hidden), pb.ReLU(), pb.Linear(hidden), pb.ReLU(),
                     pb.Linear(10)),
        loss=pb.losses.CrossEntropy(),
        optimizer=pb.optim.Adam(0.001),
        metrics=(),
        epochs=1,
        batch_size=batch_size,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--hidden", type=int, default=1024)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        began = time.perf_counter()
        write(Path(name), options.count)
        written = time.perf_counter()
        data = pb.data.from_folder(name, stream=True)
        loaded = time.perf_counter()
        few = data.train.x[:2000]
        np.asarray(few)
        alone = len(few) / (time.perf_counter() - loaded)
        watch = Watch()
        training = Training(settings(options.batch_size, options.hidden), data, None, (watch,))
        training.run(None)
        seconds = training.loop.position.records[0]["seconds"]
        waited = training.loop.stepper.batches.waited
        print(
            json.dumps(
                {
                    "images": options.count,
                    "processors": os.cpu_count(),
                    "seconds_writing": round(written - began, 1),
                    "seconds_looking": round(loaded - written, 1),
                    "seconds_epoch": round(seconds, 1),
                    "images_per_second": round(options.count / seconds),
                    "images_per_second_reading_alone": round(alone),
                    "share_waited": round(waited / seconds, 4),
                    "resident_mb": {k: round(v / 1e6, 1) for k, v in watch.resident.items()}
                    | {"end": round(resident_bytes() / 1e6, 1)},
                }
            )
        )


if __name__ == "__main__":
    main()
