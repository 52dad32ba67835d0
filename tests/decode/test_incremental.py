"""Piece by piece against one pass over everything: every map, random networks, beam search."""

import numpy as np
import pytest
from arrays import parts, relative_error
from contract_cases import CASES, all_cases, setting
from sequence_networks import random_map

import pullback as pb
from pullback.core.context import Context
from pullback.core.errors import ConfigError, ShapeError
from pullback.decode import Incremental, beam_search
from pullback.models import char_transformer, transformer_block, translator

WHOLE = {
    "AdaptiveAvgPool2d", "AvgPool2d", "CenterSteps", "Channels", "Conv1d", "Conv2d",
    "ConvTranspose2d", "Each", "EncoderDecoder", "Flatten", "GlobalAvgPool", "GlobalMaxPool",
    "GroupNorm", "LastStep", "LogMel", "MaxPool2d", "Pad", "Padded", "RandomAffine", "RandomCrop",
    "RandomErasing", "RandomFlip", "RandomShift", "Reshape", "SideBySide", "Trim", "Upsample",
}  # fmt: skip
"""The maps that need a sequence as a whole, or are not of sequences."""
BOUNDS = {"float32": 1e-5, "float64": 1e-12}


def names_in(net) -> set[str]:
    return {type(net).__name__}.union(*map(names_in, net.children().values()))


def test_every_map_goes_on_from_a_step_or_is_named_as_unable():
    able = {name for name, cases in CASES.items() if any(case.net.stepwise for case in cases)}
    assert set(CASES) - able == WHOLE


@pytest.mark.parametrize("case", all_cases(*WHOLE).values())
def test_what_cannot_go_on_is_refused_by_name(case):
    if not case.net.stepwise:  # some of their cases are other maps without them
        with pytest.raises(ConfigError, match="needs its sequence as a whole") as refused:
            Incremental(case.net, {})
        assert str(refused.value).split()[0] in names_in(case.net)


def has_steps(case) -> bool:
    """Whether an example of the input and one of the output are as many steps."""
    first, found = case.spec(), case.net.spec(case.spec())
    first = first[0] if isinstance(first, tuple) else first
    return len(found.shape) > 1 and found.shape[:1] == first.shape[:1]


ABLE = {k: case for k, case in all_cases().items() if case.net.stepwise and has_steps(case)}


@pytest.mark.parametrize("case", ABLE.values(), ids=ABLE.keys())
@pytest.mark.parametrize("dtype", BOUNDS)
def test_every_map_piece_by_piece(case, dtype):
    s = setting(case, dtype)
    right, _ = s.net.forward(s.p, s.x, s.ctx._replace(train=False))
    x, *memory = parts(s.x)
    net = Incremental(s.net, s.p, s.ctx.state, *memory)
    steps = x.shape[1]
    for cuts in ([k] for k in range(1, steps)), [range(1, steps)]:
        for places in cuts:
            net.restart()
            found = [net.step(piece) for piece in np.split(x, places, axis=1)]
            assert relative_error(np.concatenate(found, axis=1), right) < BOUNDS[dtype]
            assert net.done == steps


def test_both_attentions_are_among_them_with_all_that_keeps():
    kept = {"Attention", "CrossAttention", "RNN", "LSTM", "GRU", "Positions", "Residual"}
    assert kept <= {name.partition("-")[0] for name in ABLE}


def started(net, x, seed=0):
    """Parameters away from where they start, so that outputs differ much."""
    p, _ = pb.init(net, x, seed, "float64")
    p.flat[:] += 0.3 * np.random.default_rng(seed).standard_normal(p.flat.size)
    return p


def test_random_networks_piece_by_piece(rng):
    compared = 0
    for seed in range(400):
        drawn = np.random.default_rng(seed)
        net = pb.Chain(*(random_map(drawn, 2) for _ in range(2)))
        if not net.stepwise:
            continue
        x = drawn.standard_normal((2, 6, 4))
        p = started(net, x, seed)
        right, _ = net.forward(p, x, Context())
        incremental = Incremental(net, p)
        places = np.flatnonzero(drawn.integers(0, 2, 5)) + 1
        found = [incremental.step(piece) for piece in np.split(x, places, axis=1)]
        assert relative_error(np.concatenate(found, axis=1), right) < 1e-12
        compared += 1
    assert compared > 40


