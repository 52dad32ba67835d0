"""KFAC against dense matrices written out, and what a run asks of it."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from arrays import relative_error
from extend_networks import CASES, problem
from runs import digits, theta_of

import pullback as pb
from pullback.cli.main import cli
from pullback.core.random import generator
from pullback.data.split import order
from pullback.extend import KFAC, Evidence
from pullback.extend.blocks import blocks_of
from pullback.optim import EMA, L2, CosineDecay, Segment, chain
from pullback.train.events import EpochEnded

CE, HSE = pb.losses.CrossEntropy(), pb.losses.HalfSquaredError()
SEED = 3


def evidence(net, loss, p, x, target, step=0):
    return Evidence.of(net, loss, p, x, target, pb.Context(True, SEED, step))


class Steps:
    """Updates of a rule on one batch, the whole way as the training step goes it."""

    def __init__(self, rule, net, loss, x, target):
        self.rule, self.given = rule, (net, loss, x, target)
        self.p, _ = pb.init(net, x, 0, "float64")
        self.p.flat[:] = np.random.default_rng(1).standard_normal(self.p.flat.shape)
        segments = tuple(Segment(e.name, e.start, e.stop, e.decay) for e in self.p.layout.entries)
        self.slots = rule.start(self.p.flat, segments) | rule.fitted(self.at(0))
        self.step = 0

    def at(self, step):
        net, loss, x, target = self.given
        return evidence(net, loss, self.p, x, target, step)

    def take(self):
        at = self.at(self.step)
        if self.rule.due(self.step):
            self.rule.look(at, self.slots)
        self.rule.update(at.gradient.flat, self.slots, self.p.flat, self.step)
        self.step += 1


class Dense:
    """The same by whole matrices: ``kron(A, B)`` with its damping, solved, step by step."""

    def __init__(self, damping, decay=0.95):
        self.damping, self.decay, self.means = damping, decay, {}

    def natural(self, name, step, rows, deltas, count, g):
        new = rows.T @ rows / len(rows), deltas.T @ deltas / count
        rho = min(1 - 1 / (step + 1), self.decay)
        old = self.means.get(name, (0, 0))
        a, b = self.means[name] = tuple(
            rho * o + (1 - rho) * n for o, n in zip(old, new, strict=True)
        )
        pi = np.sqrt(np.trace(a) / len(a) / (np.trace(b) / len(b)))
        root = np.sqrt(self.damping)
        whole = np.kron(a + pi * root * np.eye(len(a)), b + root / pi * np.eye(len(b)))
        return np.linalg.solve(whole, g.ravel()).reshape(g.shape)


def with_ones(rows):
    return np.hstack([rows, np.ones((len(rows), 1))])


def softmax(y):
    e = np.exp(y - y.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_steps_of_a_small_network_are_those_of_dense_matrices():
    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((7, 5)), rng.integers(0, 3, 7)
    rule = KFAC(0.5, momentum=0.7, damping=0.02, clip=0.03, factors_every=1, inverses_every=1)
    net = pb.Chain(pb.Linear(4), pb.Tanh(), pb.Linear(3))
    found = Steps(rule, net, CE, x, target)
    dense, velocity = Dense(0.02), 0.0
    w, b, v, c = (found.p[i][name].copy() for i in ("0", "2") for name in ("W", "b"))
    limits = []
    for step in range(4):
        h = np.tanh(x @ w + b)
        y = h @ v + c
        root = CE.random_root(y, target, generator(SEED, "kfac", step=step))
        slope = (softmax(y) - np.eye(3)[target]) / 7
        parts, gradients = [], []
        for name, rows, wide, error in (
            ("first", with_ones(x), (root @ v.T) * (1 - h * h), (slope @ v.T) * (1 - h * h)),
            ("last", with_ones(h), root, slope),
        ):
            g = rows.T @ error
            parts.append(dense.natural(name, step, rows, wide, 7, g).ravel())
            gradients.append(g.ravel())
        natural, g = np.concatenate(parts), np.concatenate(gradients)
        limits.append(min(1, np.sqrt(0.03 / (0.25 * natural @ g))))
        velocity = 0.7 * velocity + limits[-1] * natural
        flat = np.concatenate([w.ravel(), b, v.ravel(), c]) - 0.5 * velocity
        w, b = flat[:20].reshape(5, 4), flat[20:24]
        v, c = flat[24:36].reshape(4, 3), flat[36:]
        found.take()
        assert relative_error(found.p.flat, flat) < 1e-10
    assert min(limits) < 1


@pytest.mark.parametrize("sharing", ["expand", "reduce"])
def test_a_convolution_is_its_positions(sharing):
    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((6, 4, 2)), rng.integers(0, 3, 6)
    net = pb.Chain(pb.Conv1d(3, 2, padding="valid"), pb.GlobalAvgPool())
    rule = KFAC(1.0, momentum=0.0, damping=0.05, clip=None, sharing=sharing)
    found = Steps(rule, net, CE, x, target)
    p = found.p.copy()
    cut = np.stack([x[:, t : t + 2].reshape(6, 4) for t in range(3)], axis=1)  # (N, T, kernel in)
    y = cut.mean(axis=1) @ p["0"]["W"].reshape(4, 3) + p["0"]["b"]
    root = CE.random_root(y, target, generator(SEED, "kfac", step=0))
    slope = (softmax(y) - np.eye(3)[target]) / 6
    g = with_ones(cut.mean(axis=1)).T @ slope
    if sharing == "expand":
        rows, deltas = with_ones(cut.reshape(18, 4)), np.repeat(root / 3, 3, axis=0)
    else:
        rows, deltas = with_ones(cut.mean(axis=1)), root
    natural = Dense(0.05).natural("W", 0, rows, deltas, 6, g)
    found.take()
    assert relative_error(p.flat - found.p.flat, natural.ravel()) < 1e-10


def test_without_damping_a_linear_regression_is_solved_in_one_step():
    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((20, 4)) + 1, rng.standard_normal((20, 1))
    rule = KFAC(1.0, momentum=0.0, damping=0.0, clip=None)
    found = Steps(rule, pb.Linear(1), HSE, x, target)
    found.take()
    right = np.linalg.lstsq(with_ones(x), target)[0].ravel()
    assert relative_error(found.p.flat, right) < 1e-10


@pytest.mark.parametrize("name", CASES)
def test_blocks_hold_their_part_of_the_gradient(name):
    at = problem(name).evidence()
    found = blocks_of(at)
    covered = np.zeros(at.p.flat.shape, int)
    for block, pair in found.blocks:
        left, right = pair.left[:, 0], pair.right[:, 0]
        ones = np.ones((*left.shape[:-1], 1))
        if block.bias >= 0 and block.side == 0:
            left = np.concatenate([left, ones], axis=-1)
        elif block.bias >= 0:
            right = np.concatenate([right, ones], axis=-1)
        whole = np.einsum("nsa,nsb->ab", left, right)
        assert whole.shape == block.sizes
        assert relative_error(block.matrix(at.gradient.flat), whole) < 1e-12
        back = np.zeros_like(at.p.flat)
        block.write(whole, back)
        for place in block.places:
            covered[place] += 1
            assert relative_error(back[place], at.gradient.flat[place]) < 1e-12
        assert type(block).read(block.kept()) == block
    for entry, _ in found.rest:
        covered[entry.start : entry.stop] += 1
    assert (covered == 1).all()


@pytest.mark.parametrize(
    ("name", "blocks", "rest"),
    [
        ("linear", 2, ""),
        ("convolution", 3, ""),
        ("groups", 1, "0.W 0.b"),
        ("normalisation", 2, "1.gamma 1.beta 3.gamma 3.beta"),
        ("embedding", 1, "0.E"),
        ("tied", 1, "0.body.W 0.body.b"),
    ],
)
def test_which_parameters_have_factors(name, blocks, rest):
    found = blocks_of(problem(name).evidence())
    assert len(found.blocks) == blocks
    assert " ".join(entry.name for entry, _ in found.rest) == rest


def test_what_is_in_no_block_has_the_diagonal():
    given = problem("normalisation")
    rule = KFAC(1.0, momentum=0.0, damping=0.01, clip=None)
    found = Steps(rule, given.case.net, CE, given.x, given.target)
    at, before = found.at(0), found.p.copy()
    root = CE.random_root(at.found.y, given.target, generator(SEED, "kfac", step=0))
    each = at.pulled(root)
    found.take()
    for entry, contraction in blocks_of(each).rest:
        place = slice(entry.start, entry.stop)
        diagonal = (contraction.each() ** 2).mean(axis=0).ravel()
        step = at.gradient.flat[place] / (diagonal + 0.01)
        assert relative_error((before.flat - found.p.flat)[place], step) < 1e-10


def test_factors_and_inverses_are_refreshed_in_their_turn():
    given = problem("linear")
    rule = KFAC(0.1, factors_every=2, inverses_every=4)
    steps = Steps(rule, given.case.net, CE, given.x, given.target)
    changed = {"0.left": [], "0.left_inverse": []}
    for step in range(9):
        before = {name: steps.slots[name].copy() for name in changed}
        steps.take()
        for name, turns in changed.items():
            if (steps.slots[name] != before[name]).any():
                turns.append(step)
    assert changed == {"0.left": [0, 2, 4, 6, 8], "0.left_inverse": [0, 4, 8]}


def fit_kfac(out, **changes):
    """Everything that a run can add to it, on half of the digits."""
    rule = KFAC(CosineDecay(0.1), factors_every=2, inverses_every=26)  # an epoch has 23 steps
    net = pb.Chain(
        pb.Flatten(), pb.Linear(16), pb.LayerNorm(), pb.ReLU(), pb.Dropout(0.1), pb.Linear(10)
    )
    settings = {
        "optimizer": chain(L2(1e-3), rule, EMA(0.9)), "loss": CE, "epochs": 3, "batch_size": 64,
        "seed": 5, "accumulate": 2, "out": out, **changes,
    }  # fmt: skip
    return pb.fit(net, digits(), **settings)


def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path):
    def interrupt(event):
        if isinstance(event, EpochEnded) and event.epoch == 1:
            os.kill(os.getpid(), signal.SIGINT)

    whole = fit_kfac(tmp_path / "whole")
    cut = fit_kfac(tmp_path / "cut", callbacks=[interrupt])
    assert cut.stopped == "interrupted"
    resumed = pb.resume(tmp_path / "cut", digits())
    np.testing.assert_array_equal(theta_of(tmp_path / "cut"), theta_of(tmp_path / "whole"))
    assert resumed.history["loss"] == whole.history["loss"]
    assert whole.history["loss"][-1] < 0.5 * whole.history["loss"][0]


def test_in_a_chain_it_takes_the_same_steps():
    given = problem("linear")
    alone, chained = (
        Steps(rule, given.case.net, CE, given.x, given.target)
        for rule in (KFAC(), chain(KFAC(), EMA(0.9)))
    )
    for _ in range(6):
        alone.take(), chained.take()
    np.testing.assert_array_equal(chained.p.flat, alone.p.flat)


def test_a_run_takes_these_steps():
    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((40, 6)), rng.integers(0, 3, 40)
    net, rule = pb.Chain(pb.Linear(5), pb.ReLU(), pb.Linear(3)), KFAC(0.1, factors_every=2)
    run = pb.fit(
        net, pb.data.from_arrays(x, target), loss=CE, optimizer=rule, epochs=3, batch_size=None,
        seed=SEED, dtype="float64", normalize="none",
    )  # fmt: skip
    steps = Steps(rule, net, CE, x, target)
    start, _ = pb.init(net, x, SEED, "float64")
    steps.p.flat[:] = start.flat
    for epoch in range(3):
        rows = order(40, SEED, epoch)
        steps.given = net, CE, x[rows], target[rows]
        steps.take()
    assert relative_error(run.model.theta.flat, steps.p.flat) < 1e-10


def test_the_command_line_takes_it(tmp_path, capsys):
    out = tmp_path / "run"
    line = f"train digits --optimizer kfac --lr 0.1 --epochs 2 --weight-decay 0.01 --out {out}"
    cli.main(line.split(), standalone_mode=False)
    model = pb.load_model(out / "model.safetensors")
    assert model.theta.flat.size


def test_a_walk_shows_the_step_that_is_taken():
    given = problem("linear")
    rule = KFAC(0.1)
    steps = Steps(rule, given.case.net, CE, given.x, given.target)
    before = steps.p.copy()
    walked = pb.walk(
        given.case.net, CE, before, given.x, given.target, optimizer=rule,
        ctx=pb.Context(True, SEED),
    )  # fmt: skip
    steps.take()
    shown = walked.of("update")[0].values[-1]
    assert shown.name == "θ after"
    np.testing.assert_array_equal(shown.array, steps.p["1"]["W"])


def test_refusals():
    given = problem("linear")
    with pytest.raises(pb.errors.ConfigError, match=r"inverses_every=7.*factors_every=5"):
        KFAC(inverses_every=7)
    with pytest.raises(pb.errors.ConfigError, match="sharing='both'"):
        KFAC(sharing="both")
    dead = Steps(KFAC(damping=0.0), pb.Linear(3), CE, np.zeros((5, 2)), given.target)
    with pytest.raises(pb.errors.ConfigError, match="no inverse; give damping"):
        dead.take()
    coupled = pb.Chain(pb.Flatten(), pb.Linear(4), pb.BatchNorm(), pb.Linear(10))
    with pytest.raises(pb.errors.ConfigError, match=r"2 \(BatchNorm\) makes.*whole batch"):
        pb.fit(coupled, digits(), loss=CE, optimizer=KFAC(), epochs=1)
    rootless = Steps(
        KFAC(), pb.Linear(1), pb.losses.AbsoluteError(), given.x[:, 0], given.x[:, 0, :1]
    )
    with pytest.raises(pb.errors.ConfigError, match="AbsoluteError has no random root"):
        rootless.take()
