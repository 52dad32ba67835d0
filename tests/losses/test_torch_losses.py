"""Losses against PyTorch: its own functions and autograd, and our code on its tensors."""

from collections.abc import Callable

import numpy as np
import pytest
from arrays import relative_error
from loss_cases import LOSS_CASES, LossCase, all_loss_cases

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed: comparisons with it are skipped"
)
F = torch.nn.functional

from pullback.losses import LOSSES, mean_weights  # noqa: E402

FOUND = all_loss_cases()
every_case = pytest.mark.parametrize("case", FOUND.values(), ids=FOUND.keys())


def rows(y, t):
    """Targets in the shape of the outputs; class numbers as rows with a one."""
    if t.ndim == 1 and y.ndim == 2 and y.shape[1] > 1:
        t = F.one_hot(t.long(), y.shape[1])
    return t.reshape(y.shape).to(y)


def cross_entropy(loss, y, t):
    weight = None if loss.class_weights is None else torch.tensor(loss.class_weights).to(y)
    t = t.to(y) if t.ndim == 2 else t.long()
    smoothing = loss.label_smoothing
    return F.cross_entropy(y, t, weight, reduction="none", label_smoothing=smoothing)


def binary(loss, y, t):
    values = F.binary_cross_entropy_with_logits(y, rows(y, t), reduction="none")
    return per_example(values)


def divergence(loss, y, t):
    return F.kl_div(F.log_softmax(y, dim=1), rows(y, t), reduction="none").sum(dim=1)


def per_example(values):
    return values.reshape(len(values), -1).mean(dim=1)


def huber(loss, y, t):
    return per_example(F.huber_loss(y, rows(y, t), reduction="none", delta=loss.delta))


def half_squared(loss, y, t):
    values = F.mse_loss(y, rows(y, t), reduction="none")
    return values.reshape(len(y), -1).sum(dim=1) / 2


THEIRS: dict[str, Callable] = {
    "CrossEntropy": cross_entropy,
    "BinaryCrossEntropy": binary,
    "KLDivergence": divergence,
    "HalfSquaredError": half_squared,
    "SquaredError": lambda loss, y, t: per_example(F.mse_loss(y, rows(y, t), reduction="none")),
    "AbsoluteError": lambda loss, y, t: per_example(F.l1_loss(y, rows(y, t), reduction="none")),
    "Huber": huber,
}
LINKS: dict[str, Callable] = {
    "CrossEntropy": lambda y: F.softmax(y, dim=1),
    "KLDivergence": lambda y: F.softmax(y, dim=1),
    "BinaryCrossEntropy": torch.sigmoid,
}


def test_the_table_covers_the_registry():
    assert set(THEIRS) == set(LOSSES) == set(LOSS_CASES)


@every_case
@pytest.mark.parametrize("weighted", [False, True])
def test_against_autograd(case: LossCase, weighted, rng):
    y, target = case.arrays()
    weight = rng.uniform(0, 2, len(y)) if weighted else None
    at = torch.tensor(y, requires_grad=True)
    expected = THEIRS[type(case.loss).__name__](case.loss, at, torch.tensor(target))
    share = np.ones(len(y)) if weight is None else weight
    (expected @ torch.tensor(share / share.sum())).backward()

    values, slope = case.loss.forward(y, target)
    gy = case.loss.pullback(slope, mean_weights(len(y), weight, y))
    if y.shape[1:] == (1,) and type(case.loss).__name__ == "CrossEntropy":  # both are nothing
        assert np.all(values == 0)
        assert np.all(gy == 0)
    assert relative_error(values, expected.detach()) < 1e-10
    assert relative_error(gy, at.grad) < 1e-10


@every_case
def test_links(case: LossCase):
    y, _ = case.arrays()
    expected = LINKS.get(type(case.loss).__name__, lambda y: y)(torch.tensor(y))
    assert relative_error(case.loss.link(y), expected) < 1e-12


@every_case
def test_the_same_code_on_tensors(case: LossCase, rng):
    y, target = case.arrays()
    weight, dy = rng.uniform(0, 1, len(y)), rng.standard_normal(y.shape)
    y_t, target_t = torch.tensor(y), torch.tensor(target)
    values, slope = case.loss.forward(y, target)
    values_t, slope_t = case.loss.forward(y_t, target_t)
    assert relative_error(values_t, values) < 1e-12
    assert relative_error(slope_t, slope) < 1e-12
    assert relative_error(case.loss.link(y_t), case.loss.link(y)) < 1e-12
    g = mean_weights(len(y), weight, y)
    g_t = mean_weights(len(y), torch.tensor(weight), y_t)
    assert relative_error(g_t, g) < 1e-12
    assert relative_error(mean_weights(3, None, y_t), mean_weights(3, None, y)) < 1e-15
    assert relative_error(case.loss.pullback(slope_t, g_t), case.loss.pullback(slope, g)) < 1e-12
    pushed = case.loss.pushforward(slope_t, torch.tensor(dy))
    assert relative_error(pushed, case.loss.pushforward(slope, dy)) < 1e-12


@every_case
def test_float32_tensors_stay(case: LossCase):
    y, target = case.arrays()
    values, slope = case.loss.forward(torch.tensor(y, dtype=torch.float32), torch.tensor(target))
    assert values.dtype == slope.dtype == torch.float32
