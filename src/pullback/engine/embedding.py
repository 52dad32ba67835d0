"""Tables of vectors as jobs: of symbols, of positions, and as scores of symbols."""

from __future__ import annotations

import math
from typing import Any

from pullback.core.context import Context
from pullback.core.map import Map, Params
from pullback.engine.blas import find_blas
from pullback.engine.each import EachForm, RowForm
from pullback.engine.lower import Lowered, Plan, lowers
from pullback.engine.sums import Deferred, WithSums
from pullback.engine.team import Job, not_replayable
from pullback.maps.embedding import NEAR, Embedding, Unembedding
from pullback.maps.positions import Positions


@lowers(Embedding)
class LoweredEmbedding(Lowered):
    """``Embedding`` of ids in the dtype of the network; others go to the source.

    An id that is none is explained by the source; in a batch that is replayed, its row is NaN.
    """

    jobs_only = True
    source: Embedding

    def __init__(self, source: Map, plan: Plan) -> None:
        from pullback.engine.kernels import embedding

        super().__init__(source, plan)
        y: Any = source.spec(plan.x)
        self._y, self._gx = plan.buffer(y), plan.buffer(plan.x)
        self._gx[...] = 0
        self._ids = plan.buffer(plan.x, "int64")
        width, dtype, count = y.shape[-1], y.dtype, self.source.count
        self._rows = Job(embedding.rows_forward, dtype, 4, (width, count), numbers=1, work=width)
        self._rows.numbers[0] = NEAR
        self._total = Job(embedding.rows_total, dtype, 3, (width, count), work=width)
        self._form: EachForm | None = None

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the rows; the ids are the residual."""
        if x.dtype != self._y.dtype:
            not_replayable()
            y, res = self.source.forward(p, x, ctx)
            return y, {"ids": res["ids"]}
        y, ids = self.rows(self._y, x), self.rows(self._ids, x)
        self._rows(ids.size, x, p["E"], y, ids)
        if ids.size and ids.max() >= self.source.count:
            self.source.forward(p, x, ctx)  # which says what is wrong
        return y, {"ids": ids}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return zeros, and ``gy`` as the delta."""
        return self.rows(self._gx, gy), gy

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare ``E``, whose sum is a job."""

        def total(out: Any) -> None:
            self._total(res["ids"].size, res["ids"], delta, out)

        def declare() -> Any:
            return self.source.grads(p, res, delta)["E"]

        def form() -> tuple[EachForm, tuple[Any, ...]]:
            operands = res["ids"], delta
            if self._form is None:
                positions = math.prod(delta.shape[1:-1])
                self._form = EachForm(self._total, operands, positions, p["E"].size)
            return self._form, operands

        return {"E": Deferred(declare, total, p["E"], len(delta), form)}


@lowers(Positions)
class LoweredPositions(Lowered):
    """``Positions``."""

    jobs_only = True
    source: Positions

    def __init__(self, source: Map, plan: Plan) -> None:
        from pullback.engine.kernels import dense, embedding

        super().__init__(source, plan)
        self._y, size, dtype = plan.buffer(plan.x), plan.x.size, plan.x.dtype
        self._add = Job(embedding.table_forward, dtype, 3, (size,), work=size)
        self._total = Job(dense.column_sums, dtype, 2, (size,), work=size)
        self._declared: tuple[Any, dict[str, Any]] = (None, {})

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``x + P``."""
        y = self.rows(self._y, x)
        self._add(len(x), x, p["P"], y)
        return y, None

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy``, and ``gy`` as the delta."""
        return gy, gy

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare ``P``, whose sum is a job."""
        seen, declared = self._declared
        if delta is not seen:

            def total(out: Any) -> None:
                self._total(len(delta), delta, out)
                if delta.shape[1] < len(out):
                    not_replayable()
                    out[delta.shape[1] :] = 0

            def declare() -> Any:
                return self.source.grads(p, res, delta)["P"]

            def form() -> tuple[RowForm, tuple[Any, ...]]:
                rows = delta.reshape((len(delta), p["P"].size))
                return RowForm(self._total, (rows,)), (rows,)

            whole = delta.shape[1:] == p["P"].shape
            declared = {"P": Deferred(declare, total, p["P"], len(delta), form if whole else None)}
            self._declared = delta, declared
        return declared


@lowers(Unembedding)
class LoweredUnembedding(WithSums):
    """``Unembedding``: the products of ``Linear`` with the two ways exchanged."""

    source: Unembedding

    def __init__(self, source: Map, plan: Plan) -> None:
        from pullback.engine.kernels import dense

        super().__init__(source, plan)
        self.jobs_only = not self.source.bias
        spec: Any = source.spec(plan.x)
        self._y = plan.buffer(spec)
        self._gx = plan.buffer(plan.x) if plan.input_gradient else None
        self._positions = math.prod(plan.x.shape[:-1])
        blas, dtype = find_blas(), plan.x.dtype
        assert blas is not None  # or the map would not have been lowered
        k, m = spec.shape[-1], plan.x.shape[-1]
        sizes, work = (blas.gemm[dtype], int(blas.wide), k, m), k * m
        outer = Job(dense.outer, dtype, 3, (*sizes, False), work=work, blas=True, independent=True)
        self._product = Job(dense.linear_pullback, dtype, 4, (*sizes, 0), work=work, blas=True)
        self._pull = Job(dense.linear_forward, dtype, 4, (*sizes, 0), work=work, blas=True)
        self.sums = {
            "E": outer,
            "b": Job(dense.column_sums, dtype, 2, (k,), work=k, independent=True),
        }

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``x E^T + b`` and ``x``."""
        y = self.rows(self._y, x)
        self._product(len(x) * self._positions, x, p["E"], y, y)
        if self.source.bias:
            y += p["b"]
        return y, x

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy E`` where it is wanted, and ``gy``."""
        if self._gx is None:
            return None, gy
        gx = self.rows(self._gx, gy)
        self._pull(len(gy) * self._positions, gy, p["E"], None, gx)
        return gx, gy