def networks():
    recurrent = pb.Chain(
        pb.Embedding(6, 4), pb.LSTM(5), pb.LayerNorm(), pb.GRU(4), pb.RNN(4), pb.Linear(6)
    )
    rotary = pb.Chain(
        pb.Embedding(6, 8),
        *(transformer_block(8, 2, causal=True, rotary=True, norm="rms", activation="swiglu"),) * 2,
        pb.Linear(6),
    )
    return {"positions": char_transformer(6, 2, 2, 8, 12), "rotary": rotary, "recurrent": recurrent}


def same_hypotheses(found, right):
    for ours, theirs in zip(found, right, strict=True):
        assert [each.tokens for each in ours] == [each.tokens for each in theirs]
        np.testing.assert_allclose(
            [each.log_p for each in ours], [each.log_p for each in theirs], rtol=1e-9
        )


SEARCH = {"begin": 0, "end": 1, "width": 3, "longest": 11}


@pytest.mark.parametrize("name", networks())
def test_beam_search_with_the_past_is_that_without(name):
    net = networks()[name]
    p = started(net, np.zeros((1, 12)))

    def whole(prefixes, rows):
        return net.forward(p, prefixes, Context())[0][:, -1]

    step = Incremental(net, p)
    right = beam_search(whole, 2, **SEARCH)
    assert len({each.tokens for each in right[0]}) == 3
    same_hypotheses(beam_search(step, 2, **SEARCH), right)
    same_hypotheses(beam_search(step, 2, **SEARCH), right)  # another search begins anew


def test_a_decoder_keeps_what_it_sees_of_its_memory(rng):
    """Sources of different lengths: beams stay with theirs."""
    net = translator(7, 6, 2, 2, 8).body
    sources, width = rng.integers(0, 7, (3, 5)).astype(float), SEARCH["width"]
    lengths = np.array([5, 2, 3])
    p = started(net, (sources, sources))
    memory, _ = net.encoder.forward(p["encoder"], sources, Context(lengths=lengths))
    memory, lengths = np.repeat(memory, width, axis=0), np.repeat(lengths, width)

    def whole(prefixes, rows):
        own = np.full(len(prefixes), prefixes.shape[1])
        given = (prefixes.astype(float), memory)
        return net.decoder.forward(p["decoder"], given, Context(lengths=(own, lengths)))[0][:, -1]

    step = Incremental(net.decoder, p["decoder"], memory=memory, lengths=lengths)
    right = beam_search(whole, 3, **SEARCH)
    assert len({tuple(each) for each in right}) == 3
    same_hypotheses(beam_search(step, 3, **SEARCH), right)


@pytest.mark.parametrize("name", ["recurrent", "decoder"])
def test_rows_may_change_their_place_and_come_twice(name, rng):
    rows = np.array([2, 0, 2])
    if name == "decoder":
        net = translator(7, 6, 1, 2, 8).body.decoder
        memory, lengths = rng.standard_normal((3, 4, 8)), np.array([4, 1, 2])
    else:
        net, memory, lengths = networks()[name], None, None
    x = rng.integers(0, 6, (3, 4)).astype(float)
    p = started(net, x if memory is None else (x, memory))
    incremental = Incremental(net, p, memory=memory, lengths=lengths)
    incremental.step(x[:, :3])
    incremental.reorder(rows)
    found = incremental.step(x[rows, 3:])
    for place, row in enumerate(rows):
        own = [None if a is None else a[row : row + 1] for a in (memory, lengths)]
        alone = Incremental(net, p, memory=own[0], lengths=own[1])
        assert relative_error(found[place], alone.step(x[row : row + 1])[0, 3:]) < 1e-12
    incremental.restart()
    again = Incremental(net, p, memory=memory, lengths=lengths)
    assert relative_error(incremental.step(x), again.step(x)) < 1e-12


def test_positions_end_where_their_table_does():
    net = pb.Positions(4)
    incremental = Incremental(net, started(net, np.zeros((1, 4, 2))))
    incremental.step(np.zeros((1, 3, 2)))
    with pytest.raises(ShapeError, match="a sequence of 5 steps, expected at most count=4"):
        incremental.step(np.zeros((1, 2, 2)))


def test_noise_and_batches_are_as_after_training(rng):
    net = pb.Chain(pb.Dropout(0.5), pb.BatchNorm())
    x = rng.standard_normal((2, 3, 4))
    p, state = pb.init(net, x, dtype="float64")
    np.testing.assert_allclose(Incremental(net, p, state).step(x), x, rtol=1e-4)
