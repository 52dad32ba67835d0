"""Gradients of parameters as jobs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from pullback.core.contraction import Contraction, Later
from pullback.core.map import Map, Params
from pullback.engine.each import MOST, EachForm, Form, RowForm
from pullback.engine.lower import Lowered, Plan
from pullback.engine.team import Job, not_replayable

ONE_ROW = ("no,ni->io", "no,ni->oi", "no->o")
"""Contractions of one row an example."""


class Sum(Contraction):
    """A contraction whose sum is a job, and the gradients of its examples are."""

    __slots__ = ("_job",)

    def __init__(self, declared: Contraction, job: Job) -> None:
        super().__init__(
            declared.equation, **dict(zip(declared.names, declared.operands, strict=True))
        )
        self._job = job

    def _fits(self, out: Any) -> bool:
        return bool(out.dtype == self.operands[0].dtype and out.flags.c_contiguous)

    def sum(self, out: Any = None) -> Any:
        """Return the gradient summed over the examples."""
        first = self.operands[0]
        if out is None:  # of several that are one parameter's
            out = np.empty(self._shape, first.dtype)
        if not self._fits(out):
            return super().sum(out)
        self._job(math.prod(first.shape[:-1]), *self.operands, out)
        return out

    def add_to(self, total: Any) -> None:
        """Add the gradient summed over the examples to ``total``, by jobs."""
        if not self._fits(total):
            not_replayable()
            super().add_to(total)
            return
        if self._job not in _further:
            from pullback.engine.kernels import combine

            add = Job(combine.add_forward, self._job.dtype, 3, (1, False), work=1)
            _further[self._job] = np.empty_like(total), add
        more, add = _further[self._job]
        self.sum(more)
        add(total.size, total, more, total)

    @property
    def _shape(self) -> tuple[int, ...]:
        sizes = self.sizes
        return tuple(sizes[letter] for letter in self.output)

    @property
    def _form(self) -> Form:
        """How the gradients of the examples are made; kept with the job."""
        if self._job not in _forms:
            first, numbers = self.operands[0], math.prod(self._shape)
            _forms[self._job] = (
                RowForm(self._job, self.operands)
                if self.equation in ONE_ROW
                else EachForm(self._job, self.operands, math.prod(first.shape[1:-1]), numbers)
            )
        return _forms[self._job]

    def scaled(self, weight: Any) -> Contraction:
        """Return the same of examples times ``weight (N,)``."""
        return Sum(super().scaled(weight), self._job)

    def each(self) -> Any:
        """Return the gradients of the single examples."""
        return _each(self._form, self.operands, self._shape)

    def sum_and_sq_norms(self, out: Any, sq_norms: Any) -> None:
        """Write the sum, and add the squared norms, by jobs."""
        formed = self.equation not in ONE_ROW
        if not self._fits(out) or (formed and out.size > MOST):
            not_replayable()
            super().sum_and_sq_norms(out, sq_norms)
        else:
            self._form.write(self.operands, out, sq_norms)


_forms: WeakKeyDictionary[Job, Form] = WeakKeyDictionary()
_further: WeakKeyDictionary[Job, tuple[np.ndarray, Job]] = WeakKeyDictionary()
"""Room for the sum of a parameter that has one already, and the job that adds it."""


def _each(form: Form, operands: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    first = operands[0]
    out = np.empty((len(first), math.prod(shape)), operands[-1].dtype)
    form.gradients(operands, out)
    return out.reshape((len(first), *shape))


class Deferred(Later):
    """A contraction whose sum is done by jobs.

    Args:
        declare: returns the contraction.
        total: writes the sum into an array.
        parameter: an array of the sum's shape and dtype.
        examples: how many there are.
        form: returns how the gradients of the examples are made by jobs, and of which arrays.
    """

    __slots__ = ("_declared_by", "_examples", "_form", "_parameter", "_total")

    def __init__(
        self,
        declare: Callable[[], Contraction],
        total: Callable[[Any], None],
        parameter: Any,
        examples: int,
        form: Callable[[], tuple[Form, tuple[Any, ...]]] | None = None,
    ) -> None:
        super().__init__()
        self._declared_by, self._total, self._form = declare, total, form
        self._parameter, self._examples = parameter, examples

    def _declare(self) -> Contraction:
        return self._declared_by()

    def _fits(self, out: Any) -> bool:
        like = self._parameter
        return out is not None and out.dtype == like.dtype and out.flags.c_contiguous

    def sum(self, out: Any = None) -> Any:
        """Return the gradient summed over the examples."""
        like, fits = self._parameter, self._fits(out)
        found = out if fits else np.empty(like.shape, like.dtype)
        if self._examples:
            self._total(found)
        else:
            found[...] = 0
        if out is not None and not fits:
            out[...] = found
        return found if out is None else out

    def add_to(self, total: Any) -> None:
        """Add the gradient summed over the examples to ``total``."""
        not_replayable()
        super().add_to(total)

    def each(self) -> Any:
        """Return the gradients of the single examples."""
        if self._form is None:
            return super().each()
        form, operands = self._form()
        return _each(form, operands, self._parameter.shape)

    def sum_and_sq_norms(self, out: Any, sq_norms: Any) -> None:
        """Write the sum, and add the squared norms, by jobs where there are."""
        if self._form is None or not self._fits(out) or out.size > MOST:
            not_replayable()
            super().sum_and_sq_norms(out, sq_norms)
        else:
            form, operands = self._form()
            form.write(operands, out, sq_norms)


class WithSums(Lowered):
    """A lowered map whose gradients are jobs: ``sums``, by the parameter's name."""

    sums: dict[str, Job]

    def __init__(self, source: Map, plan: Plan) -> None:
        super().__init__(source, plan)
        self._declared: tuple[Any, Any, dict[str, Any]] = (None, None, {})

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare what the source declares, with sums that are jobs."""
        seen_res, seen_delta, declared = self._declared
        if res is not seen_res or delta is not seen_delta:
            found = self.source.grads(p, res, delta)
            declared = {name: Sum(c, self.sums[name]) for name, c in found.items()}
            self._declared = res, delta, declared
        return declared
