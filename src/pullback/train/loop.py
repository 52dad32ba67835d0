"""The loop around the step: epochs, batches, validation, and when to stop."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pullback.core.theta import Theta
from pullback.core.tree import map_leaves
from pullback.data.batches import check_batch_size
from pullback.data.dataset import Dataset
from pullback.data.normalize import Affine
from pullback.data.rows import Rows, sample
from pullback.data.split import epoch_order
from pullback.engine import (
    any_length,
    lower_batches,
    lower_sequences,
)
from pullback.train.checkpoint import Position, load_checkpoint, save_checkpoint
from pullback.train.checks import check_epoch, check_parts_fit, check_pieces
from pullback.train.evaluate import evaluate, evaluation_batch
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
from pullback.train.settings import Settings
from pullback.train.stepping import Stepper

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
        self.steps_per_epoch = check_epoch(settings, -(-len(train) // self.batch_size))
        self.settings = settings
        check_pieces(settings, self.batch_size, len(train))
        self.optimizer = settings.optimizer.bind(
            settings.epochs * self.steps_per_epoch, self.steps_per_epoch
        )
        self.normalizer = normalizer
        self.stepper = Stepper(settings, train, normalizer, self.batch_size, self.optimizer)
        self.learner, self.tally = self.stepper.learner, self.stepper.tally
        self.device, self.workers = self.stepper.device, self.stepper.workers
        check_parts_fit(self.stepper, train, normalizer)
        self.stepper.fit_optimizer()
        self.position = Position()
        self.best = self._snapshot() if settings.patience is not None else None
        self._make_validation()

    @staticmethod
    def _batch_size(settings: Settings, examples: int) -> int:
        if settings.batch_size is None or settings.optimizer.full_batch:
            return examples
        check_batch_size(settings.batch_size, examples)
        return settings.batch_size

    def _make_validation(self) -> None:
        if self.held is None:
            return
        net, spec = self.settings.net, self.stepper.spec
        size = min(evaluation_batch(net, spec), len(self.held))
        cut = any_length(net, spec)
        self._held_batches = lower_batches(self.held, self.normalizer, size, spec.dtype, cut)
        self._held_net = net
        if self.device.compiled:
            self._held_net = lower_sequences(net, spec, size, self._held_batches.sparse)

    # -- what is saved, and restored

    def _snapshot(self) -> dict[str, Any]:
        return {
            "theta": self.device.host(self.evaluated_theta().flat).copy(),
            "state": map_leaves(np.copy, self.device.host(self.learner.state)),
        }

    def tensors(self) -> dict[str, Any]:
        """Return every array that the rest of the run depends on."""
        slots = {k: v for k, v in self.learner.slots.items() if not k.startswith("_")}
        kept: dict[str, Any] = {
            "theta": self.device.host(self.learner.theta.flat),
            "state": self.device.host(self.learner.state),
            "slots": self.device.host(slots),
            "step": np.array(self.learner.step),
            "sums": {str(i): self._total(sums) for i, sums in enumerate(self.tally.sums)},
        }
        if self.best is not None:
            kept["best"] = self.best
        if self.stepper.watch is not None:
            kept["watch"] = self.stepper.watch.sums
        return kept

    def _total(self, sums: np.ndarray) -> np.ndarray:
        """Return the sum over the workers."""
        total = sums.copy()
        self.workers.add(total)
        return total

    def data_digest(self) -> str:
        """Return a digest of the training targets and a sample of the inputs."""
        digest = hashlib.blake2b(digest_size=16)
        y = self.train.y
        for array in (sample(y) if isinstance(y, Rows) else y, sample(self.train.x)):
            digest.update(str((array.shape, array.dtype)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write the checkpoint; of several workers, the first one does."""
        tensors = self.tensors()
        if self.workers.rank == 0:
            save_checkpoint(path, tensors, self.position, self.data_digest())

    def restore(self, path: Path) -> None:
        """Go back to where a checkpoint was written."""
        found, self.position = load_checkpoint(path, self.tensors(), self.data_digest())
        put, slots = self.device.put, self.learner.slots
        self.learner.theta.flat[...] = put(found["theta"])
        for name, value in found["slots"].items() if "slots" in found else ():
            slots[name][...] = value if isinstance(slots[name], np.ndarray) else put(value)
        self.learner.state = map_leaves(put, found.get("state", {}))
        self.learner.step = int(found["step"])
        for sums, value in zip(self.tally.sums, found["sums"].values(), strict=True):
            sums[...] = value if self.workers.rank == 0 else 0
        if self.stepper.watch is not None:
            for name, value in found["watch"].items():
                self.stepper.watch.sums[name][...] = value
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
        theta = self.device.host_theta(self.evaluated_theta()).copy()
        return theta, map_leaves(np.copy, self.device.host(self.learner.state))

    def run(self, at_epoch: Callable[[], None], at_stop: Callable[[], None]) -> str:
        """Train until something says stop; return the reason.

        ``at_epoch`` is called after each finished epoch and ``at_stop`` at the end, to save.
        """
        self.emit(
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
        self.emit(Stopped(reason, self.position.epoch, self.learner.step))
        return reason

    def _epoch(self, interrupt: InterruptRequest) -> str | None:
        position, size = self.position, self.batch_size
        if position.epoch >= self.settings.epochs:
            return "epochs"
        rows = epoch_order(self.train, size, self.settings.seed, position.epoch)
        rows = rows[: self.steps_per_epoch * size]
        began = last = time.monotonic()
        first = position.batch
        with self.stepper.batches.ahead(rows[first * size :]):
            while position.batch < self.steps_per_epoch:
                if reason := self._agreed(self._reason_before_step(interrupt)):
                    return reason
                position.batch += self.stepper.take(rows, position.batch)
                self._audit(rows[(position.batch - 1) * size : position.batch * size])
                now = time.monotonic()
                if self.callbacks and now - last >= PROGRESS_SECONDS:
                    last = now
                    self._emit_progress((position.batch - first) * size / (now - began))
        self._close_epoch(time.monotonic() - began)
        return None

    def _audit(self, index: np.ndarray) -> None:
        error = self.stepper.audit(index)
        if error is not None:
            self.emit(Audited(self.learner.step, error))

    def _close_epoch(self, seconds: float) -> None:
        position = self.position
        for sums in self.tally.sums:
            self.workers.add(sums)
        record = {"epoch": position.epoch + 1, **self.tally.results()}
        if self.stepper.watch is not None:
            record |= self.stepper.watch.results()
            self.stepper.watch.clear()
        if self.held is not None:
            record |= evaluate(
                self._held_net, self.settings.loss, self.settings.metrics,
                self.evaluated_theta(), self.learner.state, self._held_batches, "val_",
                self.device, self.workers,
            )  # fmt: skip
        record["lr"] = self.optimizer.lr_at(self.learner.step - 1, self.learner.slots)
        record["seconds"] = round(seconds, 4)
        position.records.append(record)
        position.epoch, position.batch = position.epoch + 1, 0
        self.tally.clear()
        self._observe(record["val_loss"] if self.held is not None else record["loss"])
        self.emit(EpochEnded(position.epoch, record))

    def _observe(self, monitored: float) -> None:
        self.optimizer.observe(self.learner.slots, monitored)
        best = self.position.best_value
        if best is None or monitored < best:
            self.position.best_value, self.position.best_epoch = monitored, self.position.epoch
            if self.best is not None:
                self.best = self._snapshot()

    def _agreed(self, reason: str | None) -> str | None:
        """Return a reason to stop that one of the workers has, the same for all of them."""
        reasons = [None, *REASONS]
        return reasons[self.workers.agreed(reasons.index(reason))]

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
        self.emit(
            Progress(
                self.position.epoch + 1,
                self.position.batch,
                self.steps_per_epoch,
                self.tally.results(),
                rate,
            )
        )

    def emit(self, event: Event) -> None:
        """Tell those who listen."""
        for callback in self.callbacks:
            callback(event)
