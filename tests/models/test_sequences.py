"""Networks of sequences: sizes, shapes, lengths, and that they learn."""

from __future__ import annotations

import numpy as np
import pytest

import pullback as pb
from pullback.check import check_map
from pullback.core.errors import ConfigError
from pullback.core.spec import Spec
from pullback.core.theta import Layout
from pullback.losses import CrossEntropy
from pullback.models import char_transformer, lstm_classifier, transformer_block, translator


def parameters(net, spec) -> int:
    return Layout.of(net.params(spec)).size


def test_the_smallest_network_of_nano_gpt():
    """It counts 0.80 million, without the positions; its norms have no shift, ours have one."""
    found = parameters(char_transformer(65), Spec((64,)))
    weights = 4 * 12 * 128**2 + 65 * 128 + 64 * 128
    assert found == weights + 9 * 2 * 128
    assert round((found - 64 * 128 - 9 * 128) / 1e6, 2) == 0.80


def test_input_and_output_have_one_table():
    layout = Layout.of(char_transformer(7, 1, 1, 4, 3).params(Spec((3,))))
    assert [entry.name for entry in layout.entries if entry.alias] == ["4.E"]
    layout = Layout.of(translator(7, 6, 1, 1, 4).params((Spec((3,)), Spec((2,)))))
    aliases = [entry.name for entry in layout.entries if entry.alias]
    assert aliases == ["body.decoder.4.E"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"causal": True, "activation": "swiglu", "norm": "rms", "bias": False, "hidden": 3},
        {"rotary": True, "dropout": 0.3},
        {"activation": "swiglu", "hidden": 2},
    ],
)
def test_blocks(options):
    block = transformer_block(4, 2, **options)
    assert block.spec(Spec((3, 4))).shape == (3, 4)
    check_map(block, Spec((3, 4)), batch=2).raise_for_failure()


def test_a_block_with_a_memory():
    block = transformer_block(4, 2, 3, memory=True, causal=True)
    pair = Spec((3, 4)), Spec((2, 2))
    assert block.spec(pair).shape == (3, 4)
    check_map(block, pair, batch=2).raise_for_failure()


def test_swiglu_has_as_many_numbers():
    gelu, swiglu = (transformer_block(96, 2, activation=name) for name in ("gelu", "swiglu"))
    spec = Spec((3, 96))
    assert abs(parameters(swiglu, spec) / parameters(gelu, spec) - 1) < 0.01


def forward(net, x, seed=0):
    p, _ = pb.init(net, x if isinstance(x, tuple) else Spec(x.shape[1:]), seed, "float64")
    return net.forward(p, x, pb.Context())[0]


def test_no_step_sees_a_later_one():
    x = np.random.default_rng(0).integers(0, 7, (2, 6))
    other = x.copy()
    other[:, 4:] = (other[:, 4:] + 1) % 7
    net = char_transformer(7, 2, 2, 8, 6)
    one, two = forward(net, x), forward(net, other)
    np.testing.assert_array_equal(one[:, :4], two[:, :4])
    assert np.abs(one[:, 4:] - two[:, 4:]).min() > 0


def test_more_padding_changes_nothing(rng):
    """Of the source or of the target; and the output is as long as the target."""
    source, target = rng.integers(0, 7, (3, 5)), rng.integers(0, 6, (3, 4))
    source[0, 3:] = target[1, 2:] = -1
    net = translator(7, 6, 2, 2, 8)
    y = forward(net, (source, target))
    wider = (np.pad(a, ((0, 0), (0, 3)), constant_values=-1) for a in (source, target))
    padded = forward(net, tuple(wider))
    assert padded.shape == (3, 7, 6)
    np.testing.assert_allclose(padded[:, :4], y, rtol=1e-12, atol=1e-14)
    assert not padded[:, 4:].any()
    assert not padded[1, 2:].any()
    classifier = lstm_classifier(3, 4, 2, symbols=7, width=3, both_ways=True)
    more = np.pad(source, ((0, 0), (0, 2)), constant_values=-1)
    np.testing.assert_allclose(forward(classifier, more), forward(classifier, source), rtol=1e-13)


def test_a_small_translator_and_a_classifier_pass_the_contract(rng):
    pair = rng.integers(0, 4, (2, 3)), rng.integers(0, 3, (2, 2))
    pair[0][1, 2:] = -1
    check_map(translator(4, 3, 1, 1, 2, 2), pair).raise_for_failure()
    check_map(lstm_classifier(2, 2, 2, dropout=0.2), Spec((3, 2))).raise_for_failure()


@pytest.mark.parametrize(
    "make",
    [
        lambda: transformer_block(4, 2, activation="relu"),
        lambda: transformer_block(4, 2, norm="batch"),
        lambda: lstm_classifier(2, layers=0),
    ],
)
def test_what_cannot_be_built(make):
    with pytest.raises(ConfigError):
        make()


def test_a_classifier_learns_from_ids_of_different_lengths(rng):
    """Whether there are more ones than twos; the rest is padding."""
    x = rng.integers(0, 3, (600, 8))
    for row in x:
        row[rng.integers(3, 9) :] = -1
    y = (np.sum(x == 1, axis=1) > np.sum(x == 2, axis=1)).astype(int)
    data = pb.data.Dataset(x, y, classes=("no", "yes"))
    run = pb.fit(
        lstm_classifier(2, 16, symbols=3, width=8), data, loss=CrossEntropy(),
        optimizer=pb.optim.Adam(0.02), normalize="none", epochs=8, batch_size=50, validation=0.2,
        seed=1,
    )  # fmt: skip
    assert run.history["val_accuracy"][-1] > 0.93


def test_a_character_model_learns_to_count(rng):
    """The next symbol is the last one plus one."""
    text = (rng.integers(0, 6, (640, 1)) + np.arange(9)) % 6
    data = pb.data.Dataset(text[:, :-1], text[:, 1:])
    run = pb.fit(
        char_transformer(6, 1, 2, 16, 8), data, loss=CrossEntropy(), optimizer=pb.optim.Adam(0.01),
        normalize="none", metrics=(), epochs=8, batch_size=64, validation=0.2, seed=1,
    )  # fmt: skip
    assert run.history["val_loss"][-1] < 0.05
