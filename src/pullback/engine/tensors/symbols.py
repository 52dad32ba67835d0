"""Tables of vectors on tensors."""

from __future__ import annotations

from typing import Any

import torch

from pullback.core.context import Context
from pullback.core.map import Params
from pullback.engine.lower import Lowered
from pullback.engine.tensors.again import Known
from pullback.engine.tensors.forms import on_tensors
from pullback.maps.embedding import NEAR, Embedding


@on_tensors(Embedding)
class TensorEmbedding(Lowered):
    """``Embedding``, whose rows are added up by a kernel."""

    source: Embedding

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the rows; the ids are kept. What is no id is explained by the source."""
        ids = torch.round(x).to(torch.int64) if x.is_floating_point() else x.to(torch.int64)
        good = ((x - ids).abs() < NEAR) & (ids < self.source.count)
        padding = ids < 0
        if not bool((good | (x <= -1)).all()) or bool(padding.any()):
            y, res = self.source.forward(p, x, ctx)
            return y, {"ids": res["ids"]}
        return torch.embedding(p["E"], ids), {"ids": ids}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return zeros where they are wanted, and ``gy`` as the delta."""
        wanted = self.plan.input_gradient
        return gy.new_zeros(res["ids"].shape) if wanted else None, gy

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare ``E``."""

        def total() -> Any:
            ids = torch.where(res["ids"] < 0, -1, res["ids"])  # of padding
            backward = torch.ops.aten.embedding_dense_backward
            return backward(delta, ids, self.source.count, -1, False)

        return {"E": Known(lambda: self.source.grads(p, res, delta)["E"], total)}
