"""Load MNIST, train an epoch, print the peak memory: ``memory_ours.py SEED``."""

import json
import sys

from resident import peak_bytes

import pullback as pb

data = pb.data.load("mnist")
net = pb.Chain(pb.Flatten(), pb.Linear(128), pb.ReLU(), pb.Linear(64), pb.ReLU(), pb.Linear(10))
run = pb.fit(
    net,
    data.train,
    loss=pb.losses.CrossEntropy(),
    optimizer=pb.optim.SGD(lr=0.1),
    epochs=1,
    batch_size=128,
    normalize="scale",
    seed=int(sys.argv[1]),
)
print(json.dumps({"loss": run.history["loss"][-1], "peak_bytes": peak_bytes()}))
