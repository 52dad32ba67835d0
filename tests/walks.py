"""Networks to walk through, and what a walk says of a tensor."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

import pullback as pb

LOSS = pb.losses.HalfSquaredError()
OPTIMIZER = pb.optim.chain(pb.optim.Adam(0.01), pb.optim.DecoupledDecay(0.1))


def one_two_one():
    net = pb.Chain(hidden=pb.Linear(2), h=pb.Sigmoid(), out=pb.Linear(1), y=pb.Sigmoid())
    x, t = np.array([[1.0]]), np.array([[0.0]])
    p, _ = pb.init(net, x, dtype="float64")
    p["hidden"]["W"][:], p["hidden"]["b"][:] = [[0.5, -0.5]], [0.1, 0.2]
    p["out"]["W"][:], p["out"]["b"][:] = [[1.0], [-1.0]], [0.3]
    return net, p, x, t


def section_of(walk, kind, path):
    (section,) = [s for s in walk.of(kind) if s.path == path]
    return section


def value(walk, kind, path, name):
    (found,) = [v for v in section_of(walk, kind, path).values if v.name == name]
    return found.array


def digit(mnist):
    net = pb.Chain(pb.Flatten(), pb.Linear(128), pb.ReLU(), pb.Linear(64), pb.ReLU(), pb.Linear(10))
    x, t = (mnist.train.x[5:6] / 255).astype(np.float32), mnist.train.y[5:6]
    p, _ = pb.init(net, x)
    p.flat[:] += 0.01 * np.random.default_rng(0).standard_normal(p.flat.size)
    return net, p, x, t


@lru_cache
def walked_digit(data_dir):
    net, p, x, t = digit(pb.data.load("mnist", data_dir))
    walk = pb.walk(net, pb.losses.CrossEntropy(), p, x, t, optimizer=OPTIMIZER)
    return walk, (net, p, x, t)
