"""The loop around the step: epochs, batches, validation, and when to stop."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pullback.core.context import Context
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.map import Map, init
from pullback.core.spec import Spec, spec_of
from pullback.core.theta import Theta
from pullback.core.tree import map_leaves
from pullback.data.batches import check_batch_size
from pullback.data.dataset import Dataset
from pullback.data.files import sample
from pullback.data.normalize import Affine
from pullback.data.split import order
from pullback.engine import (
    Program,
    lower,
    lower_batches,
    lower_loss,
    lower_optimizer,
    program,
)
from pullback.optim import Segment
from pullback.train.audit import audit
from pullback.train.checkpoint import Position, load_checkpoint, save_checkpoint
from pullback.train.evaluate import EVALUATION_BATCH, evaluate
from pullback.train.events import (
    Audited,
    Callback,
    EpochEnded,
    Event,
    Progress,
    Started,
    Stopped,
)
from pullback.train.history import History
from pullback.train.interrupt import InterruptRequest
from pullback.train.metrics import Tally
from pullback.train.mixup import check_mixup, mix
from pullback.train.settings import Settings
from pullback.train.step import Learner, Step, cut, parts

REASONS = {
    "epochs": "all epochs are done",
    "until_loss": "the loss reached the threshold",
    "max_steps": "the number of steps is reached",
    "max_seconds": "the time is used up",
    "patience": "the monitored loss stopped falling",
    "interrupted": "interrupted",
}
UNFINISHED = ("interrupted",)
PROGRESS_SECONDS = 0.1


class Loop:
    """One run in memory: the learner, the data, and the position.

    Args:
        settings: all that decides the run.
        train: the training part.
        held: the validation part, or None.
        normalizer: fitted on ``train``.
        callbacks: called with every event.
    """

    def __init__(
        self,
        settings: Settings,
        train: Dataset,
        held: Dataset | None,
        normalizer: Affine,
        callbacks: tuple[Callback, ...] = (),
    ) -> None:
        self.train, self.held, self.callbacks = train, held, callbacks
        self.batch_size = self._batch_size(settings, len(train))
        self.steps_per_epoch = -(-len(train) // self.batch_size)
        self.settings = settings
        self.spec = Spec(tuple(train.x.shape[1:]), settings.dtype)
        self._check_pieces()
        self.optimizer = settings.optimizer.bind(
            settings.epochs * self.steps_per_epoch, self.steps_per_epoch
        )
        self.batches = lower_batches(train, normalizer, self.batch_size, settings.dtype)
        self.normalizer = normalizer
        self.step = self._make_step()
        self.learner = self._start()
        self._check_parts_fit()
        self.position = Position()
        self.tally = self._fresh_tally()
        self._program = self._program_to_be()
        self.best = self._snapshot() if settings.patience is not None else None
        self._make_validation()

    @staticmethod
    def _batch_size(settings: Settings, examples: int) -> int:
        if settings.batch_size is None or settings.optimizer.full_batch:
            return examples
        check_batch_size(settings.batch_size, examples)
        return settings.batch_size

    def _check_pieces(self) -> None:
        last = len(self.train) - (self.steps_per_epoch - 1) * self.batch_size
        sizes = {
            part.stop - part.start
            for count in (self.batch_size, last)
            for part in parts(count, self.settings.accumulate)
        }
        if self.settings.net.couples_batch and min(sizes) == 1:
            raise ConfigError(
                f"batch_size={self.batch_size} leaves a batch of one example of the "
                f"{len(self.train)}, which batch normalisation cannot use; choose another size"
            )

    def _check_parts_fit(self) -> None:
        """Run two examples through, so that parts that do not fit are found before anything else.

        Raises:
            ShapeError: network, loss, targets or augmentation do not fit together.
        """
        settings, y = self.settings, self.train.y.reshape(len(self.train), -1)[:, 0]
        few = np.array([y.argmin(), y.argmax()])  # the first and the last class
        raw, target = self.train.x[few], self.train.y[few]
        if settings.augment is not None:
            _check_augment(settings.augment, spec_of(raw))
        x = self.normalizer.apply(raw, settings.dtype)
        with np.errstate(all="ignore"):
            ctx = Context(state=self.learner.state)
            outputs, _ = settings.net.forward(self.learner.theta, x, ctx)
            settings.loss.forward(outputs, target)
            if settings.mixup:
                check_mixup(settings.mixup, self.train)
                settings.loss.forward(outputs, self._mixed(x, target)[1])

    def _make_step(self) -> Step:
        settings = self.settings
        piece = parts(self.batch_size, settings.accumulate)[0].stop
        lowered = lower(settings.net, self.spec, piece, sparse=self.batches.sparse)
        return Step(
            net=lowered,
            loss=lower_loss(settings.loss),
            reference=settings.net,
            optimizer=lower_optimizer(self.optimizer, settings.dtype),
            seed=settings.seed,
            pieces=settings.accumulate,
        )

    def _start(self) -> Learner:
        theta, state = init(self.settings.net, self.spec, self.settings.seed, self.settings.dtype)
        segments = tuple(
            Segment(entry.name, entry.start, entry.stop, entry.decay)
            for entry in theta.layout.entries
            if not entry.alias
        )
        gradient = theta.layout.zeros(self.settings.dtype)
        return Learner(theta, gradient, self.step.optimizer.start(theta.flat, segments), state)

    def _program_to_be(self) -> Program | None:
        settings = self.settings
        if settings.augment is not None or settings.mixup:
            return None
        if settings.accumulate > 1 or self.learner.state:
            return None
        if self.tally.job is None:
            return None
        return program(
            self.step.net, self.step.loss, self.batches, self.step.optimizer, self.learner.slots
        )

    def _make_validation(self) -> None:
        if self.held is None:
            return
        size = min(EVALUATION_BATCH, len(self.held))
        self._held_batches = lower_batches(self.held, self.normalizer, size, self.settings.dtype)
        sparse = self._held_batches.sparse
        self._held_net = lower(self.settings.net, self.spec, size, sparse=sparse)

    def _fresh_tally(self) -> Tally:
        y = self.settings.net.spec(self.spec)
        if isinstance(y, tuple):
            raise ShapeError("fit needs a network with one output")
        return Tally(self.settings.metrics, y.shape[-1] if y.shape else 1, y.dtype)

    # -- what is saved, and restored

    def _snapshot(self) -> dict[str, Any]:
        return {
            "theta": self.evaluated_theta().flat.copy(),
            "state": map_leaves(np.copy, self.learner.state),
        }

    def tensors(self) -> dict[str, Any]:
        """Return every array that the rest of the run depends on."""
        slots = {k: v for k, v in self.learner.slots.items() if not k.startswith("_")}
        kept: dict[str, Any] = {
            "theta": self.learner.theta.flat,
            "state": self.learner.state,
            "slots": slots,
            "step": np.array(self.learner.step),
            "sums": {str(i): sums for i, sums in enumerate(self.tally.sums)},
        }
        if self.best is not None:
            kept["best"] = self.best
        return kept

    def data_digest(self) -> str:
        """Return a digest of the training targets and a sample of the inputs."""
        digest = hashlib.blake2b(digest_size=16)
        for array in (self.train.y, sample(self.train.x)):
            digest.update(str((array.shape, array.dtype)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write the checkpoint."""
        save_checkpoint(path, self.tensors(), self.position, self.data_digest())

    def restore(self, path: Path) -> None:
        """Go back to where a checkpoint was written."""
        found, self.position = load_checkpoint(path, self.tensors(), self.data_digest())
        self.learner.theta.flat[...] = found["theta"]
        for name, value in found["slots"].items() if "slots" in found else ():
            self.learner.slots[name][...] = value
        self.learner.state = found.get("state", {})
        self.learner.step = int(found["step"])
        for sums, value in zip(self.tally.sums, found["sums"].values(), strict=True):
            sums[...] = value
        self.best = found.get("best")

    # -- running

    def history(self) -> History:
        """Return the records so far."""
        return History(self.position.records)

    def evaluated_theta(self) -> Theta:
        """Return the parameters that count: the optimiser's average where it keeps one."""
        averaged = self.optimizer.averaged(self.learner.slots)
        return self.learner.theta if averaged is None else self.learner.theta.layout.view(averaged)

    def final(self) -> tuple[Theta, Mapping[str, Any]]:
        """Return parameters and state of the model as it stands: the best where one is kept."""
        if self.best is not None and self.position.best_epoch is not None:
            best = self.learner.theta.layout.view(self.best["theta"].copy())
            return best, map_leaves(np.copy, self.best.get("state", {}))
        return self.evaluated_theta().copy(), map_leaves(np.copy, self.learner.state)

    def run(self, at_epoch: Callable[[], None], at_stop: Callable[[], None]) -> str:
        """Train until something says stop; return the reason.

        ``at_epoch`` is called after each finished epoch and ``at_stop`` at the end, to save.
        """
        self._emit(
            Started(
                self.position.epoch,
                self.settings.epochs,
                self.steps_per_epoch,
                len(self.train),
                len(self.held) if self.held is not None else 0,
            )
        )
        self.position.stopped = None
        self._clock = time.monotonic() - self.position.seconds
        # What is not finite is found and explained; NumPy's warnings would only repeat it.
        with InterruptRequest() as interrupt, np.errstate(all="ignore"):
            reason = None
            while reason is None:
                reason = self._epoch(interrupt)
                self.position.seconds = time.monotonic() - self._clock
                if reason is None:
                    reason = self._reason_after_epoch()
                    self.position.stopped = reason
                    at_epoch()
            self.position.stopped = reason
            at_stop()
        self._emit(Stopped(reason, self.position.epoch, self.learner.step))
        return reason

    def _epoch(self, interrupt: InterruptRequest) -> str | None:
        position, size = self.position, self.batch_size
        if position.epoch >= self.settings.epochs:
            return "epochs"
        rows = order(len(self.train), self.settings.seed, position.epoch)
        began = last = time.monotonic()
        first = position.batch
        with self.batches.ahead(rows[first * size :]):
            while position.batch < self.steps_per_epoch:
                if reason := self._reason_before_step(interrupt):
                    return reason
                position.batch += self._some_steps(rows)
                now = time.monotonic()
                if self.callbacks and now - last >= PROGRESS_SECONDS:
                    last = now
                    self._emit_progress((position.batch - first) * size / (now - began))
        self._close_epoch(time.monotonic() - began)
        return None

    def _some_steps(self, rows: np.ndarray) -> int:
        """Take the next step, or several of them; return how many."""
        size, batch, program = self.batch_size, self.position.batch, self._program
        index = rows[batch * size : (batch + 1) * size]
        taken = 0
        if program is not None and len(index) == size:
            if program.known:
                taken = program.run(rows, batch, self._most(len(rows)), self.learner.step)
                self.learner.step += taken
            else:
                program.learn(lambda: self._one_step(index))
                taken = 1
        if taken == 0:
            self._one_step(index)
            taken = 1
        self._audit(rows[(batch + taken - 1) * size : (batch + taken) * size])
        return taken

    def _most(self, count: int) -> int:
        """Return how many steps of whole batches may be taken until something is to be done."""
        settings, step = self.settings, self.learner.step
        most = count // self.batch_size - self.position.batch
        if settings.max_steps is not None:
            most = min(most, settings.max_steps - step)
        return min(most, settings.audit - step % settings.audit) if settings.audit else most

    def _one_step(self, index: np.ndarray) -> None:
        x, target, weight = self._gather(index)
        for part, found in self.step(self.learner, x, target, weight):
            self.tally.add(found.values, found.y, cut(target, part), cut(weight, part))

    def _audit(self, index: np.ndarray) -> None:
        if not self.settings.audit or self.learner.step % self.settings.audit:
            return
        x, target, weight = self._gather(index)
        error = audit(self.step, self.settings.loss, self.learner, x, target, weight)
        self._emit(Audited(self.learner.step, error))

    def _gather(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return inputs, targets and weights of a batch, varied and mixed as the step says."""
        x, target, weight = self.batches.gather(index, self._augment)
        return *self._mixed(x, target), weight

    def _mixed(self, x: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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

    def _close_epoch(self, seconds: float) -> None:
        position = self.position
        record = {"epoch": position.epoch + 1, **self.tally.results()}
        if self.held is not None:
            record |= evaluate(
                self._held_net, self.settings.loss, self.settings.metrics,
                self.evaluated_theta(), self.learner.state, self._held_batches, "val_",
            )  # fmt: skip
        record["lr"] = self.optimizer.lr_at(self.learner.step - 1, self.learner.slots)
        record["seconds"] = round(seconds, 4)
        position.records.append(record)
        position.epoch, position.batch = position.epoch + 1, 0
        self.tally.clear()
        self._observe(record["val_loss"] if self.held is not None else record["loss"])
        self._emit(EpochEnded(position.epoch, record))

    def _observe(self, monitored: float) -> None:
        self.optimizer.observe(self.learner.slots, monitored)
        best = self.position.best_value
        if best is None or monitored < best:
            self.position.best_value, self.position.best_epoch = monitored, self.position.epoch
            if self.best is not None:
                self.best = self._snapshot()

    def _reason_before_step(self, interrupt: InterruptRequest) -> str | None:
        settings = self.settings
        if interrupt.requested:
            return "interrupted"
        if settings.max_steps is not None and self.learner.step >= settings.max_steps:
            return "max_steps"
        used = time.monotonic() - self._clock
        if settings.max_seconds is not None and used >= settings.max_seconds:
            return "max_seconds"
        return None

    def _reason_after_epoch(self) -> str | None:
        settings, position = self.settings, self.position
        if settings.until_loss is not None and position.records[-1]["loss"] <= settings.until_loss:
            return "until_loss"
        waited = position.epoch - (position.best_epoch or 0)
        if settings.patience is not None and waited >= settings.patience:
            return "patience"
        return "epochs" if position.epoch >= settings.epochs else None

    def _emit_progress(self, rate: float) -> None:
        self._emit(
            Progress(
                self.position.epoch + 1,
                self.position.batch,
                self.steps_per_epoch,
                self.tally.results(),
                rate,
            )
        )

    def _emit(self, event: Event) -> None:
        for callback in self.callbacks:
            callback(event)


def _check_augment(augment: Map, raw: Spec) -> None:
    """Raise an error unless ``augment`` has nothing to learn and keeps the shape of ``raw``."""
    if augment.params(raw) or augment.state(raw):
        raise ConfigError(
            f"augment={augment!r} has parameters or state; expected a map such as "
            "pullback.RandomShift(1)"
        )
    found = augment.spec(raw).shape
    if found != raw.shape:
        raise ShapeError(
            f"augment makes {found} of examples of shape {raw.shape}, and what is evaluated would "
            "not fit; put the map at the beginning of the network instead"
        )
