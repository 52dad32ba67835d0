"""``check_map`` and ``check_loss``: the right passes, a mistake is named with its tensor."""

from dataclasses import dataclass

import numpy as np
import pytest
from contract_cases import CASES, all_cases
from loss_cases import LOSS_CASES, all_loss_cases

import pullback as pb
from pullback.check import GradientError, check_loss, check_map
from pullback.core.errors import ConfigError, ShapeError

FOUND = all_cases()
LOSSES = all_loss_cases()


SEEDS = 5
INPUTS = 12


def test_every_rule_gets_enough_inputs():
    assert set(CASES) == set(pb.MAPS)
    assert all(len(cases) * SEEDS >= INPUTS for cases in (*CASES.values(), *LOSS_CASES.values()))


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("case", FOUND.values(), ids=FOUND)
def test_every_case_of_every_map_passes(case, seed):
    batch = max(2, case.batch) if case.train else case.batch
    x = case.drawn(np.random.default_rng(seed)) if case.draw else case.spec()
    report = check_map(case.net, x, batch=batch, train=case.train, seed=seed).raise_for_failure()
    found = [f for f in report if f.check in ("pullback", "gradient", "pushforward")]
    assert {f.method for f in found} == {"complex step"}
    assert len(found) >= 2
    assert max(f.error for f in found) < 1e-12


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("case", LOSSES.values(), ids=LOSSES)
def test_every_case_of_every_loss_passes(case, seed):
    report = check_loss(case.loss, *case.arrays(seed)).raise_for_failure()
    assert report.findings[0].method == "complex step"


class User(pb.Map):
    """A linear map ``y = x W + b`` as a user might write it; the mistakes are below."""

    def spec(self, x):
        return pb.Spec((3,), x.dtype)

    def params(self, x):
        return {"W": pb.Param((x.shape[-1], 3)), "b": pb.Param((3,))}

    def forward(self, p, x, ctx):
        return x @ p["W"] + p["b"], x

    def pullback(self, p, res, gy):
        return gy @ p["W"].T, gy

    def grads(self, p, res, delta):
        return {"W": pb.C("no,ni->io", delta=delta, x=res), "b": pb.C("no->o", delta=delta)}

    def pushforward(self, p, res, dp, dx):
        return dx @ p["W"] + res @ dp["W"] + dp["b"]


@dataclass(frozen=True)
class Right(User):
    pass


class WrongSign(User):
    def pullback(self, p, res, gy):
        return -(gy @ p["W"].T), gy


class BatchMean(User):
    def pullback(self, p, res, gy):
        return gy @ p["W"].T, gy / len(gy)


class BatchSum(User):
    def pullback(self, p, res, gy):
        return np.broadcast_to(gy.sum(axis=0) @ p["W"].T, res.shape), gy


class DeltaSummed(User):
    def pullback(self, p, res, gy):
        return gy @ p["W"].T, np.broadcast_to(gy.sum(axis=0), gy.shape)


class CachedResidual(User):
    kept = None

    def forward(self, p, x, ctx):
        type(self).kept = x
        return x @ p["W"] + p["b"], ()

    def grads(self, p, res, delta):
        return super().grads(p, self.kept, delta)

    def pushforward(self, p, res, dp, dx):
        return super().pushforward(p, self.kept, dp, dx)


class MutatedCotangent(User):
    def pullback(self, p, res, gy):
        gx = gy @ p["W"].T
        gy *= 0.5
        return gx, 2 * gy


class MissingParameter(User):
    def grads(self, p, res, delta):
        return {"W": pb.C("no,ni->io", delta=delta, x=res)}


class Transposed(User):
    def grads(self, p, res, delta):
        return {"W": pb.C("no,ni->oi", delta=delta, x=res), "b": pb.C("no->o", delta=delta)}


class DroppedTerm(User):
    def pushforward(self, p, res, dp, dx):
        return dx @ p["W"] + dp["b"]


class ChangedInput(User):
    def forward(self, p, x, ctx):
        x += 1
        return x @ p["W"] + p["b"], x.copy()


class WrongShape(User):
    def spec(self, x):
        return pb.Spec((3, 1), x.dtype)


class WrongDtype(User):
    def forward(self, p, x, ctx):
        return (x @ p["W"] + p["b"]).astype(np.float64), x


class ViewOfParameters(User):
    def params(self, x):
        return {"W": pb.Param((2, 3))}

    def forward(self, p, x, ctx):
        return p["W"], x


class Unpicklable(User):
    def forward(self, p, x, ctx):
        return x @ p["W"] + p["b"], {"x": x, "later": lambda: 0}

    def grads(self, p, res, delta):
        return super().grads(p, res["x"], delta)

    def pushforward(self, p, res, dp, dx):
        return super().pushforward(p, res["x"], dp, dx)


