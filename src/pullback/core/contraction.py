r"""A parameter's gradient as data: which arrays to multiply, and over what to sum.

``C("no,ni->io", delta=d, x=x)`` says :math:`G_{io} = \sum_n d_{no} x_{ni}`. The letter ``n`` is
always the example. From the one declaration come the sum, the gradient of each example, the squared
norms of those without forming them, and more that can be asked of them (see ``pair``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from pullback.core.arrays import library, namespace
from pullback.core.errors import ShapeError
from pullback.core.pair import EXAMPLE, Pair, pair_of

Place = tuple[str, tuple[int, ...], float]
"""An operand's name, a place in it, and the number there."""


class Contraction:
    """The gradient of one parameter, declared as an Einstein sum of named arrays.

    Args:
        equation: one term an operand, ``->``, and the axes of the parameter. Every operand's
            term has ``n`` (the example) and no letter twice; the result has no ``n``.
        operands: the arrays by the names they are printed with, in the order of the terms.

    Raises:
        ShapeError: the equation and the operands do not fit.
    """

    __slots__ = ("equation", "names", "operands", "output", "terms")

    def __init__(self, equation: str, **operands: Any) -> None:
        self.terms, self.output, axes = _parsed(equation)
        self.equation = equation
        self.names = tuple(operands)
        self.operands = tuple(operands.values())
        if axes != tuple([operand.ndim for operand in self.operands]):
            shapes = ", ".join(f"{name}{tuple(array.shape)}" for name, array in operands.items())
            raise ShapeError(
                f"the contraction {equation!r} does not fit {shapes}: every term needs one "
                f"small letter an axis, none twice, and the example {EXAMPLE!r}; the result has "
                "letters of the terms but not that one"
            )

    def sum(self, out: Any = None) -> Any:
        """Return the gradient summed over the examples, of the parameter's shape.

        With ``out`` the result is written there. The common equations run as one matrix product
        or one sum; all others as a general Einstein sum.
        """
        fast = _FAST.get(self.equation)
        if fast is not None:
            return fast(*self.operands, out)
        return _einsum(self.equation, self.operands, out)

    def add_to(self, total: Any) -> None:
        """Add the gradient summed over the examples to ``total``, of the parameter's shape."""
        total += self.sum()

    @property
    def sizes(self) -> dict[str, int]:
        """The size of each axis, by its letter."""
        return {
            letter: size
            for term, operand in zip(self.terms, self.operands, strict=True)
            for letter, size in zip(term, operand.shape, strict=True)
        }

    def scaled(self, weight: Any) -> Contraction:
        """Return the contraction whose examples' gradients are these times ``weight (N,)``."""
        first, *others = self.operands
        shape = tuple(-1 if letter == EXAMPLE else 1 for letter in self.terms[0])
        operands = (first * weight.reshape(shape), *others)
        return Contraction(self.equation, **dict(zip(self.names, operands, strict=True)))

    @property
    def pair(self) -> Pair:
        """The gradient of each example as a product of two blocks."""
        _check_sizes(self.equation, self.operands)
        return pair_of(self.terms, self.output, self.operands)

    def each(self) -> Any:
        """Return the gradients of the single examples, of shape ``(n, *parameter)``."""
        return self.pair.each()

    def sq_norms(self) -> Any:
        r"""Return ``(n,)`` :math:`\|G_n\|^2`, the squared norm of each example's gradient.

        The gradients themselves are not formed where another order is cheaper.
        """
        return self.pair.sq_norms()

    def sum_and_sq_norms(self, out: Any, sq_norms: Any) -> None:
        """Write the sum into ``out``, and add each example's squared norm to ``sq_norms (n,)``."""
        self.sum(out)
        sq_norms += self.sq_norms()

    def sq_sum(self, weight: Any = None) -> Any:
        r"""Return :math:`\sum_n w_n G_n^2`, squared number by number, of the parameter's shape."""
        return self.pair.sq_sum(weight)

    def along(self, v: Any) -> Any:
        r"""Return ``(n,)`` :math:`\langle G_n, v \rangle`, for ``v`` of the parameter's shape."""
        return self.pair.along(v)

    def inner(self) -> Any:
        r"""Return ``(n, n)`` :math:`\langle G_n, G_m \rangle`, between all pairs of examples."""
        return self.pair.inner()

    def summands(self, index: tuple[int, ...]) -> Iterator[tuple[Place, ...]]:
        """Yield the terms that entry ``index`` of the gradient is the sum of.

        Each term is one (name, place, value) for every operand, whose values are to be multiplied.
        """
        sizes = self.sizes
        fixed = dict(zip(self.output, index, strict=True))
        summed = [letter for letter in sizes if letter not in fixed]
        for places in product(*(range(sizes[letter]) for letter in summed)):
            at = {**fixed, **dict(zip(summed, places, strict=True))}
            yield tuple(
                (name, place := tuple(at[letter] for letter in term), float(operand[place]))
                for name, term, operand in zip(self.names, self.terms, self.operands, strict=True)
            )

    def __str__(self) -> str:
        summed = [EXAMPLE]
        for letter in "".join(self.terms):
            if letter not in self.output and letter not in summed:
                summed.append(letter)
        factors = " ".join(
            f"{name}[{','.join(term)}]" for name, term in zip(self.names, self.terms, strict=True)
        )
        return f"[{','.join(self.output)}] = Σ_{','.join(summed)} {factors}"

    def __repr__(self) -> str:
        operands = ", ".join(
            f"{name}={tuple(operand.shape)}"
            for name, operand in zip(self.names, self.operands, strict=True)
        )
        return f"C({self.equation!r}, {operands})"


