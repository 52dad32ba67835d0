"""A network as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pullback.core.map import Map
from pullback.core.spec import Spec, Specs
from pullback.core.theta import Layout
from pullback.core.tree import leaves
from pullback.train.cost import Cost, step_cost

HEADINGS = ("name", "map", "output", "parameters", "multiply-adds", "start of W")
TOTAL = "total"
STEP = (
    "a training step of {batch_size:,} examples: {multiply_adds:,} multiply-adds, {bytes:,} bytes"
)


@dataclass(frozen=True)
class Summary:
    """The rows of a summary; printed, a table.

    ``multiply_adds`` are those of one example's forward pass; ``step`` is the cost of a training
    step of ``batch_size`` examples (see ``step_cost``).
    """

    rows: tuple[tuple[str, ...], ...]
    parameters: int
    multiply_adds: int
    batch_size: int
    step: Cost

    def __str__(self) -> str:
        total = (TOTAL, "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}", "")
        table = [HEADINGS, *self.rows, total]
        widths = [max(len(row[i]) for row in table) for i in range(len(HEADINGS))]
        lines = [_line(row, widths) for row in table]
        rule = "-" * max(map(len, lines))
        cost = STEP.format(
            batch_size=self.batch_size,
            multiply_adds=self.step.multiply_adds,
            bytes=self.step.bytes,
        )
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], cost])

    __repr__ = __str__


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    numeric = (3, 4)
    cells = [
        cell.rjust(width) if i in numeric else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def summarize(net: Map, x: Spec, batch_size: int) -> Summary:
    """Return the summary of ``net`` for an input of spec ``x``, with steps of ``batch_size``.

    Parameters that several places share are counted once, in the total too.
    """
    layout = Layout.of(net.params(x))
    rows: list[tuple[str, ...]] = []
    _add_rows(net, x, "", layout, rows)
    cost = step_cost(net, x, batch_size)
    return Summary(tuple(rows), layout.size, net.multiply_adds(x), batch_size, cost)


def _add_rows(net: Map, x: Specs, path: str, layout: Layout, rows: list[Any]) -> None:
    children = net.children()
    if children:
        inputs = net.inputs(x)  # type: ignore[attr-defined]
        for name, child in children.items():
            _add_rows(child, inputs[name], f"{path}.{name}" if path else name, layout, rows)
        return
    own = {".".join(p) for p, _ in leaves(net.params(x))}
    entries = [entry for entry in layout.entries if _belongs(entry.name, path, own)]
    count = sum(entry.stop - entry.start for entry in entries if not entry.alias)
    starts = [repr(entry.init).removesuffix("()") for entry in entries if len(entry.shape) > 1]
    rows.append(
        (
            path or "-",
            net.title,
            _shape(net.spec(x)),
            f"{count:,}",
            f"{net.multiply_adds(x):,}",
            ", ".join(starts),
        )
    )


def _belongs(name: str, path: str, own: set[str]) -> bool:
    prefix = f"{path}." if path else ""
    return name.startswith(prefix) and name.removeprefix(prefix) in own


def _shape(y: Specs) -> str:
    if isinstance(y, tuple):
        return ", ".join(_shape(part) for part in y)
    return "(" + ", ".join(str(n) for n in ("N", *y.shape)) + ")"
