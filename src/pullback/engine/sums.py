"""Gradients of parameters as jobs."""

from __future__ import annotations

import math
from typing import Any

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
        if out is None or out.dtype != first.dtype or not out.flags.c_contiguous:
            return super().sum(out)
        self._job(math.prod(first.shape[:-1]), *self.operands, out)
        return out


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