C = Contraction


class Later(Contraction):
    """Base of the contractions that are declared only when more than their sum is asked."""

    __slots__ = ("_declared",)

    def __init__(self) -> None:
        self._declared: Contraction | None = None

    def _declare(self) -> Contraction:
        """Return the contraction."""
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        if name not in Contraction.__slots__:
            raise AttributeError(name)
        if self._declared is None:
            self._declared = self._declare()
        return getattr(self._declared, name)


@lru_cache(maxsize=1024)
def _parsed(equation: str) -> tuple[tuple[str, ...], str, tuple[int, ...]]:
    """Return the terms, the output, and the axes each operand must have (-1: none will do)."""
    left, _, output = equation.partition("->")
    terms = tuple(left.split(","))
    known = set(left) - {","}
    good = "->" in equation and EXAMPLE not in output and known.issuperset(output)
    good = good and "".join(known).islower() and _once(output)
    axes = tuple(len(term) if good and EXAMPLE in term and _once(term) else -1 for term in terms)
    return terms, output, axes


def _once(letters: str) -> bool:
    return len(set(letters)) == len(letters)


def _check_sizes(equation: str, operands: tuple[Any, ...]) -> None:
    """Raise ``ShapeError`` where one letter has two sizes: an Einstein sum would repeat a 1."""
    sizes: dict[str, int] = {}
    terms = equation.partition("->")[0].split(",")
    for term, operand in zip(terms, operands, strict=True):
        for letter, size in zip(term, operand.shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise ShapeError(
                    f"the contraction {equation!r} does not fit: {letter!r} is both "
                    f"{sizes[letter]} and {size}"
                )


def _einsum(equation: str, operands: tuple[Any, ...], out: Any) -> Any:
    _check_sizes(equation, operands)
    if isinstance(operands[0], np.ndarray):
        return np.einsum(equation, *operands, out=out, optimize=len(operands) > 1)
    xp = namespace(operands[0])
    result = xp.einsum(equation, *operands)
    if out is None:
        return result
    out[...] = result
    return out


def _outer(delta: Any, x: Any, out: Any) -> Any:
    return library(x).matmul(x.T, delta, out=out)


def _outer_over_positions(delta: Any, x: Any, out: Any) -> Any:
    flat_x = x.reshape(-1, x.shape[-1])
    return library(x).matmul(flat_x.T, delta.reshape(-1, delta.shape[-1]), out=out)


def _over_examples(delta: Any, out: Any) -> Any:
    if isinstance(delta, np.ndarray):
        return np.add.reduce(delta, axis=0, out=out)
    return library(delta).sum(delta, 0, out=out)


def _over_positions(delta: Any, out: Any) -> Any:
    if isinstance(delta, np.ndarray):
        return np.add.reduce(delta, axis=(0, 1), out=out)
    return library(delta).sum(delta, (0, 1), out=out)


_FAST: dict[str, Callable[..., Any]] = {
    "no,ni->io": _outer,
    "nto,nti->io": _outer_over_positions,
    "no->o": _over_examples,
    "nto->o": _over_positions,
}


def built_in_equations() -> tuple[str, ...]:
    """Return the equations that have a faster path than the general Einstein sum."""
    return tuple(_FAST)
