"""The receipt of a network, and the audit of a run: right gradients pass, wrong ones are named."""

from __future__ import annotations

from dataclasses import dataclass
from unittest import mock

import numpy as np
import pytest
from runs import digits, fit_tiny, tiny_net

import pullback as pb
from pullback.check import GradientError
from pullback.core.context import Context
from pullback.engine import activations
from pullback.train.events import Audited
from pullback.train.receipt import gradient_receipt


@dataclass(frozen=True)
class Doubled(pb.Map):
    """``y = x * g``, with a chosen factor in the gradient of ``g`` and in ``gx``."""

    gradient: float = 1.0
    input: float = 1.0

    def spec(self, x):
        return x

    def params(self, x):
        return {"g": pb.Param(x.shape, pb.initializers.Constant(1.5))}

    def forward(self, p, x, ctx):
        return p["g"] * x, x

    def pullback(self, p, res, gy):
        return self.input * p["g"] * gy, self.gradient * gy

    def grads(self, p, res, delta):
        return {"g": pb.C("nc,nc->c", delta=delta, x=res)}


def point(net, count=6):
    data = digits().train
    x, y = data.x[:count] / 16, data.y[:count]
    p, state = pb.init(net, x, dtype="float32")
    return p, x, y, Context(True, 0, 3, state=state)


LOSSES = {
    "cross-entropy": (pb.losses.CrossEntropy(label_smoothing=0.1), lambda y: y),
    "squared": (pb.losses.HalfSquaredError(), lambda y: np.eye(10)[y]),
    "absolute": (pb.losses.AbsoluteError(), lambda y: np.eye(10)[y]),
    "binary": (pb.losses.BinaryCrossEntropy(), lambda y: np.eye(10)[y]),
}


@pytest.mark.parametrize(("loss", "target"), LOSSES.values(), ids=LOSSES)
def test_every_tensor_of_a_right_network_passes(loss, target):
    p, x, y, ctx = point(tiny_net())
    report = gradient_receipt(tiny_net(), loss, p, x, target(y), ctx=ctx).raise_for_failure()
    names = [entry.name for entry in p.layout.entries]
    assert [f.tensor for f in report] == [*names, "x"]
    assert {f.method for f in report} == {"complex step"}
    assert max(f.error for f in report) < 1e-10
    _, gradient = pb.value_and_grad(tiny_net(), loss)(p, x, target(y), ctx)
    assert report.findings[0].norm == pytest.approx(np.linalg.norm(gradient["1"]["W"]), rel=1e-5)


def test_weights_and_shared_parameters_count():
    tied = pb.Shared("t", pb.Linear(64))
    net = pb.Chain(pb.Flatten(), tied, pb.Tanh(), tied, pb.Linear(10))
    p, x, y, ctx = point(net)
    weight = np.arange(1.0, 7.0)
    report = gradient_receipt(net, pb.losses.CrossEntropy(), p, x, y, ctx=ctx, weight=weight)
    report.raise_for_failure()
    assert [f.tensor for f in report] == ["1.body.W", "1.body.b", "4.W", "4.b", "x"]


@pytest.mark.parametrize(
    ("wrong", "tensor", "note"),
    [
        (Doubled(gradient=-1.0), "1.g", "sign"),
        (Doubled(gradient=1 / 6), "1.g", "divided by the 6 examples"),
        (Doubled(gradient=1 + 1e-7), "1.g", ""),
        (Doubled(input=2.0), "x", "2 times"),
        (Doubled(input=0.0), "x", "zero everywhere"),
    ],
)
def test_a_wrong_tensor_is_named(wrong, tensor, note):
    net = pb.Chain(pb.Flatten(), wrong, pb.Linear(10))
    p, x, y, ctx = point(net)
    report = gradient_receipt(net, pb.losses.CrossEntropy(), p, x, y, ctx=ctx)
    (failure,) = report.failures
    assert failure.tensor == tensor
    assert note in failure.note
    with pytest.raises(GradientError, match=tensor):
        report.raise_for_failure()


def test_code_without_complex_numbers_is_checked_by_differences():
    def real_only(x):
        return np.array([np.sin(float(v)) for v in x.reshape(-1)]).reshape(x.shape), x

    net = pb.Chain(pb.Flatten(), pb.lift(real_only, lambda x, gy: np.cos(x) * gy), pb.Linear(10))
    p, x, y, ctx = point(net)
    report = gradient_receipt(net, pb.losses.CrossEntropy(), p, x, y, ctx=ctx)
    report.raise_for_failure()
    assert {f.method for f in report} == {"5-point differences"}


def audited(**changes):
    events = []
    run = fit_tiny(
        audit=7, callbacks=[lambda e: isinstance(e, Audited) and events.append(e)], **changes
    )
    return run, events


def test_an_audit_passes_and_changes_nothing():
    run, events = audited()
    assert [event.step for event in events] == list(range(7, 4 * 18 + 1, 7))
    assert 0 < max(event.error for event in events) < 1e-9
    np.testing.assert_array_equal(run.model.theta.flat, fit_tiny().model.theta.flat)
    _, events = audited(dtype="float64", accumulate=2)
    assert len(events) == 10


def test_an_audit_stops_a_run_whose_gradient_is_wrong():
    net = pb.Chain(pb.Flatten(), Doubled(gradient=1.01), pb.Linear(10))
    with pytest.raises(GradientError, match=r"step 7: .* 'pullback check'") as caught:
        audited(net=net)
    assert caught.value.exit_code == 4


def test_an_audit_sees_a_kernel_that_is_not_its_reference():
    def wrong(self, p, res, gy):
        gx = self._gx[: gy.shape[0]]
        np.multiply(1 - res, gy, out=gx)
        return gx, None

    net = pb.Chain(pb.Flatten(), pb.Linear(8), pb.Tanh(), pb.Linear(10))
    with (
        mock.patch.object(activations.LoweredActivation, "pullback", wrong),
        pytest.raises(GradientError, match="reference form"),
    ):
        audited(net=net)