MISTAKES = {
    "sign": (WrongSign(), "x", "its sign is wrong"),
    "batch sum": (BatchSum(), "x", "every example gets the sum of all"),
    "cached residual": (CachedResidual(), "residual", "kept outside the residual"),
    "mutated cotangent": (MutatedCotangent(), "gy", "pullback changes it"),
    "missing parameter": (MissingParameter(), "b", "declares no gradient for this parameter"),
    "batch mean": (BatchMean(), "W", "divided by the 3 examples"),
    "delta summed": (DeltaSummed(), "W", "every example gets the sum of all"),
    "transposed": (Transposed(), "W", "it is transposed"),
    "changed input": (ChangedInput(), "x", "forward changes it"),
    "wrong shape": (WrongShape(), "y", "expected shape (3, 3, 1)"),
    "wrong dtype": (WrongDtype(), "y", "dtype float32"),
    "unpicklable": (Unpicklable(), "residual", "cannot be pickled"),
}


def test_the_users_map_is_right_without_a_mistake():
    report = check_map(Right(), pb.Spec((3,))).raise_for_failure()
    assert {f.tensor for f in report} >= {"x", "y", "gy", "W", "b", "residual"}
    text = str(report)
    assert "complex step" in text
    assert "adjoint identity" in text
    assert text.endswith("checks passed")


@pytest.mark.parametrize(("net", "tensor", "kind"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_tensor(net, tensor, kind):
    report = check_map(net, pb.Spec((3,)))
    assert not report.passed
    named = [f for f in report.failures if f.tensor == tensor and kind in f.note]
    assert named, str(report)
    assert "FAIL" in str(report)
    with pytest.raises(GradientError, match="expected at most"):
        report.raise_for_failure()


def test_mistakes_that_leave_other_tensors_alone_do_not_blame_them():
    for net, right in ((WrongSign(), {"W", "b"}), (BatchMean(), {"x"}), (Transposed(), {"x", "b"})):
        blamed = {f.tensor for f in check_map(net, pb.Spec((3,))).failures}
        assert not blamed & right, (net, blamed)


def test_a_dropped_term_is_placed():
    report = check_map(DroppedTerm(), pb.Spec((3,)))
    (failure,) = [f for f in report.failures if f.check == "pushforward"]
    assert failure.tensor == "W"
    assert failure.note == "it is zero everywhere"


def test_a_reference_is_compared():
    right = check_map(Right(), pb.Spec((3,)), reference=lambda p, x: x @ p["W"] + p["b"])
    assert right.findings[0].check == "forward"
    assert right.passed
    wrong = check_map(Right(), pb.Spec((3,)), reference=lambda p, x: x @ p["W"])
    assert [f.tensor for f in wrong.failures] == ["y"]


def test_code_without_complex_numbers_is_checked_by_differences():
    def cosine(x):
        return np.array([np.cos(float(v)) for v in x.reshape(-1)], x.dtype).reshape(x.shape), x

    net = pb.lift(cosine, lambda x, gy: -np.sin(x) * gy, name="Cosine")
    report = check_map(net, pb.Spec((4,)))
    assert report.passed
    assert {f.method for f in report if f.check == "pullback"} == {"5-point differences"}
    (unchecked,) = [f for f in report if f.error is None]
    assert unchecked.note == "the map has no pushforward"
    wrong = pb.lift(cosine, lambda x, gy: -np.sin(1.001 * x) * gy, name="Cosine")
    assert not check_map(wrong, pb.Spec((4,))).passed


def test_code_that_drops_the_imaginary_part_is_seen_through():
    """``np.array(..., float64)`` by a route that raises nothing would give a derivative of 0."""
    net = pb.lift(
        lambda x: (np.abs(np.asarray(x).view(np.ndarray)) * x, x),
        lambda x, gy: 2 * np.abs(x) * gy,
        name="Square",
    )
    report = check_map(net, pb.Spec((4,)))
    assert report.passed, str(report)
    assert {f.method for f in report if f.check == "pullback"} == {"5-point differences"}


def test_several_inputs_have_names():
    net = pb.lift(
        lambda x: (x[0] * x[1], x),
        lambda x, gy: (gy * x[1], -gy * x[0]),
        pushforward=lambda x, dx: dx[0] * x[1] + x[0] * dx[1],
        name="Product",
    )
    failures = check_map(net, (pb.Spec((2,)), pb.Spec((2,)))).failures
    assert {f.tensor for f in failures if f.check == "pullback"} == {"x[1]"}


def test_a_map_that_fails_is_reported_and_not_raised():
    class Broken(User):
        def pullback(self, p, res, gy):
            raise KeyError("W2")

    report = check_map(Broken(), pb.Spec((3,)))
    assert not report.passed
    assert any("KeyError: 'W2'" in f.note for f in report.failures)


def test_what_cannot_be_checked_is_an_error():
    with pytest.raises(ShapeError):
        check_map(pb.Linear(2), pb.Spec(()))
    with pytest.raises(ConfigError, match="smaller input"):
        check_map(pb.Linear(1000), pb.Spec((1000,)))


class WrongLoss(pb.losses.Loss):
    def __init__(self, factor):
        self.factor = factor

    def forward(self, y, target):
        error = y - target
        return (error**2).sum(axis=1), self.factor * error


@pytest.mark.parametrize(
    ("factor", "note"), [(2, ""), (-2, "sign"), (1, "0.5 times"), (0, "zero everywhere")]
)
def test_a_loss_of_ones_own(factor, note, rng):
    y, target = rng.standard_normal((2, 4, 3))
    report = check_loss(WrongLoss(factor), y, target)
    assert report.passed == (not note)
    assert all(note in f.note for f in report.failures)
