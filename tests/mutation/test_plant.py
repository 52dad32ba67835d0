"""The planting of faults: what is planted, and that it takes hold."""

import ast

import numpy as np
import pytest
from mutation.equivalent import EQUIVALENT
from mutation.operators import OPERATORS, changes
from mutation.plant import FILES, NO_GRADIENT, SOURCE, functions, mutants

from pullback.core.context import Context
from pullback.maps import Tanh


@pytest.fixture(scope="module")
def planted():
    return mutants()


def test_many_are_planted_and_always_the_same(planted):
    assert len(planted) >= 300
    assert [str(m) for m in mutants()] == [str(m) for m in planted]
    assert len({(m.file, m.function, ast.dump(m.tree)) for m in planted}) == len(planted)
    assert len({m.what for m in planted}) == len(planted)
    operators = {m.operator for m in planted}
    assert operators >= {
        "sign", "dropped term", "dropped factor", "inverse", "mask", "axis", "missing 1/n",
        "transposed", "constant", "branches", "function", "condition", "wrong variable", "scale",
        "accumulation", "dropped step", "dropped function",
    }  # fmt: skip


def test_every_one_is_a_change_that_compiles(planted):
    assert all(m.before != m.after for m in planted)
    for m in planted:
        compile(ast.fix_missing_locations(ast.Module([m.tree], [])), m.file, "exec")


def test_every_file_is_planted_in_and_every_function_left_out_is_there(planted):
    assert {m.file for m in planted} == set(FILES)
    written = {
        node.name
        for file in FILES
        for node in ast.walk(ast.parse((SOURCE / file).read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    assert written >= NO_GRADIENT
    found = {name for file in FILES for name, _ in functions(file)}
    assert found >= {"Linear.pullback", "sigmoid_and_slope", "softmax", "_write", "GELU.slope"}


def test_refusals_and_texts_are_left_alone(planted):
    lines = [m.before for m in planted]
    assert not [line for line in lines if line.startswith(("raise", '"', "'"))]
    guards = ("if count < 2", "if count == 0")  # of `raise`
    assert not [m for m in planted if m.before.startswith(guards)]


CHANGES = {
    "a + b": {"a - b", "a", "b"},
    "a - b": {"a + b", "a", "b", "b - a"},
    "a * b": {"a / b", "a", "b"},
    "a @ b": {"b @ a", "a @ b.T"},
    "a.T": {"a"},
    "-a": {"a"},
    "not a": {"a"},
    "a and b": {"a or b", "a", "b"},
    "a > b": {"a >= b", "a < b"},
    "a is None": {"a is not None"},
    "a if c else b": {"a if True else b", "a if False else b"},
    "0.5": {"0.5015"},
    "2": {"3"},
    "True": set(),
    "None": set(),
    "'no,ni->io'": {"'no,ni->oi'"},
    "xp.mean": {"xp.sum"},
    "f(x, axis=-1)": {"f(x, axis=0)", "f(x)"},
    "f(x, keepdims=True)": {"f(x)"},
    "xp.where(c, a, b)": {"xp.where(c, b, a)", "a", "b"},
    "np.matmul(a, b, out=c)": {"np.matmul(b, a, out=c)"},
    "xp.clip(x, a, b)": {"x"},
    "gy": {"res", "dx"},
    "other": set(),
}


@pytest.mark.parametrize("text", CHANGES)
def test_what_an_expression_becomes(text):
    assert _became(text, "eval") == CHANGES[text]


STATEMENTS = {
    "view += found.sum()": {"view -= found.sum()", "view = found.sum()", "pass"},
    "np.exp(x, out=x)": {"pass"},
    "return a": {"return -a", "return a * 1.001"},
    "return a, None": {"return (-a, None)", "return (a * 1.001, None)"},
}


@pytest.mark.parametrize("text", STATEMENTS)
def test_what_a_statement_becomes(text):
    assert _became(text, "exec") == STATEMENTS[text]


def _became(text, mode):
    """What the change of the topmost node alone leaves."""
    found = set()
    for i in range(sum(1 for _ in changes(_top(ast.parse(text, mode=mode)), ARRAYS))):
        tree = ast.parse(text, mode=mode)
        _, change = list(changes(_top(tree), ARRAYS))[i]
        change(_top(tree), tree)
        found.add(ast.unparse(tree))
    return found


ARRAYS = ("res", "gy", "dx", "x")


def _top(tree):
    return tree.body[0] if isinstance(tree, ast.Module) else tree.body


def test_every_kind_of_node_has_a_change():
    kinds = {type(_top(ast.parse(text))) for text in STATEMENTS} | {ast.If}
    kinds |= {type(_top(ast.parse(text, mode="eval"))) for text in CHANGES}
    assert kinds >= set(OPERATORS)


def test_a_fault_takes_hold_of_the_living_function(planted):
    (fault,) = [
        m for m in planted if m.function == "Tanh.slope" and m.after == "return 1 + res * res"
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


def test_what_is_called_equivalent_is_planted(planted):
    assert set(EQUIVALENT) <= {m.what for m in planted}
    assert all(EQUIVALENT.values())
