"""``lrfind``: which learning rate to train with, and why."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pullback.core.errors import ConfigError
from pullback.core.map import Map
from pullback.data.dataset import Data, Dataset
from pullback.losses.base import Loss
from pullback.optim import Optimizer
from pullback.optim.rates import highest_lr, rule_of, with_lr
from pullback.train.finding import LrFinding, Trial
from pullback.train.range_test import range_test
from pullback.train.settings import Settings, settings_for
from pullback.train.stability import stability
from pullback.train.trial import Trials

STEPS = 300
"""Of the longest trials, unless the run is shorter."""
SHORT = 3
"""Of what share of the longest trials the first ones are."""
LAST = 5
"""A trial is judged by the mean loss of its last fifth."""
FINE = 1.5
COARSE = FINE**3
FURTHER = 2
"""The most trials beyond the neighbours of the best short one."""
LEAST, MOST = 1e-8, 1e4
TEXT = {
    "steps": "steps={steps!r}; expected a whole number of at least 10",
}
Listener = Callable[[Trial], None]


def lrfind(
    net: Map,
    data: Dataset | Data,
    *,
    loss: Loss,
    optimizer: Optimizer,
    validation: float | Dataset = 0.0,
    steps: int = STEPS,
    **settings: Any,
) -> LrFinding:
    """Find a learning rate by a range test and short trials; measure the stability limit.

    Three things are looked at, all from the start that the run would have, on its batches:

    1. a range test: 100 steps while the learning rate grows from 1e-5 to 100;
    2. the stability limit of the Hessian at the start, to be compared with;
    3. trials. From where the range test's smoothed loss is lowest, the learning rate is divided by
       3.4 until a trial of a third of ``steps`` ends higher than the one before (multiplied, where
       the first division is worse already). At the best of them, and at 1.5 times as much and as
       little, trials of all ``steps`` are made, and up to two more in the direction that is better.
       The one that ends lowest is suggested: the mean loss of its last fifth counts.

    A trial is a run of its own length: a schedule is as long as the trial, and keeps its form. What
    is suggested is its highest learning rate. The learning rate of ``optimizer`` plays no part.

    Args:
        net, data, loss, optimizer, validation, settings: as for ``fit``; what does not change the
            steps themselves is left aside.
        steps: of the longest trials; fewer where the run itself is shorter. The suggestion is made
            for as many steps: of a much longer run the best may be lower.

    Raises:
        ConfigError: a value that cannot be used.
        ShapeError: network, data and loss do not fit together.
        NonFiniteError: the very first loss or gradient is not finite.
    """
    held = validation if isinstance(validation, Dataset) else None
    share = 0.0 if held is not None else validation
    chosen = settings_for(net, data, loss=loss, optimizer=optimizer, validation=share, **settings)
    return lrfind_settings(chosen, data, held=held, steps=steps)


def lrfind_settings(
    settings: Settings,
    data: Dataset | Data,
    *,
    held: Dataset | None = None,
    steps: int = STEPS,
    listener: Listener = lambda trial: None,
) -> LrFinding:
    """Find a learning rate for settings; ``listener`` is called with each trial that is over."""
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 10:
        raise ConfigError(TEXT["steps"].format(steps=steps))
    highest_lr(settings.optimizer)  # before anything is done: is there one to replace?
    trials = Trials(settings, data, held)
    found = range_test(trials)
    limit = stability(trials)
    tried = _Search(trials, min(steps, trials.run_steps), listener)
    best = tried.refine(tried.descend(found.lowest))
    rule = type(rule_of(settings.optimizer)).__name__
    suggested = best.lr if math.isfinite(best.loss) else None
    return LrFinding(
        suggested, found, limit, tuple(tried.done), trials.taken, rule, trials.run_steps
    )


class _Search:
    """Trials one after another, each told and kept."""

    def __init__(self, trials: Trials, longest: int, listener: Listener) -> None:
        self.trials, self.longest, self.listener = trials, longest, listener
        self.short = max(1, longest // SHORT)
        self.done: list[Trial] = []

    def _try(self, lr: float, steps: int) -> Trial:
        lr = float(f"{lr:.3g}")  # so that what is told is what was tried
        optimizer = with_lr(self.trials.settings.optimizer, lr)
        losses = list(self.trials.losses(optimizer, steps))
        last = losses[-max(1, steps // LAST) :]
        loss = sum(last) / len(last) if len(losses) == steps else math.inf
        trial = Trial(lr, steps, loss)
        self.done.append(trial)
        self.listener(trial)
        return trial

    def descend(self, highest: float) -> Trial:
        """Return the best of short trials, from ``highest`` downwards, or else upwards."""
        start = self._try(highest, self.short)
        best = self._walk(start, 1 / COARSE)
        return self._walk(start, COARSE) if best is start else best

    def _walk(self, best: Trial, factor: float) -> Trial:
        while LEAST < best.lr * factor < MOST:
            following = self._try(best.lr * factor, self.short)
            if not following.loss < best.loss and math.isfinite(best.loss):
                break
            best = following
        return best

    def refine(self, best: Trial) -> Trial:
        """Return the best of the longest trials: at ``best``, beside it, and on from there."""
        middle = self._try(best.lr, self.longest)
        below = self._try(middle.lr / FINE, self.longest)
        above = self._try(middle.lr * FINE, self.longest)
        found = min((middle, below, above), key=lambda trial: trial.loss)
        factor = found.lr / middle.lr
        for _ in range(FURTHER if found is not middle else 0):
            following = self._try(found.lr * factor, self.longest)
            if not following.loss < found.loss:
                break
            found = following
        return found
