"""The picture of how cost grows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter


def draw(growth: dict[str, Any], path: Path) -> None:
    """Draw seconds by examples and by parameters, with a line of slope 1 through the last point."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for axis, name in zip(figure.subplots(1, 2), ("examples", "parameters"), strict=True):
        sizes, seconds = growth[name]["sizes"], growth[name]["seconds"]
        axis.loglog(sizes, seconds, "o-", label=f"measured, slope {growth[name]['slope']:.2f}")
        linear = [seconds[-1] * size / sizes[-1] for size in sizes]
        axis.loglog(sizes, linear, "--", color="gray", label="slope 1")
        axis.xaxis.set_minor_formatter(NullFormatter())  # its labels would cover each other
        axis.set_xlabel(name)
        axis.set_ylabel("seconds an epoch")
        axis.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
