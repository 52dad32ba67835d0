"""Train a small convolutional network on MNIST to 99% of the test images: ``... SEED``."""

import json
import sys

import pullback as pb
from pullback.train.events import EpochEnded, Event

WANTED = 0.99


def leave_when_reached(event: Event) -> None:
    if isinstance(event, EpochEnded) and event.figures["val_accuracy"] >= WANTED:
        print(json.dumps({"test_accuracy": event.figures["val_accuracy"], "epochs": event.epoch}))
        sys.exit()


data = pb.data.load("mnist")
net = pb.Chain(
    pb.Channels(),
    pb.Conv2d(16, 5, padding="valid"),
    pb.ReLU(),
    pb.MaxPool2d(),
    pb.Conv2d(32, 5, padding="valid"),
    pb.ReLU(),
    pb.MaxPool2d(),
    pb.Flatten(),
    pb.Linear(10),
)
pb.fit(
    net,
    data.train,
    loss=pb.losses.CrossEntropy(),
    optimizer=pb.optim.Adam(pb.optim.OneCycle(0.01, rise=0.2)),
    epochs=5,
    batch_size=128,
    validation=data.test,
    seed=int(sys.argv[1]),
    callbacks=(leave_when_reached,),
)
sys.exit("not reached")
