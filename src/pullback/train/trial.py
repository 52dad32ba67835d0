"""Trials: the first steps of a run, taken again from the same start with another update rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from pullback.core.errors import NonFiniteError
from pullback.data.dataset import Data, Dataset
from pullback.data.split import epoch_order
from pullback.optim import Optimizer
from pullback.train.fit import Training
from pullback.train.settings import Settings
from pullback.train.stepping import Stepper


class Trials:
    """Short trainings that share data, order, noise and start with the run of ``settings``.

    Nothing of one is left in the next, and nothing is written. ``taken`` counts all steps.

    Args:
        settings: what the run would do.
        data: its data; the split and the normaliser are those of the run.
        held: its validation data set, where one is given.
    """

    def __init__(
        self, settings: Settings, data: Dataset | Data, held: Dataset | None = None
    ) -> None:
        training = Training(settings, data, held, ())
        # the parts are known to fit now; metrics would only cost time
        self.settings = replace(settings, metrics=())
        self.train, self.normalizer = training.train, training.normalizer
        self.batch_size = training.loop.batch_size
        self.steps_per_epoch = training.loop.steps_per_epoch
        self.learner = training.loop.learner
        self.taken = 0

    @property
    def run_steps(self) -> int:
        """How many steps the run would take, at most."""
        most = self.settings.epochs * self.steps_per_epoch
        return most if self.settings.max_steps is None else min(most, self.settings.max_steps)

    def rows(self) -> Iterator[np.ndarray]:
        """Yield the examples of every batch of the run, one after another, without end."""
        epoch, size = 0, self.batch_size
        while True:
            order = epoch_order(self.train, size, self.settings.seed, epoch)
            for start in range(0, min(len(order), self.steps_per_epoch * size), size):
                yield order[start : start + size]
            epoch += 1

    def losses(self, optimizer: Optimizer, steps: int) -> Iterator[float]:
        """Yield the mean loss of each batch, before its update, until ``steps`` are taken.

        It ends early where a loss or a gradient is not finite.

        Raises:
            NonFiniteError: those of the first step are not, which is not the learning rate's doing.
        """
        bound = optimizer.bind(steps, self.steps_per_epoch)
        stepper = Stepper(self.settings, self.train, self.normalizer, self.batch_size, bound)
        with np.errstate(all="ignore"):  # what is not finite is found, and is an answer
            for index, _ in zip(self.rows(), range(steps), strict=False):
                stepper.tally.clear()
                try:
                    stepper.one_step(index)
                except NonFiniteError:
                    if stepper.learner.step == 0:
                        raise
                    return
                finally:
                    self.taken += 1
                yield stepper.tally.results()["loss"]
