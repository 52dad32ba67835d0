"""CTC against every path, one by one, against PyTorch's own, and what it refuses."""

from itertools import groupby, pairwise, product

import numpy as np
import pytest
from arrays import relative_error

from pullback.core.errors import ConfigError, ShapeError
from pullback.losses import CTC
from pullback.losses.ctc import frames_needed


def spelled(path):
    return [k for k, _ in groupby(path) if k != 0]


def by_paths(p, labels):
    """Minus the logarithm of what the paths that spell ``labels`` have together."""
    frames, classes = p.shape
    paths = (q for q in product(range(classes), repeat=frames) if spelled(q) == labels)
    total = sum(np.prod([p[t, k] for t, k in enumerate(path)]) for path in paths)
    return -np.log(total)


LABELS = [[], [1], [2, 1], [1, 1], [1, 2, 1], [2, 2, 2], [1, 1, 2]]


@pytest.mark.parametrize("labels", LABELS, ids=str)
@pytest.mark.parametrize("frames", [3, 4, 5, 6])
def test_the_value_is_that_of_all_paths(labels, frames, rng):
    y = rng.standard_normal((1, 7, 3))
    p = CTC().link(y)[0, :frames]
    target = np.array([[frames, *labels, *[-1] * (4 - len(labels))]])
    if frames < len(labels) + sum(a == b for a, b in pairwise(labels)):
        assert not any(spelled(q) == labels for q in product(range(3), repeat=frames))
        assert CTC("zero").forward(y, target)[0] == 0
        return
    values, slope = CTC().forward(y, target)
    assert abs(values[0] - by_paths(p, labels)) < 1e-13
    assert np.all(slope[0, frames:] == 0)
    np.testing.assert_allclose(slope.sum(axis=-1), 0, atol=1e-14)


@pytest.mark.parametrize("seed", range(30))
def test_against_pytorch(seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    n, steps, classes, most = rng.integers((1, 1, 2, 0), (6, 30, 8, 8))
    y = 3 * rng.standard_normal((n, steps, classes))
    target = np.full((n, 1 + most), -1)
    target[:, 0] = rng.integers(1, steps + 1, n)
    for row in target:
        count = rng.integers(0, most + 1)
        row[1 : 1 + count] = rng.integers(1, classes, count)
    at = torch.tensor(y, requires_grad=True)
    lengths = torch.tensor((target[:, 1:] > 0).sum(axis=1))
    labels = torch.tensor(np.maximum(target[:, 1:], 1) if most else np.ones((n, 1), int))
    theirs = torch.nn.functional.ctc_loss(
        torch.log_softmax(at, -1).transpose(0, 1), labels, torch.tensor(target[:, 0]), lengths,
        reduction="none", zero_infinity=True,
    )  # fmt: skip
    g = rng.standard_normal(n)
    theirs.backward(torch.tensor(g))
    loss = CTC("zero")
    values, slope = loss.forward(y, target)
    possible = frames_needed(target[:, 1:]) <= target[:, 0]
    assert relative_error(values, theirs.detach()) < 1e-12
    expected = np.where(possible[:, None, None], at.grad.numpy(), 0)
    assert relative_error(loss.pullback(slope, g), expected) < 1e-10


def test_long_sequences_in_single_precision(rng):
    y, target = (
        rng.standard_normal((2, 800, 5)),
        np.array([[800, 1, 2, 3, 4, 4], [799, 1, 1, 2, -1, -1]]),
    )
    right, found = CTC().forward(y, target), CTC().forward(y.astype(np.float32), target)
    assert relative_error(found[0], right[0]) < 1e-6
    assert relative_error(found[1], right[1]) < 1e-5


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ([[3, 1, 1], [2, 1, 1]], "example 1 has 2 frames, and its labels need 3"),
        ([[0, 1, 1], [3, 1, 1]], "numbers of frames from 0 to 3 .*expected 1..3"),
        ([[4, 1, 1], [3, 1, 1]], "numbers of frames from 3 to 4"),
        ([[3, 0, 1], [3, 1, 1]], "labels other than 1..3"),
        ([[3, 4, 1], [3, 1, 1]], "labels other than 1..3"),
        ([[3, -1, 1], [3, 1, 1]], "after the end that -1 marks"),
        ([[3.0, 1, 1], [3, 1, 1]], "whole numbers, found float64"),
        ([[3, 1, 1]], r"target's shape \(1, 3\) does not fit the output's \(2, 3, 4\)"),
    ],
)
def test_what_is_refused(target, message):
    with pytest.raises(ShapeError, match=message):
        CTC().forward(np.zeros((2, 3, 4)), np.array(target))


def test_another_choice_is_refused():
    with pytest.raises(ConfigError, match="impossible='skip'; expected one of refuse, zero"):
        CTC("skip")


def test_no_examples():
    values, slope = CTC().forward(np.zeros((0, 3, 4)), np.zeros((0, 2), int))
    assert (values.shape, slope.shape) == ((0,), (0, 3, 4))
