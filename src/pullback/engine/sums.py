"""Gradients of parameters as jobs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pullback.core.contraction import Contraction
from pullback.core.map import Map, Params
from pullback.engine.lower import Lowered, Plan
from pullback.engine.team import Job


class Sum(Contraction):
    """A contraction whose sum is a job."""

    __slots__ = ("_job",)

    def __init__(self, declared: Contraction, job: Job) -> None:
        super().__init__(
            declared.equation, **dict(zip(declared.names, declared.operands, strict=True))
        )
        self._job = job

    def sum(self, out: Any = None) -> Any:
        """Return the gradient summed over the examples."""
        first = self.operands[0]
        if out is None:  # of several that are one parameter's
            sizes = self.sizes
            out = np.empty([sizes[letter] for letter in self.output], first.dtype)
        if out.dtype != first.dtype or not out.flags.c_contiguous:
            return super().sum(out)
        self._job(math.prod(first.shape[:-1]), *self.operands, out)
        return out


class Deferred(Contraction):
    """A contraction whose sum is done by jobs, and which is declared only when more is asked.

    Args:
        declare: returns the contraction.
        total: writes the sum into an array.
        parameter: an array of the sum's shape and dtype.
        examples: how many there are.
    """

    __slots__ = ("_declare", "_declared", "_examples", "_parameter", "_total")

    def __init__(
        self,
        declare: Callable[[], Contraction],
        total: Callable[[Any], None],
        parameter: Any,
        examples: int,
    ) -> None:
        self._declare, self._total = declare, total
        self._parameter, self._examples = parameter, examples
        self._declared: Contraction | None = None

    def sum(self, out: Any = None) -> Any:
        """Return the gradient summed over the examples."""
        like = self._parameter
        fits = out is not None and out.dtype == like.dtype and out.flags.c_contiguous
        found = out if fits else np.empty(like.shape, like.dtype)
        if self._examples:
            self._total(found)
        else:
            found[...] = 0
        if out is not None and not fits:
            out[...] = found
        return found if out is None else out

    def __getattr__(self, name: str) -> Any:
        if name not in Contraction.__slots__:
            raise AttributeError(name)
        if self._declared is None:
            self._declared = self._declare()
        return getattr(self._declared, name)


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
