"""The cost of a step, against what a network written out by hand does and keeps."""

import numpy as np
import pytest

import pullback as pb
from pullback.core.spec import Spec
from pullback.engine import lower
from pullback.train.cost import step_cost
from pullback.train.summary import summarize

REFERENCE = pb.Chain(
    pb.Flatten(), pb.Linear(128), pb.ReLU(), pb.Linear(64), pb.ReLU(), pb.Linear(10)
)


def test_the_reference_network():
    forward = 784 * 128 + 128 * 64 + 64 * 10
    cost = step_cost(REFERENCE, Spec((28, 28)), 100)
    # forward, gradients of the weights, and cotangents of all but the first layer's input
    assert cost.multiply_adds == 100 * (2 * forward + forward - 784 * 128)
    parameters = 784 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10
    outputs = 784 + 128 + 128 + 64 + 64 + 10
    cotangents = 128 + 128 + 64 + 64  # of the inputs of all maps after the first Linear
    assert cost.bytes == 4 * (2 * parameters + 100 * (784 + outputs + cotangents))


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_cost_grows_with_the_examples(batch_size):
    one, many = (step_cost(REFERENCE, Spec((28, 28)), n) for n in (1, batch_size))
    assert many.multiply_adds == batch_size * one.multiply_adds
    parameters = 2 * 4 * summarize(REFERENCE, Spec((28, 28)), 1).parameters
    assert many.bytes - parameters == batch_size * (one.bytes - parameters)


def test_branches_need_the_cotangent_of_their_input():
    x = Spec((6,), "float64")
    net = pb.Chain(pb.Linear(6, bias=False), pb.Residual(pb.Linear(6, bias=False)))
    cost = step_cost(net, x, 1)
    assert cost.multiply_adds == 36 * (2 + 3)
    assert cost.bytes == 8 * (2 * 72 + 6 + 6 + (6 + 6))
    assert step_cost(pb.Chain(), x, 3).multiply_adds == 0


def test_buffers_of_a_lowered_network_are_within_the_cost():
    cost = step_cost(REFERENCE, Spec((28, 28)), 64)
    parameters = 2 * 4 * summarize(REFERENCE, Spec((28, 28)), 1).parameters
    found = sum(
        value.nbytes
        for m in lower(REFERENCE, Spec((28, 28)), 64).maps
        for value in vars(m).values()
        if isinstance(value, np.ndarray)
    )
    assert 0 < found <= cost.bytes - parameters


def test_a_summary_says_what_a_step_costs():
    text = str(summarize(REFERENCE, Spec((28, 28)), 128))
    cost = step_cost(REFERENCE, Spec((28, 28)), 128)
    assert f"128 examples: {cost.multiply_adds:,} multiply-adds, {cost.bytes:,} bytes" in text
