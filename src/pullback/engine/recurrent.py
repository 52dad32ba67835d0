"""Recurrent maps as jobs: whole sequences divided among the threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from pullback.core.arrays import LINE, empty
from pullback.core.context import Context
from pullback.core.map import Map, Params
from pullback.core.spec import Spec
from pullback.engine.blas import find_blas
from pullback.engine.lower import Lowered, Plan, lowers
from pullback.engine.sums import Sum
from pullback.engine.team import WORTH_SHARING, Job, team
from pullback.maps.gated import GRU, LSTM
from pullback.maps.recurrent import RNN, Recurrent


@lowers(RNN)
@lowers(LSTM)
@lowers(GRU)
class LoweredRecurrent(Lowered):
    """``RNN``, ``LSTM`` and ``GRU`` whose states are whole vectors; others stay as they are."""

    source: Recurrent

    def __init__(self, source: Map, plan: Plan) -> None:
        super().__init__(source, plan)
        spec: Any = source.spec(plan.x)
        dtype, threads = plan.x.dtype, team().threads
        steps, inputs = plan.x.shape
        units, gates = self.source.units, self.source.gates
        self.jobs_only = type(source) is not GRU  # the gradient of its c is none
        wide = gates * units

        def per_step(numbers: int) -> np.ndarray:
            return plan.buffer(Spec((steps, numbers), dtype))

        self._y, self._gx = plan.buffer(spec), plan.buffer(plan.x) if plan.input_gradient else None
        self._kept, self._sides, self._before = map(per_step, (wide, 2 * units, units))
        self._gz = per_step(wide)
        self._gq = per_step(wide) if type(source) is GRU else self._gz
        self._make_jobs(steps, inputs, dtype, threads)
        self._declared: tuple[Any, Any, Any, dict[str, Any]] = (None, None, None, {})

    @staticmethod
    def fits(source: Map, plan: Plan) -> bool:
        """Whether the states are whole vectors."""
        from pullback.engine.kernels import lanes

        assert isinstance(source, Recurrent)
        return bool(source.units * np.dtype(plan.x.dtype).itemsize % lanes.BYTES == 0)

    def _make_jobs(self, steps: int, inputs: int, dtype: str, threads: int) -> None:
        from pullback.engine.kernels import dense, recurrent

        source, size = self.source, np.dtype(dtype).itemsize
        units, wide = source.units, source.gates * source.units
        kind = {RNN: recurrent.RNN, LSTM: recurrent.LSTM, GRU: recurrent.GRU}[type(source)]
        blas = find_blas()
        assert blas is not None  # or the map would not have been lowered
        rows = self.plan.batch_size
        room = -(-units * wide * size // LINE) * LINE
        each = room + (4 * wide + rows * (units + wide)) * size
        each = -(-each // LINE) * LINE
        self._scratch = empty((threads, each), np.uint8)
        call = blas.gemm[dtype], int(blas.wide)
        sizes = (
            *call, kind, steps, inputs, units, source.gates, int(source.reverse),
            int(source.states == "all"), self._scratch.ctypes.data, each, room,
        )  # fmt: skip
        work = max(steps * (inputs + units) * wide, WORTH_SHARING)
        self._forward = Job(recurrent.recurrent_forward, dtype, 10, sizes, work=work, blas=True)
        self._pull = Job(recurrent.recurrent_pullback, dtype, 9, sizes, work=work, blas=True)

        def outer(k: int) -> Job:
            return Job(
                dense.outer, dtype, 3, (*call, k, wide, False), work=k * wide, blas=True,
                independent=True,
            )  # fmt: skip

        self._sums = {
            "W": outer(inputs),
            "U": outer(units),
            "b": Job(dense.column_sums, dtype, 2, (wide,), work=wide, independent=True),
        }

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the states; what the cells keep is the residual."""
        y, kept, sides, before = (
            self.rows(buffer, x) for buffer in (self._y, self._kept, self._sides, self._before)
        )
        lengths = None if ctx.lengths is None else np.ascontiguousarray(ctx.lengths, np.int64)
        self._forward(
            len(x), x, p["W"], p["U"], p["b"], p.get("c"), lengths, kept, sides, before, y
        )
        return y, {"x": x, "before": before, "kept": kept, "sides": sides, "lengths": lengths}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return the cotangent of ``x``; those of both products are the delta."""
        gz, gq = self.rows(self._gz, gy), self.rows(self._gq, gy)
        gx = None if self._gx is None else self.rows(self._gx, gy)
        self._pull(
            len(gy), gy, p["W"], p["U"], res["lengths"], res["kept"], res["sides"], gz, gq, gx
        )
        return gx, {"z": gz, "q": gq}

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare what the source declares, with sums that are jobs."""
        x, before, gz = res["x"], res["before"], delta["z"]
        *seen, declared = self._declared
        if not (x is seen[0] and before is seen[1] and gz is seen[2]):
            declared = {
                name: Sum(c, self._sums[name]) if name in self._sums else c
                for name, c in self.source.grads(p, res, delta).items()
            }
            self._declared = x, before, gz, declared
        return declared

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Push forward as the source does, from its own residual."""
        _, own = self.source.forward(p, res["x"], Context(lengths=res["lengths"]))
        return self.source.pushforward(p, own, dp, dx)
