"""What was measured, epoch by epoch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pullback.core.errors import ConfigError, suggestion
from pullback.plots import lines, new_panels, picture, save
from pullback.train import html

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEXT = {"empty": "History of no epoch", "last": "History of {epochs} epochs, in the end {figures}"}
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

    def kept(self, patient: bool) -> dict[str, Any]:
        """Return the record of the epoch whose parameters the model has: with patience, the best.

        That is the one with the lowest validation loss, or without validation the lowest loss.
        """
        monitored = "val_loss" if "val_loss" in self else "loss"
        best = min(self.records, key=lambda record: record[monitored])
        return best if patient else self.records[-1]

    def lines(self) -> str:
        """Return the records as JSON lines."""
        return "".join(json.dumps(record) + "\n" for record in self.records)

    def __repr__(self) -> str:
        if not self.records:
            return TEXT["empty"]
        last = self.records[-1]
        figures = ", ".join(f"{name} {value:.4f}" for name, value in figures_of(last).items())
        return TEXT["last"].format(epochs=len(self), figures=figures)

    def _repr_html_(self) -> str:
        parts = [html.paragraph(repr(self))]
        if self.records:
            curves = picture(self.draw()[0], dpi=72)
            parts.append(html.png(curves, repr(self)))
        return "\n".join(parts)

    def plot(self, path: str | Path | IO[bytes]) -> None:
        """Draw loss and, where there is one, accuracy of training and validation to a file."""
        save(self.draw()[0], path)

    def draw(self) -> list[Axes]:
        """Return the axes that ``plot`` writes: of the loss, then of the accuracy."""
        shown = [name for name in ("loss", "accuracy") if name in self] or ["loss"]
        # The margins are fixed: finding the best would draw everything twice.
        size = (5 * len(shown), 3.6)
        panels = new_panels(1, len(shown), figsize=size, layout=None)
        margins = {"left": 0.1 / len(shown), "right": 0.98, "bottom": 0.14, "top": 0.9}
        panels[0].figure.subplots_adjust(**margins, wspace=0.16)
        return [self.curve(name, ax) for name, ax in zip(shown, panels, strict=True)]

    def curve(self, name: str, ax: Axes | None = None) -> Axes:
        """Draw a figure of training and validation over the epochs; return the axes."""
        found = {
            PLOT_LABELS[label]: (self["epoch"], self[key])
            for key, label in ((name, "train"), (f"val_{name}", "validation"))
            if key in self
        }
        if self.records and not found:
            self[name]  # which says what there is
        labels = {"xlabel": PLOT_LABELS["epoch"], "title": PLOT_LABELS.get(name, name)}
        return lines(found, ax, **labels, legend="upper right" if name == "loss" else "lower right")


def figures_of(record: dict[str, Any]) -> dict[str, float]:
    """Return the losses and metrics of a record, those that are one number."""
    hidden = ("lr", "seconds")
    return {k: v for k, v in record.items() if isinstance(v, float) and k not in hidden}
