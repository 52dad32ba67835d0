"""What tokens are drawn with, and that draws are a function of their place."""

import numpy as np
import pytest

from pullback.core.errors import ConfigError, ShapeError
from pullback.core.stable import softmax
from pullback.decode import sample_tokens, token_probabilities

LOGITS = np.log(np.array([[0.1, 0.4, 0.2, 0.3]]))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0.1, 0.4, 0.2, 0.3]),
        ({"temperature": 0}, [0, 1, 0, 0]),
        ({"temperature": 0.5}, np.array([0.01, 0.16, 0.04, 0.09]) / 0.3),
        ({"temperature": 1e-9}, [0, 1, 0, 0]),
        ({"top_k": 1}, [0, 1, 0, 0]),
        ({"top_k": 2}, [0, 4 / 7, 0, 3 / 7]),
        ({"top_k": 9}, [0.1, 0.4, 0.2, 0.3]),
        ({"top_p": 0.3}, [0, 1, 0, 0]),
        ({"top_p": 0.5}, [0, 4 / 7, 0, 3 / 7]),
        ({"top_p": 0.75}, [0, 4 / 9, 2 / 9, 3 / 9]),
        ({"top_p": 1.0}, [0.1, 0.4, 0.2, 0.3]),
        ({"top_k": 3, "top_p": 0.5}, [0, 4 / 7, 0, 3 / 7]),
        ({"top_k": 2, "top_p": 0.57}, [0, 1, 0, 0]),
    ],
)
def test_probabilities(options, expected):
    np.testing.assert_allclose(token_probabilities(LOGITS, **options)[0], expected, atol=1e-12)


def test_what_reaches_the_sum_exactly_is_enough():
    p = token_probabilities(np.zeros((1, 4)), top_p=0.5)
    np.testing.assert_array_equal(p, [[0.5, 0.5, 0, 0]])


def by_hand(row, temperature, top_k, top_p):
    p = softmax(np, row / temperature)
    kept, total = [], 0.0
    order = sorted(range(len(p)), key=lambda i: (-p[i], i))[:top_k]
    share = sum(p[i] for i in order)
    for i in order:
        if total >= top_p:
            break
        kept.append(i)
        total += p[i] / share
    q = np.zeros_like(p)
    q[kept] = p[kept] / p[kept].sum()
    return q


def test_against_a_loop(rng):
    logits = 3 * rng.standard_normal((50, 12))
    for temperature, top_k, top_p in ((1.0, 5, 0.8), (0.7, 12, 0.3), (1.6, 3, 0.99)):
        found = token_probabilities(logits, temperature, top_k, top_p)
        for row, p in zip(logits, found, strict=True):
            np.testing.assert_allclose(p, by_hand(row, temperature, top_k, top_p), atol=1e-12)


def test_draws_have_their_probabilities():
    logits = np.repeat(LOGITS, 20_000, axis=0)
    tokens = sample_tokens(logits, seed=0, step=3)
    np.testing.assert_allclose(np.bincount(tokens) / 20_000, np.exp(LOGITS[0]), atol=0.015)
    assert set(sample_tokens(logits, seed=0, step=3, top_k=2)) == {1, 3}
    assert set(sample_tokens(logits, seed=0, step=3, temperature=0)) == {1}


def test_draws_are_a_function_of_seed_step_and_row(rng):
    logits = rng.standard_normal((16, 9))
    whole = sample_tokens(logits, seed=5, step=7)
    for cut in (1, 3, 8):
        parts = [
            sample_tokens(logits[i : i + cut], seed=5, step=7, first=i) for i in range(0, 16, cut)
        ]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert not np.array_equal(sample_tokens(logits, seed=5, step=8), whole)
    assert not np.array_equal(sample_tokens(logits, seed=6, step=7), whole)


def test_masked_tokens_are_never_drawn():
    logits = np.array([[-np.inf, 0.0, -np.inf, 0.0]] * 200)
    assert set(sample_tokens(logits, seed=0, step=0)) == {1, 3}
    assert np.all(np.isfinite(token_probabilities(logits, 0.1, 3, 0.9)))


@pytest.mark.parametrize(
    "options", [{"temperature": -1}, {"top_k": 0}, {"top_k": 1.5}, {"top_p": 0}, {"top_p": 1.1}]
)
def test_what_is_refused(options):
    with pytest.raises(ConfigError, match=f"{next(iter(options))}="):
        token_probabilities(LOGITS, **options)
    with pytest.raises(ShapeError, match=r"expected logits \(N, tokens\)"):
        token_probabilities(LOGITS[0])
