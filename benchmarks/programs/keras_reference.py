"""The reference program in Keras, start to finish: load, train, evaluate, draw the curves.

    python benchmarks/programs/keras_reference.py FOLDER CURVES.png

FOLDER holds the four MNIST files (IDX, gzip). Needs keras, one of its backends and matplotlib.
"""

import json
import sys
from pathlib import Path

import idx
import keras
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def load(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    images, labels = idx.read(folder, part)
    return images.astype("float32") / 255, keras.utils.to_categorical(labels, 10)


def main() -> None:
    folder, curves = Path(sys.argv[1]), sys.argv[2]
    (x, y), test = load(folder, "train"), load(folder, "t10k")
    model = keras.Sequential(
        [
            keras.layers.Input((784,)),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.01), "categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, batch_size=128, epochs=10, validation_split=0.1, verbose=0).history
    loss, accuracy = model.evaluate(*test, verbose=0)
    _, axes = plt.subplots(1, 2)
    for axis, name in zip(axes, ("loss", "accuracy"), strict=True):
        axis.plot(history[name])
        axis.plot(history[f"val_{name}"])
    plt.savefig(curves)
    print(json.dumps({"loss": history["loss"][-1], "test_loss": loss, "test_accuracy": accuracy}))


if __name__ == "__main__":
    main()
