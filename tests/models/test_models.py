"""The networks and blocks: shapes, sizes, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

import pullback as pb
from pullback.check import check_map
from pullback.core.errors import ConfigError
from pullback.core.spec import Spec
from pullback.core.theta import Layout
from pullback.models import (
    depthwise_separable,
    lenet,
    mlp,
    residual_block,
    resnet,
    small_cnn,
    squeeze_excite,
)

IMAGES = {"grey": Spec((28, 28)), "with a channel": Spec((28, 28, 1)), "colour": Spec((32, 32, 3))}


@pytest.mark.parametrize("spec", IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize("make", [lenet, small_cnn, resnet])
def test_one_output_for_each_class(make, spec):
    assert make(outputs=7).spec(spec).shape == (7,)


def parameters(net, spec) -> int:
    return Layout.of(net.params(spec)).size


def test_the_numbers_of_parameters_are_those_of_the_papers():
    # LeCun and others (1998), table in section II.B, with all maps of the second layer connected:
    # 156 + 2,416 + 48,120 + 10,164 + 850
    assert parameters(lenet(), Spec((32, 32))) != 61_706  # "same" pads 28 to 32, so it is 28 here
    assert parameters(lenet(), Spec((28, 28))) == 61_706
    # He and others (2016), table 6: 0.27 and 0.85 million for 32 x 32 colour images
    assert round(parameters(resnet(20), Spec((32, 32, 3))) / 1e6, 2) == 0.27
    assert round(parameters(resnet(56), Spec((32, 32, 3))) / 1e6, 2) == 0.86  # with projections


def test_a_residual_network_ends_at_a_quarter_of_the_size():
    net = resnet(8, 4)
    inputs = net.inputs(Spec((28, 28)))
    last = list(net.children())[-2]  # the mean over the positions
    assert inputs[last].shape == (7, 7, 16)


@pytest.mark.parametrize(
    ("block", "shape", "out"),
    [
        (residual_block(3), (5, 4, 3), (5, 4, 3)),
        (residual_block(4, 2, project=True), (5, 4, 3), (3, 2, 4)),
        (depthwise_separable(3, 4, 2), (5, 4, 3), (3, 2, 4)),
        (squeeze_excite(4, 2), (3, 2, 4), (3, 2, 4)),
    ],
)
def test_blocks(block, shape, out):
    assert block.spec(Spec(shape)).shape == out
    x = np.random.default_rng(0).standard_normal((4, *shape))
    assert check_map(block, x).passed


@pytest.mark.parametrize(
    "make", [lambda: resnet(19), lambda: resnet(2), lambda: squeeze_excite(4, 5)]
)
def test_what_cannot_be_built(make):
    with pytest.raises(ConfigError):
        make()


def test_a_perceptron():
    net = mlp([5, 4], 3, activation=pb.Tanh(), dropout=0.2)
    kinds = [type(m).__name__ for m in net.maps]
    hidden = ["Linear", "Tanh", "Dropout"]
    assert kinds == ["Flatten", *hidden, *hidden, "Linear"]


def test_a_small_network_learns_the_bundled_digits():
    data = pb.data.load("digits")
    run = pb.fit(
        small_cnn(dropout=0.2), data.train, loss=pb.losses.CrossEntropy(),
        optimizer=pb.optim.Adam(0.003), epochs=3, batch_size=64, validation=0.2, seed=1,
    )  # fmt: skip
    assert run.history["val_accuracy"][-1] > 0.95
