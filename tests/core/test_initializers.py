"""How parameters start: variance by shape, range, orthogonality, streams."""

import numpy as np
import pytest
from start_cases import STARTS

from pullback.core.errors import ConfigError
from pullback.core.initializers import INITIALIZERS, Blocks, Constant, Normal, Orthogonal, fans
from pullback.core.random import generator

RULES = {f"{name}-{i}": rule for name, rules in STARTS.items() for i, rule in enumerate(rules)}
MATRICES = [(400, 300), (100, 900), (300, 300)]
KERNELS = [(3, 3, 50, 80), (5, 120, 100)]
every_rule = pytest.mark.parametrize(("rule", "variance"), RULES.values(), ids=RULES.keys())


def test_the_table_covers_the_registry():
    assert set(STARTS) == set(INITIALIZERS)
    assert all(STARTS.values())


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((3, 4), (3, 4)),
        ((5, 3, 4), (15, 20)),
        ((2, 5, 3, 4), (30, 40)),
        ((7,), (7, 7)),
        ((), (1, 1)),
        ((0, 4), (1, 4)),
    ],
)
def test_fans(shape, expected):
    assert fans(shape) == expected


@every_rule
@pytest.mark.parametrize("shape", [*MATRICES, *KERNELS], ids=str)
def test_variance(rule, variance, shape):
    if isinstance(rule, Orthogonal):  # slow on large matrices, and right to rounding on small ones
        shape = (*shape[:-2], shape[-2] // 10, shape[-1] // 10)
    values = rule.draw(generator(0, "W", "init"), shape)
    assert values.shape == shape
    assert values.dtype == np.float64
    fan_in, fan_out = fans(shape)
    if isinstance(rule, Constant | Blocks):
        assert np.all(values == (rule.value if isinstance(rule, Constant) else rule.values[0]))
        return
    if isinstance(rule, Orthogonal):
        fan_in, fan_out = np.prod(shape[:-1]), shape[-1]
    expected = variance(fan_in, fan_out)
    # The mean square of n normal numbers varies by sqrt(2 / n), the mean by 1 / sqrt(n).
    assert abs(np.mean(values**2) / expected - 1) < 5 * np.sqrt(2 / values.size)
    assert abs(np.mean(values)) < 5 * np.sqrt(expected / values.size)


@pytest.mark.parametrize("name", [name for name in RULES if "Uniform" in name])
def test_uniform_rules_fill_their_range(name):
    rule, variance = RULES[name]
    values = rule.draw(generator(0, "W", "init"), (400, 300))
    limit = np.sqrt(3 * variance(400, 300))
    assert 0.999 * limit < np.max(np.abs(values)) <= limit
    assert abs(np.mean(values**4) / (limit**4 / 5) - 1) < 0.02


@pytest.mark.parametrize("name", [n for n in RULES if "Normal" in n or n == "Textbook-0"])
def test_normal_rules_are_normal(name):
    rule, variance = RULES[name]
    values = rule.draw(generator(0, "W", "init"), (400, 300)) / np.sqrt(variance(400, 300))
    assert abs(np.mean(values**4) / 3 - 1) < 0.05
    assert abs(np.mean(np.abs(values) < 1) - 0.6827) < 0.01


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (25, 25), (3, 3, 4, 20), (1, 5)], ids=str)
@pytest.mark.parametrize("gain", [1.0, 2.5])
def test_orthogonal(shape, gain):
    matrix = Orthogonal(gain).draw(generator(0, "W"), shape).reshape(-1, shape[-1])
    rows, cols = matrix.shape
    product = matrix.T @ matrix if rows >= cols else matrix @ matrix.T
    np.testing.assert_allclose(product, gain**2 * np.eye(min(rows, cols)), atol=1e-13)


def test_orthogonal_is_uniform_over_signs():
    # Without the sign correction a QR factor has a diagonal of one sign in most places.
    draws = [Orthogonal().draw(generator(seed, "W"), (4, 4)) for seed in range(400)]
    positive = np.mean([draw[0, 0] > 0 for draw in draws])
    assert abs(positive - 0.5) < 5 * 0.5 / np.sqrt(400)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_orthogonal_needs_a_matrix(shape):
    with pytest.raises(ConfigError, match="at least two axes"):
        Orthogonal().draw(generator(0, "W"), shape)


def test_blocks_fill_equal_parts():
    values = Blocks((0.0, 1.0, -2.0)).draw(generator(0, "b"), (2, 6))
    assert values.tolist() == [[0, 0, 1, 1, -2, -2]] * 2
    for shape in ((), (4,), (6, 2)):
        with pytest.raises(ConfigError, match="3 equal parts"):
            Blocks((0.0, 1.0, -2.0)).draw(generator(0, "b"), shape)


@pytest.mark.parametrize("make", [lambda: Blocks(()), lambda: Normal(0.0), lambda: Normal(-1)])
def test_rules_that_cannot_be_built(make):
    with pytest.raises(ConfigError, match="expected"):
        make()


@every_rule
def test_one_stream_gives_the_same_values(rule, variance):
    first = rule.draw(generator(3, "a.W", "init"), (6, 5))
    np.testing.assert_array_equal(first, rule.draw(generator(3, "a.W", "init"), (6, 5)))
    if not isinstance(rule, Constant | Blocks):
        for other in (generator(4, "a.W", "init"), generator(3, "b.W", "init")):
            assert np.all(first != rule.draw(other, (6, 5)))


@every_rule
@pytest.mark.parametrize("shape", [(1, 1), (2, 3, 1, 4)])
def test_small_shapes(rule, variance, shape):
    assert np.all(np.isfinite(rule.draw(generator(0, "W"), shape)))
