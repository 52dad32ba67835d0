"""CTC decoding against every path, one by one."""

from itertools import groupby, product

import numpy as np
import pytest

from pullback.core.errors import ConfigError, ShapeError
from pullback.core.stable import softmax
from pullback.decode import ctc_beam, ctc_greedy
from pullback.losses import CTC


def spelled(path):
    return tuple(k for k, _ in groupby(path) if k != 0)


def all_labels(p):
    """The probability of all labels that any path spells."""
    found = {}
    for path in product(range(p.shape[1]), repeat=len(p)):
        value = np.prod([p[t, k] for t, k in enumerate(path)])
        found[spelled(path)] = found.get(spelled(path), 0.0) + value
    return found


def test_greedy_is_what_the_best_path_spells(rng):
    y = rng.standard_normal((40, 6, 3))
    frames = rng.integers(0, 7, 40)
    for row, n, found in zip(y, frames, ctc_greedy(y, frames), strict=True):
        assert tuple(found) == spelled(row[:n].argmax(axis=1))
    assert ctc_greedy(y)[0] == list(spelled(y[0].argmax(axis=1)))


@pytest.mark.parametrize("seed", range(8))
def test_a_beam_that_loses_nothing_is_exact(seed):
    rng = np.random.default_rng(seed)
    y = 2 * rng.standard_normal((1, 6, 3))
    right = all_labels(softmax(np, y[0]))
    (found,) = ctc_beam(y, width=1000)
    assert {tuple(labels) for labels, _ in found} == set(right)
    for labels, log_p in found:
        assert log_p == pytest.approx(np.log(right[tuple(labels)]), rel=1e-12)
    values = [log_p for _, log_p in found]
    assert values == sorted(values, reverse=True)
    best, log_p = found[0]
    loss = -CTC().forward(y, np.array([[6, *best]]))[0][0]
    assert log_p == pytest.approx(loss, rel=1e-12)


def test_a_beam_finds_what_the_best_path_misses():
    # two frames of blank .4, a .35, b .25: "a" has .4 * .35 * 2 + .35 ** 2, blanks alone .16
    y = np.log(np.array([[[0.4, 0.35, 0.25]] * 2]))
    assert ctc_greedy(y) == [[]]
    labels, log_p = ctc_beam(y, width=3)[0][0]
    assert labels == [1]
    assert np.exp(log_p) == pytest.approx(2 * 0.4 * 0.35 + 0.35**2)


def test_narrow_beams_are_nearly_as_good(rng):
    y = 3 * rng.standard_normal((20, 12, 4))
    wide, narrow = ctc_beam(y, width=300), ctc_beam(y, width=8)
    assert np.mean([a[0][0] == b[0][0] for a, b in zip(wide, narrow, strict=True)]) > 0.9
    assert all(len(found) == 8 for found in narrow)
    assert all(b[0][1] <= a[0][1] + 1e-12 for a, b in zip(wide, narrow, strict=True))


def test_frames_after_the_end_do_not_count(rng):
    y = rng.standard_normal((3, 8, 4))
    cut = y.copy()
    cut[1, 5:], cut[2, 2:] = np.nan, np.nan
    found = ctc_beam(y, [8, 5, 2])
    assert ctc_beam(cut, [8, 5, 2]) == found
    assert found[1] == ctc_beam(y[1:2, :5])[0]
    assert ctc_greedy(cut, [8, 5, 2])[2] == ctc_greedy(y[2:, :2])[0]
    assert ctc_beam(y, [0, 1, 1])[0] == [([], 0.0)]


def test_what_is_refused():
    y = np.zeros((2, 3, 4))
    with pytest.raises(ConfigError, match="width=0"):
        ctc_beam(y, width=0)
    for frames in ([3], [3, 4]):
        with pytest.raises(ShapeError, match="numbers of frames"):
            ctc_greedy(y, frames)
    with pytest.raises(ShapeError, match=r"expected outputs \(N, frames, classes\)"):
        ctc_beam(y[0])
