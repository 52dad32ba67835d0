"""Train on MNIST until the test accuracy is 98%, then end: ``reach_ours.py SEED``."""

import json
import sys

import pullback as pb
from pullback.train.events import EpochEnded, Event

WANTED = 0.98


def leave_when_reached(event: Event) -> None:
    if isinstance(event, EpochEnded) and event.figures["val_accuracy"] >= WANTED:
        print(json.dumps({"test_accuracy": event.figures["val_accuracy"], "epochs": event.epoch}))
        sys.exit()


data = pb.data.load("mnist")
net = pb.Chain(pb.Flatten(), pb.Linear(128), pb.ReLU(), pb.Linear(64), pb.ReLU(), pb.Linear(10))
pb.fit(
    net,
    data.train,
    loss=pb.losses.CrossEntropy(),
    optimizer=pb.optim.Adam(pb.optim.OneCycle(0.006, rise=0.2)),
    epochs=7,
    batch_size=256,
    validation=data.test,
    seed=int(sys.argv[1]),
    callbacks=(leave_when_reached,),
)
sys.exit("not reached")
