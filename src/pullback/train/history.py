"""What was measured, epoch by epoch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from pullback.core.errors import ConfigError, suggestion

PLOT_LABELS = {
    "epoch": "epoch",
    "loss": "loss",
    "accuracy": "accuracy",
    "train": "training",
    "validation": "validation",
}


class History:
    """A list of records, one an epoch, and each figure as a list over the epochs.

    ``history["val_accuracy"]`` is that figure, epoch by epoch.
    """

    def __init__(self, records: list[dict[str, Any]] | None = None) -> None:
        self.records: list[dict[str, Any]] = list(records or [])

    def append(self, record: dict[str, Any]) -> None:
        """Add the record of an epoch."""
        self.records.append(record)

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def keys(self) -> list[str]:
        """Return the names of the figures."""
        return list(self.records[0]) if self.records else []

    def __contains__(self, name: object) -> bool:
        return name in self.keys()

    def __getitem__(self, name: str) -> list[Any]:
        if name not in self:
            raise ConfigError(f"the history has no {name!r}.{suggestion(name, self.keys())}")
        return [record[name] for record in self.records]

    def lines(self) -> str:
        """Return the records as JSON lines."""
        return "".join(json.dumps(record) + "\n" for record in self.records)

    def plot(self, path: str | Path | IO[bytes]) -> None:
        """Draw loss and, where there is one, accuracy of training and validation to a file."""
        # The figure class alone: pyplot would look for a screen, and costs most of a second.
        from matplotlib.figure import Figure

        shown = [name for name in ("loss", "accuracy") if name in self] or ["loss"]
        # The margins are fixed: finding the best would draw everything twice.
        figure = Figure(figsize=(5 * len(shown), 3.6))
        figure.subplots_adjust(left=0.1 / len(shown), right=0.98, bottom=0.14, top=0.9, wspace=0.16)
        for position, name in enumerate(shown, start=1):
            axes = figure.add_subplot(1, len(shown), position)
            for key, label in ((name, "train"), (f"val_{name}", "validation")):
                if key in self:
                    axes.plot(self["epoch"], self[key], marker=".", label=PLOT_LABELS[label])
            axes.set_xlabel(PLOT_LABELS["epoch"])
            axes.set_title(PLOT_LABELS[name])
            axes.grid(alpha=0.3)
            if self.records:
                axes.legend(loc="upper right" if name == "loss" else "lower right")
        figure.savefig(path, dpi=120)
