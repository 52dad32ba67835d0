"""Texts that models write: the same with the past kept as without, beyond windows too."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

import pullback as pb
from pullback.core.context import Context
from pullback.core.errors import ConfigError, DataError
from pullback.data.normalize import Affine
from pullback.data.text import Bytes, Characters, Words
from pullback.decode import generate, sample_tokens
from pullback.models import char_transformer, transformer_block

WINDOW = 8
LETTERS = Characters("abcdefg\n", unknown=False)


def nets(symbols):
    rotary = transformer_block(8, 2, causal=True, rotary=True)
    table = pb.Embedding(symbols, 8)
    return {
        "positions": char_transformer(symbols, 2, 2, 8, WINDOW),
        "rotary": pb.Chain(table, rotary, pb.Linear(symbols)),
        "sinusoidal": pb.Chain(
            table, pb.SinusoidalPositions(), pb.Residual(pb.LSTM(8)), pb.Linear(symbols)
        ),
        "recurrent": pb.Chain(table, pb.LSTM(8), pb.LayerNorm(), pb.GRU(5), pb.Linear(symbols)),
    }


def model_of(net, tokenizer=LETTERS, steps=WINDOW):
    p, state = pb.init(net, pb.Spec((steps,)))
    p.flat[:] += 0.5 * np.random.default_rng(1).standard_normal(p.flat.size)
    return pb.Model(
        net=net, theta=p, state=state, loss=pb.losses.CrossEntropy(),
        input=pb.Spec((steps,), "int16"), normalizer=Affine(0.0, 1.0), tokenizer=tokenizer,
    )  # fmt: skip


def text_of(model, prompt, **options):
    return "".join(generate(model, prompt, **options))


@pytest.mark.parametrize("name", nets(1))
@pytest.mark.parametrize("prompt", ["a", "abcdefgabcdefg\nabc"])
def test_the_same_text_with_the_past_as_without(name, prompt):
    model = model_of(nets(LETTERS.size)[name])
    for options in ({}, {"temperature": 0}, {"temperature": 2, "top_k": 5, "top_p": 0.9}):
        for seed in range(2):
            one, other = (
                text_of(model, prompt, length=3 * WINDOW, seed=seed, cache=cache, **options)
                for cache in (True, False)
            )
            assert one == other
            assert len(one) == 3 * WINDOW
    assert text_of(model, prompt, seed=1, length=30) != text_of(model, prompt, seed=2, length=30)


@pytest.mark.parametrize("steps", [1, 4, WINDOW])
@pytest.mark.parametrize("name", ["positions", "recurrent"])
def test_what_is_read_for_each_token(name, steps):
    """A window that is full gives its last half to the next; what has no window reads on."""
    model = model_of(nets(LETTERS.size)[name], steps=steps)
    tokens, first = LETTERS.encode("badge").tolist(), 0
    for step in range(30):
        if name == "positions" and len(tokens) - first > steps:
            first = len(tokens) - max(1, steps // 2)
        y, _ = model.net.forward(model.theta, np.array([tokens[first:]]), Context())
        tokens += sample_tokens(y[:, -1], seed=3, step=step).tolist()
    assert text_of(model, "badge", length=30, seed=3) == LETTERS.decode(tokens[5:])


def test_text_comes_as_it_is_written():
    model = model_of(nets(LETTERS.size)["recurrent"])
    pieces = list(islice(generate(model, "a", length=10**9), 5))
    assert "".join(pieces) == text_of(model, "a", length=5)


def written(tokenizer, tokens, monkeypatch, prompt):
    """The pieces of text that given tokens come as."""
    left = iter(tokens)
    monkeypatch.setattr(
        "pullback.decode.generation.sample_tokens", lambda *_, **__: np.array([next(left)])
    )
    model = model_of(nets(tokenizer.size)["recurrent"], tokenizer)
    return list(generate(model, prompt, length=len(tokens)))


def test_a_character_of_several_bytes_comes_whole(monkeypatch):
    tokens = [*"aé€b".encode(), 0xE2, 0x82]
    assert written(Bytes(), tokens, monkeypatch, "x") == ["a", "é", "€", "b", "�"]


def test_words_come_with_spaces_between(monkeypatch):
    words = Words(("to", "be", "or"), specials=("<end>",))
    pieces = written(words, [1, 4, 2, 0, 4], monkeypatch, "to")
    assert pieces == [" be", " or", " to"]


def test_what_is_refused():
    net = nets(LETTERS.size)["positions"]
    model = model_of(net)
    for options in (
        {"length": 0},
        {"length": 2.5},
        {"temperature": -1},
        {"top_k": 0},
        {"top_p": 2},
    ):
        with pytest.raises(ConfigError, match=f"{next(iter(options))}="):
            generate(model, "a", **options)
    with pytest.raises(ConfigError, match="the prompt is empty"):
        generate(model, "")
    with pytest.raises(DataError, match="the prompt: character 1: 'z' is not one of the 8"):
        generate(model, "az")
    with pytest.raises(ConfigError, match="was not trained on text"):
        generate(replace(model, tokenizer=None), "a")
    for other in (char_transformer(9, 1, 2, 8, WINDOW), pb.Chain(net, pb.GlobalAvgPool())):
        with pytest.raises(ConfigError, match="does not score the next token"):
            generate(model_of(other), "a")
    two_ways = pb.Chain(pb.Embedding(8, 4), pb.Attention(2), pb.Linear(8))
    with pytest.raises(ConfigError, match="Attention needs its sequence as a whole"):
        generate(model_of(two_ways), "a")
