"""What a run does with a batch: gathered, varied and mixed; one step, or many as a program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from pullback.core.context import Context
from pullback.core.errors import ShapeError
from pullback.core.map import init
from pullback.core.spec import Spec
from pullback.core.tree import map_leaves
from pullback.data.dataset import Dataset
from pullback.data.normalize import Affine
from pullback.engine import (
    NotCaptured,
    any_length,
    find_device,
    lower_batches,
    lower_loss,
    lower_optimizer,
    lower_sequences,
    program,
)
from pullback.extend.evidence import refuse_coupling
from pullback.optim import Optimizer, Segment
from pullback.train.audit import audit
from pullback.train.metrics import Tally
from pullback.train.mixup import mix
from pullback.train.settings import Settings
from pullback.train.step import Learner, Step, cut, parts
from pullback.train.watch import Watch, check_watch
from pullback.train.workers import only_alone, workers


class Stepper:
    """Takes the steps of a run; ``learner`` and ``tally`` are what they change.

    Args:
        settings: all that decides the run.
        train: the training part.
        normalizer: raw values to network input.
        batch_size: examples a step.
        optimizer: the update rule, bound to the length of the run.
    """

    def __init__(
        self,
        settings: Settings,
        train: Dataset,
        normalizer: Affine,
        batch_size: int,
        optimizer: Optimizer,
    ) -> None:
        self.settings, self.batch_size, self.optimizer = settings, batch_size, optimizer
        self.not_captured: str | None = None
        self.device = find_device(settings.device, settings.dtype)
        self.workers = workers()
        only_alone(
            self.workers,
            **{
                "audit": settings.audit is not None,
                f"device={settings.device!r}": not self.device.compiled,
                type(optimizer).__name__: optimizer.due(0),
            },
        )
        self.spec = Spec(tuple(train.x.shape[1:]), settings.dtype)
        cut = any_length(settings.net, self.spec)
        self.batches = lower_batches(
            train, normalizer, batch_size, settings.dtype, cut, jobs=self.device.compiled
        )
        self.step = self._make_step()
        self.learner = self._start()
        self.watch = self._make_watch()
        self.tally = self._fresh_tally()
        self._program = self._program_to_be()

    def _make_step(self) -> Step:
        settings = self.settings
        net, loss, optimizer = settings.net, settings.loss, self.optimizer
        if self.device.compiled:
            part = self.workers.largest_part(self.batch_size)
            piece = parts(part, settings.accumulate)[0].stop
            net = lower_sequences(net, self.spec, piece, sparse=self.batches.sparse)
            loss, optimizer = lower_loss(loss), lower_optimizer(optimizer, settings.dtype)
        else:
            net, loss = self.device.lower(net, loss, self.spec, self.batch_size)
            optimizer = self.device.lower_optimizer(optimizer)
        return Step(
            net=net,
            loss=loss,
            reference=settings.net,
            optimizer=optimizer,
            seed=settings.seed,
            pieces=settings.accumulate,
            reference_loss=settings.loss,
            workers=self.workers,
        )

    def _start(self) -> Learner:
        theta, state = init(self.settings.net, self.spec, self.settings.seed, self.settings.dtype)
        theta, state = self.device.put_theta(theta), map_leaves(self.device.put, state)
        segments = tuple(
            Segment(entry.name, entry.start, entry.stop, entry.decay)
            for entry in theta.layout.entries
            if not entry.alias
        )
        gradient = self.device.put_theta(theta.layout.zeros(self.settings.dtype))
        return Learner(theta, gradient, self.step.optimizer.start(theta.flat, segments), state)

    def _make_watch(self) -> Watch | None:
        settings = self.settings
        if not settings.watch:
            return None
        check_watch(settings.watch, settings.net, self.batch_size)
        watch = Watch(settings, self.learner, self.batch_size, self.workers)
        self.step = replace(self.step, moments=watch.tally)
        return watch

    def fit_optimizer(self) -> None:
        """Show an optimiser that looks at batches an example, so that it makes room.

        Raises:
            ConfigError: it cannot, as a map couples the examples of a batch.
        """
        if self.optimizer.due(0):
            refuse_coupling(self.settings.net, Context(train=True))
            x, target, weight = self.gather(np.zeros(1, np.int64))
            evidence = self.step.evidence(self.learner, x, target, weight)
            self.learner.slots |= self.optimizer.fitted(evidence)

    def _program_to_be(self) -> Any:
        settings = self.settings
        if settings.augment is not None or settings.mixup or self.workers.count > 1:
            return None
        if settings.accumulate > 1 or self.tally.job is None:
            return None
        if not self.device.compiled:
            return None if self.watch else self._captured()
        if self.learner.state:
            return None
        return program(
            self.step.net, self.step.loss, self.batches, self.step.optimizer, self.learner.slots
        )

    def _captured(self) -> Any:
        """Return the step as a graph of the device, where there are such and it can be one."""
        step = self.step
        try:
            return self.device.capture(
                step.net, step.loss, self.batches, self.optimizer, self.learner, step.seed,
                self.tally.sums,
            )  # fmt: skip
        except NotCaptured as reason:
            self.not_captured = str(reason)
            return None

    def _fresh_tally(self) -> Tally:
        y = self.settings.net.spec(self.spec)
        if isinstance(y, tuple):
            raise ShapeError("fit needs a network with one output")
        return Tally(self.settings.metrics, y.shape[-1] if y.shape else 1, y.dtype)

    def take(self, rows: np.ndarray, batch: int) -> int:
        """Take the step of batch number ``batch`` of an epoch, or several; return how many.

        Args:
            rows: the examples of the epoch in their order.
            batch: which batch is next.
        """
        size, program = self.batch_size, self._program
        index = rows[batch * size : (batch + 1) * size]
        taken = 0
        self._look(index)
        if program is not None and len(index) == size:
            if program.known:
                most = self._most(len(rows) // size - batch)
                taken = program.run(rows, batch, most, self.learner.step)
                self.learner.step += taken
            else:
                program.learn(lambda: self.one_step(index))
                taken = 1
        if taken == 0:
            self.one_step(index)
            taken = 1
        return taken

    def _most(self, most: int) -> int:
        """Return how many of ``most`` steps may be taken until something is to be done."""
        settings, step = self.settings, self.learner.step
        if settings.max_steps is not None:
            most = min(most, settings.max_steps - step)
        if self.watch is not None and self.watch.tally is None:
            most = min(most, settings.every - step % settings.every)
        return min(most, settings.audit - step % settings.audit) if settings.audit else most

    def _look(self, index: np.ndarray) -> None:
        """Look at what is watched, where the next step is one to be looked at."""
        learner = self.learner
        if self.watch is not None and self.watch.due(learner.step, len(index)):
            lr = self.optimizer.lr_at(learner.step, learner.slots)
            self.watch.look(learner, *self.gather(index), lr)

    def one_step(self, index: np.ndarray) -> None:
        """Take one step on the examples ``index``."""
        x, target, weight = self.gather(index)
        x, host = x[self.workers.part(len(index))], self.device.host
        self.workers.at_step(self.learner.step)
        for part, found in self.step(self.learner, x, target, weight):
            self.tally.add(
                host(found.values),
                host(found.y),
                host(cut(target, part)),
                host(cut(weight, part)),
                host(found.weight),
            )

    def audit(self, index: np.ndarray) -> float | None:
        """Return the error of the gradient on the examples ``index``, where it is to be checked."""
        if not self.settings.audit or self.learner.step % self.settings.audit:
            return None
        x, target, weight = self.gather(index)
        return audit(self.step, self.settings.loss, self.learner, x, target, weight, self.device)

    def gather(self, index: np.ndarray) -> tuple[Any, Any, Any]:
        """Return inputs, targets and weights of a batch, varied and mixed as the step says."""
        x, target, weight = self.batches.gather(index, self._augment)
        x, target = self.mixed(x, target)
        return self.device.put(x), self.device.put(target), self.device.put(weight)

    def mixed(self, x: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs and targets mixed as the step says."""
        settings, step = self.settings, self.learner.step
        if not settings.mixup:
            return x, target
        return mix(
            x, target, alpha=settings.mixup, outputs=self._outputs, seed=settings.seed, step=step
        )

    @cached_property
    def _outputs(self) -> int:
        found: int = self.settings.net.spec(self.spec).size
        return found

    @property
    def _augment(self) -> Callable[[np.ndarray], np.ndarray] | None:
        return None if self.settings.augment is None else self._augmented

    def _augmented(self, x: np.ndarray) -> np.ndarray:
        ctx = Context(True, self.settings.seed, self.learner.step, 0, "augment")
        y, _ = self.settings.augment.forward({}, x, ctx)  # type: ignore[union-attr]
        varied: np.ndarray = y
        return varied
