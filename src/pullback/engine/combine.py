"""Ways around and side by side: the sums as jobs."""

from __future__ import annotations

from typing import Any

from pullback.core.context import Context
from pullback.core.map import Map, Params
from pullback.engine.fusion import is_sum, taken_over
from pullback.engine.lower import Lowered, Plan, consists_of_jobs, lowers_composite
from pullback.engine.team import Job
from pullback.maps.combine import Parallel, Residual


class LoweredSum(Lowered):
    """Base of what adds two maps of the same input; ``source`` has lowered children."""

    def __init__(self, source: Map, plan: Plan) -> None:
        from pullback.engine.kernels import combine

        super().__init__(source, plan)
        self.jobs_only = all(map(consists_of_jobs, source.children().values()))
        y: Any = source.spec(plan.x)
        self._y, self._gx = plan.buffer(y), plan.buffer(plan.x)
        dtype, after, before = plan.x.dtype, taken_over(plan.after), taken_over(plan.before)
        self._forward = Job(combine.add_forward, dtype, 3, (y.size, after), work=y.size)
        size = plan.x.size
        self._pull = Job(combine.add_pullback, dtype, 4, (size, before), work=size)

    def children(self) -> dict[str, Map]:
        """Return the source's children."""
        return self.source.children()

    def _sum(self, u: Any, v: Any) -> Any:
        y = self.rows(self._y, u)
        self._forward(len(u), u, v, y)
        return y

    def _pulled(self, u: Any, v: Any, x: Any) -> Any:
        gx = self.rows(self._gx, x)
        self._pull(len(x), u, v, x, gx)
        return gx


@lowers_composite(Residual)
class LoweredResidual(LoweredSum):
    """``Residual``."""

    source: Residual

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``x + f(x)``; ``x`` is what a ReLU before it has made."""
        y, res = self.source.body.forward(p.get("body", {}), x, ctx.child("body"))
        return self._sum(x, y), {"body": res, "": x}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy + J_f^T gy``."""
        gx, delta = self.source.body.pullback(p.get("body", {}), res["body"], gy)
        return self._pulled(gy, gx, res[""]), {"body": delta}


@lowers_composite(Parallel)
class LoweredParallel(LoweredSum):
    """``Parallel`` of two maps that are added."""

    source: Parallel

    @staticmethod
    def fits(source: Map, plan: Plan) -> bool:
        """Whether the source adds, and adds two."""
        del plan
        return is_sum(source)

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the sum of both; ``x`` is what a ReLU before them has made."""
        outputs, res = [], {}
        for name, child in self.source.children().items():
            y, res[name] = child.forward(p.get(name, {}), x, ctx.child(name))
            outputs.append(y)
        return self._sum(*outputs), {**res, "": x}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Pull ``gy`` back through both, and add."""
        cotangents, deltas = {}, {}
        for name, child in self.source.children().items():
            cotangents[name], deltas[name] = child.pullback(p.get(name, {}), res[name], gy)
        one, other = cotangents.values()
        return self._pulled(one, other, res[""]), deltas
