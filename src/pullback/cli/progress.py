"""What a run shows while it works: a live line, one line an epoch, or JSON lines."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from types import TracebackType
from typing import Any

from pullback.train.events import Audited, EpochEnded, Event, Progress, Sampled, Started
from pullback.train.fit import Run
from pullback.train.loop import REASONS

TEXT = {
    "started": "training on {train:,} examples, validating on {held:,}, {steps:,} steps an epoch",
    "epoch": "epoch {epoch}/{epochs}",
    "rate": "{rate:,.0f} examples/s",
    "seconds": "{seconds:.2f} s",
    "stopped": "stopped: {reason}",
    "interrupted": "interrupted; continue with: pullback resume {path}",
    "result": "test accuracy {accuracy:.4f}, test loss {loss:.4f}",
    "other": "test {name} {value:.4f}",
    "audited": "gradient checked at {count} steps, largest error {error:.1e}",
    "run": "run: {path}  ({seconds:.1f} s)",
}
NAMES = {"lr": "learning rate"}


def reporter(as_json: bool) -> Reporter:
    """Return the way to report that suits where the output goes."""
    if as_json:
        return JsonReporter()
    return LiveReporter() if sys.stdout.isatty() else LineReporter()


class Reporter:
    """Base: called with every event, entered around the run, and told the end."""

    def __call__(self, event: Event) -> None:
        """Take an event."""
        raise NotImplementedError

    def done(self, run: Run, figures: dict[str, Any], seconds: float) -> None:
        """Report the end: the test figures, by name, and where the run is."""
        raise NotImplementedError

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to tidy up."""


class JsonReporter(Reporter):
    """One JSON object a line."""

    def __call__(self, event: Event) -> None:
        """Print the record of an epoch."""
        if isinstance(event, EpochEnded):
            self._print({"event": "epoch", **event.figures})
        elif isinstance(event, Audited):
            self._print({"event": "audit", **asdict(event)})
        elif isinstance(event, Sampled):
            self._print({"event": "sample", **asdict(event)})

    def done(self, run: Run, figures: dict[str, Any], seconds: float) -> None:
        """Print the last line."""
        self._print(
            {
                "event": "done",
                **figures,
                "seconds": round(seconds, 3),
                "run": str(run.path),
                "stopped": run.stopped,
            }
        )

    @staticmethod
    def _print(record: dict[str, Any]) -> None:
        print(json.dumps(record), flush=True)


class LineReporter(Reporter):
    """One line an epoch."""

    epochs = 0

    def __init__(self) -> None:
        self.audits: list[float] = []

    def __call__(self, event: Event) -> None:
        """Print the start and each epoch."""
        if isinstance(event, Started):
            self.epochs = event.epochs
            self.write(
                TEXT["started"].format(
                    train=event.train_examples,
                    held=event.validation_examples,
                    steps=event.steps_per_epoch,
                )
            )
        elif isinstance(event, EpochEnded):
            self.write(self.epoch_line(event))
        elif isinstance(event, Audited):
            self.audits.append(event.error)
        elif isinstance(event, Sampled):
            self.write("\n".join(f"  | {line}" for line in event.text.strip().splitlines()))

    def epoch_line(self, event: EpochEnded) -> str:
        """Return the text of an epoch's record."""
        seconds = TEXT["seconds"].format(seconds=event.figures["seconds"])
        head = TEXT["epoch"].format(epoch=event.epoch, epochs=self.epochs)
        return f"{head}  {figures_text(event.figures)}  {seconds}"

    def write(self, line: str) -> None:
        """Print a line."""
        print(line, flush=True)

    def done(self, run: Run, figures: dict[str, Any], seconds: float) -> None:
        """Print the test figures and where the run is."""
        if run.stopped == "interrupted":
            self.write(TEXT["interrupted"].format(path=run.path))
            return
        if run.stopped != "epochs":
            self.write(TEXT["stopped"].format(reason=REASONS[run.stopped]))
        if {"test_accuracy", "test_loss"} <= figures.keys():
            self.write(
                TEXT["result"].format(accuracy=figures["test_accuracy"], loss=figures["test_loss"])
            )
        else:
            for name, value in figures.items():
                self.write(TEXT["other"].format(name=name.removeprefix("test_"), value=value))
        if self.audits:
            self.write(TEXT["audited"].format(count=len(self.audits), error=max(self.audits)))
        self.write(TEXT["run"].format(path=run.path, seconds=seconds))


class LiveReporter(LineReporter):
    """On a terminal: a line an epoch, and a bar that moves under it."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[figures]}"),
            console=Console(),
            transient=True,
            auto_refresh=False,
        )
        self._task: Any = None

    def __enter__(self) -> LiveReporter:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        self._bar.stop()

    def __call__(self, event: Event) -> None:
        """Move the bar, and print what a line is printed for."""
        if isinstance(event, Progress):
            self._move(event)
            return
        super().__call__(event)

    def _move(self, event: Progress) -> None:
        head = TEXT["epoch"].format(epoch=event.epoch, epochs=self.epochs)
        if self._task is None:
            self._task = self._bar.add_task(head, total=1, figures="")
        rate = TEXT["rate"].format(rate=event.examples_per_second)
        self._bar.update(
            self._task,
            description=head,
            total=event.steps_per_epoch,
            completed=event.step,
            figures=f"{figures_text(event.figures)}  {rate}",
        )
        self._bar.refresh()

    def write(self, line: str) -> None:
        """Print a line above the bar."""
        self._bar.console.print(line, highlight=False, markup=False)


def figures_text(figures: Any) -> str:
    """Return ``loss 0.1234  accuracy 0.9876`` of the figures that are numbers."""
    hidden = ("epoch", "seconds", "lr")
    return "  ".join(
        f"{NAMES.get(name, name)} {value:.4f}"
        for name, value in figures.items()
        if isinstance(value, float) and name not in hidden
    )
