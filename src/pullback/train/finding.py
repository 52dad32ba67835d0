"""What ``lrfind`` has found: as text, as plain data, as a picture."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pullback.plots import learning_rates, save
from pullback.train.range_test import BLOWN, RangeTest
from pullback.train.stability import Stability

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEXT = {
    "conclusion": "learning rate {lr:g}: of {count} trials from the same start, those of {steps} "
    "steps end lowest there, at a loss of {loss:.4g}",
    "no conclusion": "no learning rate: every trial of {steps} steps diverged; try gradient "
    "clipping, another start, or a network that normalises",
    "range": "range test: the smoothed loss was lowest at {lowest:.2g}",
    "blown": ", and {times:g} times as high, or not finite, at {blown:.2g}",
    "whole": ", and did not blow up before {last:.2g}",
    "sharpness": "stability: the largest eigenvalue of the Hessian at the start is "
    "{sharpness:.3g} ({examples} examples of the first batch), so ",
    "limit": "gradient descent is stable below 2 / {sharpness:.3g} = {limit:.3g}",
    "own": ", {rule} below {own:.3g}; {times}",
    "same": "; {times}",
    "none": "; {rule} scales the step of each parameter by itself, and is not held to this",
    "flat": "no learning rate is too large yet: nothing bends upwards",
    "unknown": "stability: not known, as a map of the network cannot take complex numbers",
    "times": "the suggestion is {factor:.2g} times that",
    "bind": ", so the network has to become flatter on the way",
    "trial": "trial: lr {lr:<9g} {steps:>5} steps  {ends}",
    "ends": "loss {loss:.4g}",
    "diverged": "diverged",
    "cost": "cost: {taken:,} steps; the run would take {run:,}",
    "lr": "learning rate",
    "loss": "loss of a batch",
    "batch": "range test, each batch",
    "smooth": "range test, smoothed",
    "trials": "trials of {steps} steps, last fifth",
    "line 2": "2 / λmax",
    "line own": "limit of {rule}",
    "suggestion": "suggestion {lr:g}",
}


@dataclass(frozen=True)
class Trial:
    """A short training: ``loss`` is the mean over the last fifth of its ``steps``, infinite where
    it diverged.
    """

    lr: float
    steps: int
    loss: float

    def __str__(self) -> str:
        fine = math.isfinite(self.loss)
        ends = TEXT["ends"].format(loss=self.loss) if fine else TEXT["diverged"]
        return TEXT["trial"].format(lr=self.lr, steps=self.steps, ends=ends)


@dataclass(frozen=True)
class LrFinding:
    """A learning rate, and what speaks for it.

    ``lr`` is the suggestion, None where every trial diverged; ``range_test`` and ``stability``
    (None: not known) are what they are called; ``trials`` come in the order in which they were
    made, the longest last. ``steps`` counts all steps taken to find it, and ``run_steps`` those of
    the run itself. ``rule`` is the name of the update rule.
    """

    lr: float | None
    range_test: RangeTest
    stability: Stability | None
    trials: tuple[Trial, ...]
    steps: int
    rule: str
    run_steps: int

    @property
    def longest(self) -> int:
        """The steps of the longest trials."""
        return max(trial.steps for trial in self.trials)

    def __str__(self) -> str:
        return "\n".join([self.conclusion, *self.reasons()])

    @property
    def conclusion(self) -> str:
        """What to do, in one line."""
        if self.lr is None:
            return TEXT["no conclusion"].format(steps=self.longest)
        ended = min(t.loss for t in self.trials if t.lr == self.lr and t.steps == self.longest)
        return TEXT["conclusion"].format(
            lr=self.lr, count=len(self.trials), steps=self.longest, loss=ended
        )

    def reasons(self) -> Iterator[str]:
        """Yield what speaks for it, a line each."""
        found = self.range_test
        end = (
            TEXT["whole"].format(last=found.lrs[-1])
            if found.blown is None
            else TEXT["blown"].format(times=BLOWN, blown=found.blown)
        )
        yield TEXT["range"].format(lowest=found.lowest) + end
        yield self._of_stability()
        yield TEXT["cost"].format(taken=self.steps, run=self.run_steps)

    def _of_stability(self) -> str:
        at = self.stability
        if at is None:
            return TEXT["unknown"]
        head = TEXT["sharpness"].format(sharpness=at.sharpness, examples=at.examples)
        if at.gradient_descent is None:
            return head + TEXT["flat"]
        limit = TEXT["limit"].format(sharpness=at.sharpness, limit=at.gradient_descent)
        if at.own is None:
            return head + limit + TEXT["none"].format(rule=self.rule)
        if self.lr is None:
            return head + limit
        times = TEXT["times"].format(factor=self.lr / at.own)
        if at.own < self.lr:
            times += TEXT["bind"]
        same = at.own == at.gradient_descent
        kind = "same" if same else "own"
        return head + limit + TEXT[kind].format(rule=self.rule, own=at.own, times=times)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain data; a loss that is infinite becomes None."""
        trials = [
            {**asdict(trial), "loss": trial.loss if math.isfinite(trial.loss) else None}
            for trial in self.trials
        ]
        return {
            "lr": self.lr,
            "conclusion": self.conclusion,
            "rule": self.rule,
            "stability": None if self.stability is None else asdict(self.stability),
            "range_test": {**asdict(self.range_test), "lowest": self.range_test.lowest},
            "trials": trials,
            "steps": self.steps,
            "run_steps": self.run_steps,
        }

    def plot(self, path: str | Path | IO[bytes]) -> None:
        """Draw the range test, the trials, the limits and the suggestion to a file."""
        save(self.draw(), path)

    def draw(self, ax: Axes | None = None) -> Axes:
        """Draw what ``plot`` writes; return the axes."""
        test, trials = self.range_test, {}
        for steps in sorted({t.steps for t in self.trials}):
            shown = sorted((t for t in self.trials if t.steps == steps), key=lambda t: t.lr)
            ends = [t.loss if math.isfinite(t.loss) else math.nan for t in shown]
            trials[TEXT["trials"].format(steps=steps)] = [t.lr for t in shown], ends
        losses = {TEXT["batch"]: test.losses, TEXT["smooth"]: test.smoothed}
        words = {"xlabel": TEXT["lr"], "ylabel": TEXT["loss"]}
        return learning_rates(test.lrs, losses, trials, self._lines(), ax, **words)

    def _lines(self) -> Iterator[tuple[float, str, str]]:
        at = self.stability
        if at is not None and at.gradient_descent is not None:
            yield at.gradient_descent, "--", TEXT["line 2"]
            if at.own is not None and at.own != at.gradient_descent:
                yield at.own, "-.", TEXT["line own"].format(rule=self.rule)
        if self.lr is not None:
            yield self.lr, "-", TEXT["suggestion"].format(lr=self.lr)
