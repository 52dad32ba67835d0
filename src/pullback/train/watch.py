"""Quantities that are watched while a network trains, see ``pullback.extend``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pullback.core.context import Context
from pullback.core.errors import ConfigError, suggestion
from pullback.core.map import Map
from pullback.engine import KEPT_MOMENTS, MomentTally, averages
from pullback.extend import QUANTITIES, Evidence
from pullback.extend.evidence import refuse_coupling
from pullback.extend.quantities import NUMBERS, OF_NORMS
from pullback.train.settings import Settings
from pullback.train.step import Learner
from pullback.train.workers import Workers

TEXT = {
    "unknown": "watch={name!r}: there is no such quantity.{suggestion}",
    "not a number": "watch={name!r}: it is not one number; ask for it with pullback.quantities, or "
    "watch any of {known}",
    "one": "watch needs batches of at least 2 examples, found batch_size={size}",
}


@dataclass(frozen=True)
class Averages:
    """Averages over steps of what ``pullback.extend.Moments`` are of one batch."""

    mean_sq_norm: float
    sq_norm: float
    effective_examples: float


class Watch:
    """The quantities of an epoch's whole batches, averaged.

    Those of the sizes of gradients are quotients and differences of averages, which are less
    biased than the averages of quotients; of the others it is the mean over the steps.
    """

    def __init__(
        self, settings: Settings, learner: Learner, batch_size: int, workers: Workers
    ) -> None:
        self.settings, self.batch_size = settings, batch_size
        self._moments = np.zeros(KEPT_MOMENTS)
        self._others = np.zeros(len(settings.watch))
        names = settings.watch
        self._scatters = bool(set(names) & set(PER_EXAMPLE))
        beside = settings.every > 1 or settings.accumulate > 1 or not set(names) <= set(OF_NORMS)
        self.tally = None
        beside = beside or not isinstance(learner.theta.flat, np.ndarray)
        if not beside and not settings.net.couples_batch:
            layout, dtype = learner.gradient.layout, settings.dtype
            part = workers.part(batch_size) if workers.count > 1 else None
            self.tally = MomentTally(self._moments, layout, batch_size, dtype, part)

    @property
    def sums(self) -> dict[str, np.ndarray]:
        """All that is added up, by name."""
        return {"moments": self._moments, "others": self._others}

    def clear(self) -> None:
        """Begin again."""
        self._moments[:] = self._others[:] = 0

    def due(self, step: int, examples: int) -> bool:
        """Whether step number ``step``, of so many examples, is looked at beside its training."""
        beside = self.tally is None and examples == self.batch_size
        return beside and step % self.settings.every == 0

    def look(self, learner: Learner, x: Any, target: Any, weight: Any, lr: float) -> None:
        """Add what the next step sees; of the network as it is, before that step."""
        settings = self.settings
        ctx = Context(True, settings.seed, learner.step, 0, "", learner.state)
        at = Evidence.of(settings.net, settings.loss, learner.theta, x, target, ctx, weight, lr)
        for i, name in enumerate(settings.watch):
            if name not in OF_NORMS:
                self._others[i] += QUANTITIES[name](at)
        mean = at.mean_sq_norm if self._scatters else 0.0
        self._moments += mean, at.sq_norm, at.effective_examples, 1

    def results(self) -> dict[str, float]:
        """Return each quantity by its name; NaN where no step was looked at."""
        names, count = self.settings.watch, self._moments[3]
        if not count:
            return dict.fromkeys(names, float("nan"))
        at = Averages(**averages(self._moments))
        return {
            name: float(QUANTITIES[name](at) if name in OF_NORMS else self._others[i] / count)
            for i, name in enumerate(names)
        }


def check_watch(names: tuple[str, ...], net: Map, batch_size: int) -> None:
    """Raise ``ConfigError`` where a name is none that can be watched in such training."""
    for name in names:
        if name not in QUANTITIES:
            found = suggestion(name, NUMBERS)
            raise ConfigError(TEXT["unknown"].format(name=name, suggestion=found))
        if name not in NUMBERS:
            raise ConfigError(TEXT["not a number"].format(name=name, known=", ".join(NUMBERS)))
    if set(names) & set(PER_EXAMPLE):
        refuse_coupling(net, Context(train=True))
        if batch_size < 2:
            raise ConfigError(TEXT["one"].format(size=batch_size))


PER_EXAMPLE = tuple(
    name for name in (*OF_NORMS, "inner_product_test", "orthogonality_test")
    if name != "gradient_norm"
)  # fmt: skip
"""Those that need the gradients of single examples."""
