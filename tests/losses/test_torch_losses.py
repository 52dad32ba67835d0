"""Losses against PyTorch: its own functions and autograd, and our code on its tensors."""

import numpy as np
import pytest
from arrays import relative_error
from loss_cases import LOSS_CASES, LossCase, all_loss_cases

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed: comparisons with it are skipped"
)
from torch_losses import LINKS, THEIRS  # noqa: E402

from pullback.losses import LOSSES, WeightedSum, mean_weights  # noqa: E402

FOUND = all_loss_cases()
every_case = pytest.mark.parametrize("case", FOUND.values(), ids=FOUND.keys())


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


def link_of(loss, y):
    if isinstance(loss, WeightedSum):
        parts = y.split(loss.widths, -1) if loss.widths else [y]
        return torch.cat([link_of(*pair) for pair in zip(loss.losses, parts, strict=False)], -1)
    return LINKS.get(type(loss).__name__, lambda y: y)(y)


@every_case
def test_links(case: LossCase):
    y, _ = case.arrays()
    expected = link_of(case.loss, torch.tensor(y))
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
