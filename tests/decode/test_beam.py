"""Beam search against all sequences, and the order in which it asks."""

from itertools import product

import numpy as np
import pytest

from pullback.core.errors import ConfigError, ShapeError
from pullback.core.stable import log_softmax
from pullback.decode import beam_search

BEGIN, END, CLASSES = 0, 1, 4


def model(seed):
    """Logits that depend on the example and on all tokens before."""

    def logits(example, prefix):
        rng = np.random.default_rng([seed, example, *map(int, prefix)])
        return 2 * rng.standard_normal(CLASSES)

    return logits


def stepper(logits, width):
    def step(prefixes, rows):
        return np.array([logits(i // width, prefix) for i, prefix in enumerate(prefixes)])

    return step


def all_sequences(logits, example, longest, alpha):
    """Every sequence that ends within ``longest`` tokens, or has so many, by its score."""
    found = []
    for length in range(1, longest + 1):
        others = [k for k in range(CLASSES) if k != END]
        for tokens in product(others, repeat=length - 1):
            for last in (END, *(others if length == longest else ())):
                prefix, value = [BEGIN], 0.0
                for token in (*tokens, last):
                    value += log_softmax(np, logits(example, prefix))[token]
                    prefix.append(token)
                score = value / ((5 + length) / 6) ** alpha
                kept = tokens if last == END else (*tokens, last)
                found.append((score, kept, value))
    return sorted(found, key=lambda each: (-each[0], each[1]))


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_beam_that_loses_nothing_finds_the_best(seed, alpha):
    logits, longest, width = model(seed), 4, 100
    found = beam_search(
        stepper(logits, width), 2, begin=BEGIN, end=END, width=width, longest=longest, alpha=alpha
    )
    for example, hypotheses in enumerate(found):
        right = all_sequences(logits, example, longest, alpha)
        for ours, (score, tokens, value) in zip(hypotheses[:10], right, strict=False):
            assert ours.tokens == tokens
            assert ours.score == pytest.approx(score, rel=1e-12)
            assert ours.log_p == pytest.approx(value, rel=1e-12)


def test_width_1_is_greedy():
    for seed in range(5):
        logits, prefix = model(seed), [BEGIN]
        while len(prefix) <= 8:
            order = np.argsort(-logits(0, prefix))
            if order[0] == END:
                break
            prefix.append(int(order[0]))
        (found,) = beam_search(
            stepper(logits, 1), 1, begin=BEGIN, end=END, width=1, longest=8, alpha=0.0
        )
        greedy = sum(
            log_softmax(np, logits(0, prefix[:i]))[token]
            for i, token in enumerate(prefix[1:], start=1)
        )
        ended = log_softmax(np, logits(0, prefix))[END] if len(prefix) <= 8 else 0.0
        # an earlier end may be better than what the greedy way comes to
        assert found[0].log_p >= greedy + ended - 1e-12
        assert list(found[0].tokens) == prefix[1 : 1 + len(found[0].tokens)]


def test_rows_say_what_each_prefix_goes_on_from():
    logits, width, kept = model(1), 3, {}

    def step(prefixes, rows):
        if prefixes.shape[1] > 1:
            before = kept["prefixes"][rows]
            np.testing.assert_array_equal(before, prefixes[:, :-1])
        kept["prefixes"] = prefixes.copy()
        return np.array([logits(i // width, prefix) for i, prefix in enumerate(prefixes)])

    beam_search(step, 4, begin=BEGIN, end=END, width=width, longest=6)
    assert kept["prefixes"].shape[1] > 2


def test_examples_do_not_depend_on_one_another():
    logits, width = model(3), 3
    options = {"begin": BEGIN, "end": END, "width": width, "longest": 7}
    together = beam_search(stepper(logits, width), 3, **options)
    for example in range(3):
        own = lambda _, prefix, example=example: logits(example, prefix)  # noqa: E731
        (alone,) = beam_search(stepper(own, width), 1, **options)
        assert alone == together[example]


def test_long_sequences_are_not_at_a_disadvantage():
    """Two tokens of p = 0.6 against one of p = 0.4: the longer one only with a penalty."""
    table = {1: [0.0, 0.4, 0.6, 0.0], 2: [0.0, 0.6, 0.0, 0.4]}

    def step(prefixes, rows):
        with np.errstate(divide="ignore"):
            return np.log(np.array([table.get(prefixes.shape[1], [0, 1, 0, 0])] * len(prefixes)))

    def best(alpha):
        return beam_search(step, 1, begin=0, end=1, width=2, longest=5, alpha=alpha)[0][0].tokens

    assert best(0.0) == () or best(0.0) == (2,)
    assert np.log(0.4) < np.log(0.36) / (7 / 6) ** 1.0
    assert best(0.0) == ()
    assert best(1.0) == (2,)


def test_the_search_goes_on_while_something_longer_may_be_better():
    """An end at once has p = 0.5, and so have five tokens, which the penalty prefers."""

    def step(prefixes, rows):
        row = {1: [0, 0.5, 0.5, 0], 6: [0, 1, 0, 0]}.get(prefixes.shape[1], [0, 0, 1, 0])
        with np.errstate(divide="ignore"):
            return np.log(np.array([row] * len(prefixes), float))

    found = beam_search(step, 1, begin=0, end=1, width=1, longest=8, alpha=2.0)
    assert found[0][0].tokens == (2,) * 5


def test_what_is_refused():
    step = stepper(model(0), 2)
    for options in ({"width": 0}, {"longest": 0}, {"alpha": -1}):
        with pytest.raises(ConfigError, match=f"{next(iter(options))}="):
            beam_search(step, 1, begin=0, end=1, **options)
    with pytest.raises(ShapeError, match=r"expected logits \(4, tokens\), found \(4,\)"):
        beam_search(lambda prefixes, rows: np.zeros(4), 2, begin=0, end=1, width=2)
