"""What takes a while to load, to be loaded while something else is done."""

from __future__ import annotations

from pullback.engine.team import team


def load_beside() -> None:
    """Load the engine and, where they are kept on disk, the kernels that most networks use."""
    from pullback.engine.kernels import batches, compiled, dense, losses, reduce, sparse, updates

    usual = (
        dense.linear_forward, dense.linear_partial, dense.linear_total, dense.linear_pullback,
        dense.outer, dense.column_sums, sparse.sparse_partial, sparse.sparse_outer,
        batches.gather_bytes, batches.gather_integers,
        losses.cross_entropy, losses.scaled_rows, losses.count_classes,
        reduce.guard, updates.descent, updates.adam,
    )  # fmt: skip
    team()
    compiled.load_kept(usual, "float32")
