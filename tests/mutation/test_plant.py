"""The planting of faults: what is planted, and that it takes hold."""

import ast

import numpy as np
import pytest
from mutation.equivalent import EQUIVALENT
from mutation.plant import changes, mutants

from pullback.core.context import Context
from pullback.maps import Tanh

PLANTED = mutants()


def test_many_are_planted_and_always_the_same():
    assert len(PLANTED) >= 300
    assert [str(m) for m in mutants()] == [str(m) for m in PLANTED]
    assert len({(m.file, m.function, ast.dump(m.tree)) for m in PLANTED}) == len(PLANTED)
    operators = {m.operator for m in PLANTED}
    assert operators >= {
        "sign", "dropped term", "dropped factor", "inverse", "mask", "axis", "missing 1/n",
        "transposed", "constant", "branches", "function",
    }  # fmt: skip


def test_every_one_is_a_change():
    assert all(m.before != m.after for m in PLANTED)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b", {"sign", "dropped term"}),
        ("a * b", {"inverse", "dropped factor"}),
        ("a @ b", {"transposed"}),
        ("a.T", {"transposed"}),
        ("a > b", {"mask"}),
        ("0.5", {"constant"}),
        ("'no,ni->io'", {"transposed"}),
        ("xp.mean", {"missing 1/n"}),
        ("f(x, axis=-1)", {"axis"}),
        ("where(c, a, b)", {"branches"}),
        ("-a", {"sign"}),
        ("None", set()),
    ],
)
def test_what_is_changed(text, expected):
    node = ast.parse(text, mode="eval").body
    assert {operator for operator, _ in changes(node)} == expected


def test_a_fault_takes_hold_of_the_living_function():
    (fault,) = [
        m for m in PLANTED if m.function == "Tanh.slope" and m.after == "return 1 + res * res"
    ]
    x, gy = np.array([[0.7]]), np.ones((1, 1))
    _, res = Tanh().forward({}, x, Context())
    right = Tanh().pullback({}, res, gy)[0]
    code = Tanh.slope.__code__
    try:
        fault.install()
        wrong = Tanh().pullback({}, res, gy)[0]
    finally:
        Tanh.slope.__code__ = code
    assert wrong == 1 + res * res
    assert Tanh().pullback({}, res, gy)[0] == right


def test_what_is_called_equivalent_is_planted():
    texts = {str(m).partition(" ")[2] for m in PLANTED}
    assert set(EQUIVALENT) <= texts
    assert all(EQUIVALENT.values())
