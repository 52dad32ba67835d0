"""Contractions against NumPy's Einstein sum, per example and by name."""

import numpy as np
import pytest
from arrays import relative_error

from pullback.core.contraction import C, Contraction, built_in_equations
from pullback.core.errors import ShapeError

SIZES = {"n": 5, "t": 3, "i": 4, "o": 2, "c": 6, "h": 3, "k": 2, "w": 2, "e": 3}
GENERAL = [
    "no,ni->oi",
    "nc,nc->c",
    "ntc,ntc->c",
    "nthw,nthwo->o",
    "nhwo,nhwki->kio",
    "nio->io",
    "ntk->tk",
    "n,no,ni->io",
    "nt,nto,nti->io",
    "nto,nki->io",
    "nte->",
    "n->",
    "no,n->o",
]
EQUATIONS = [*built_in_equations(), *GENERAL]
every_equation = pytest.mark.parametrize("equation", EQUATIONS)


def made(equation: str, sizes: dict[str, int] = SIZES) -> tuple[Contraction, list[np.ndarray]]:
    rng = np.random.default_rng(1)
    terms = equation.partition("->")[0].split(",")
    operands = [rng.standard_normal([sizes[letter] for letter in term]) for term in terms]
    return C(equation, **{f"a{i}": operand for i, operand in enumerate(operands)}), operands


def test_there_are_built_in_equations():
    assert {"no,ni->io", "no->o"} <= set(built_in_equations())


@every_equation
@pytest.mark.parametrize("examples", [1, 5])
def test_sum(equation, examples):
    contraction, operands = made(equation, SIZES | {"n": examples})
    assert relative_error(contraction.sum(), np.einsum(equation, *operands)) < 1e-14


@every_equation
def test_sum_into_an_array(equation):
    contraction, operands = made(equation)
    expected = np.einsum(equation, *operands)
    vector = np.full(expected.size + 2, 7.0)
    out = vector[1:-1].reshape(expected.shape)
    contraction.sum(out=out)
    assert relative_error(out, expected) < 1e-14
    assert vector[0] == vector[-1] == 7.0


@every_equation
def test_each(equation):
    contraction, operands = made(equation)
    each = contraction.each()
    for n in range(SIZES["n"]):
        alone = np.einsum(equation, *(operand[n : n + 1] for operand in operands))
        assert relative_error(each[n], alone) < 1e-14


@every_equation
def test_squared_norms_are_those_of_each(equation):
    contraction, _ = made(equation)
    each = contraction.each().reshape(SIZES["n"], -1)
    assert relative_error(contraction.sq_norms(), (each**2).sum(axis=1)) < 1e-13


@every_equation
def test_operands_that_are_not_contiguous(equation):
    _, operands = made(equation)
    turned = {f"a{i}": np.asfortranarray(operand)[::-1] for i, operand in enumerate(operands)}
    contraction = C(equation, **turned)
    expected = np.einsum(equation, *turned.values())
    assert relative_error(contraction.sum(), expected) < 1e-14
    assert relative_error(contraction.sum(out=np.empty_like(expected)), expected) < 1e-14


@every_equation
def test_float32_stays(equation):
    _, operands = made(equation)
    single = [operand.astype(np.float32) for operand in operands]
    contraction = C(equation, **{f"a{i}": operand for i, operand in enumerate(single)})
    for result in (contraction.sum(), contraction.each(), contraction.sq_norms()):
        assert result.dtype == np.float32


def test_printed_as_a_formula():
    delta, x = np.zeros((5, 2)), np.zeros((5, 4))
    assert str(C("no,ni->io", delta=delta, x=x)) == "[i,o] = Σ_n delta[n,o] x[n,i]"
    assert repr(C("no,ni->io", delta=delta, x=x)) == "C('no,ni->io', delta=(5, 2), x=(5, 4))"
    positions = C("nto,nti->io", delta=np.zeros((5, 3, 2)), x=np.zeros((5, 3, 4)))
    assert str(positions) == "[i,o] = Σ_n,t delta[n,t,o] x[n,t,i]"
    assert str(C("n->", loss=np.zeros(3))) == "[] = Σ_n loss[n]"


MISFITS = {
    "too few operands": ("no,ni->io", [(5, 2)]),
    "too many operands": ("no->o", [(5, 2), (5, 2)]),
    "an axis too many": ("no->o", [(5, 3, 2)]),
    "an axis too few": ("nto->o", [(5, 2)]),
    "no example in a term": ("no,i->io", [(5, 2), (4,)]),
    "the example in the result": ("no->no", [(5, 2)]),
    "a letter twice in a term": ("noo->o", [(5, 2, 2)]),
    "a letter twice in the result": ("no->oo", [(5, 2)]),
    "a letter of no term in the result": ("no->oz", [(5, 2)]),
    "a capital": ("nO->O", [(5, 2)]),
    "no arrow": ("no", [(5, 2)]),
    "nothing": ("", []),
}


@pytest.mark.parametrize(("equation", "shapes"), MISFITS.values(), ids=MISFITS.keys())
def test_misfits_are_refused(equation, shapes):
    operands = {f"a{i}": np.zeros(shape) for i, shape in enumerate(shapes)}
    with pytest.raises(ShapeError, match="does not fit") as caught:
        C(equation, **operands)
    for name, array in operands.items():
        assert f"{name}{array.shape}" in str(caught.value)


@pytest.mark.parametrize("shapes", [[(1, 2), (5, 2)], [(5, 1), (5, 2)], [(5, 2), (5, 3)]], ids=str)
def test_a_letter_with_two_sizes_is_refused(shapes):
    contraction = C("nc,nc->c", **{f"a{i}": np.ones(shape) for i, shape in enumerate(shapes)})
    for ask in (contraction.sum, contraction.each, contraction.sq_norms):
        with pytest.raises(ShapeError, match=r"'[nc]' is both [125] and [235]"):
            ask()


@pytest.mark.parametrize("equation", ["no,ni->io", "nto,nti->io", "no->o", "nab,nbc,nc->a"])
def test_summands_are_the_terms_of_every_entry(equation, rng):
    sizes = {"n": 3, "o": 2, "i": 4, "t": 2, "a": 2, "b": 3, "c": 2}
    terms = equation.partition("->")[0].split(",")
    arrays = {f"a{i}": rng.standard_normal([sizes[k] for k in t]) for i, t in enumerate(terms)}
    contraction = C(equation, **arrays)
    total = contraction.sum()
    for place in np.ndindex(total.shape):
        found = 0.0
        for term in contraction.summands(place):
            assert [name for name, _, _ in term] == list(arrays)
            assert all(arrays[name][at] == number for name, at, number in term)
            found += np.prod([number for *_, number in term])
        assert abs(found - total[place]) < 1e-13


@every_equation
def test_arrays_of_another_library(equation):
    torch = pytest.importorskip("torch")
    right, operands = made(equation)
    expected = right.sum()
    found = C(equation, **{f"a{i}": torch.tensor(a) for i, a in enumerate(operands)})
    out = torch.full(expected.shape, torch.nan, dtype=torch.float64)
    assert found.sum(out=out) is out
    for got, wanted in (
        (out, expected),
        (found.sum(), expected),
        (found.each(), right.each()),
        (found.sq_norms(), right.sq_norms()),
    ):
        assert isinstance(got, torch.Tensor)
        assert relative_error(got.numpy(), wanted) < 1e-13
