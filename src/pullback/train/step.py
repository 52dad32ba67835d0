"""One training step, as the textbook tells it: forward, error, backward, update, iterate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from pullback.core.arrays import copy
from pullback.core.context import Context
from pullback.core.map import Map
from pullback.core.theta import Theta
from pullback.core.tree import map_leaves
from pullback.engine import MomentTally, all_finite, replayed
from pullback.extend import Evidence
from pullback.losses.base import Loss, mean_weights, term_weights
from pullback.losses.gradient import Pass, forward_error_backward
from pullback.optim import Optimizer
from pullback.train.diagnose import explain_nonfinite
from pullback.train.workers import ALONE, Workers


@dataclass
class Learner:
    """All that changes while a network learns.

    ``theta`` and ``gradient`` are views of one vector each, ``slots`` is what the optimiser
    keeps, ``state`` what the maps keep, and ``step`` the count of accepted updates.
    """

    theta: Theta
    gradient: Theta
    slots: dict[str, np.ndarray]
    state: Mapping[str, Any]
    step: int = 0


@dataclass(frozen=True)
class Step:
    """The function that a run iterates: one batch in, the learner one update further.

    ``net`` may be the reference form or a lowered one; ``reference`` is the former, which
    explains a step that went wrong, and with ``reference_loss`` (``loss`` by default) shows the
    batch to an optimiser that looks. With ``pieces`` above 1 the batch goes through in so many
    parts whose gradients add up to that of the whole. ``moments``, where there are, are told of
    every whole batch. With ``workers``, this one's part of the batch goes through here.
    """

    net: Map
    reference: Map
    loss: Loss
    optimizer: Optimizer
    seed: int
    pieces: int = 1
    moments: MomentTally | None = None
    reference_loss: Loss | None = None
    workers: Workers = ALONE

    def __call__(
        self, learner: Learner, x: np.ndarray, target: np.ndarray, weight: np.ndarray | None
    ) -> list[tuple[slice, Pass]]:
        """Take one step; return each part of the batch with what its pass left.

        Args:
            learner: what changes.
            x: the inputs of this worker's part of the batch.
            target, weight: of the whole batch.

        Raises:
            NonFiniteError: the loss or the gradient is not finite; nothing has been updated.
        """
        passes: list[tuple[slice, Pass]] = []
        state = learner.state
        counted = term_weights(self.loss, target, weight)
        moments = self.moments if self.moments and self.moments.examples == len(target) else None
        take = self._passes if moments is None else self._watched_passes
        total = float(len(target)) if counted is None else float(counted.sum())
        first = self.workers.part(len(target)).start
        for own in parts(len(x), self.pieces):
            # 1 forward, 2 error, 3 backward
            part = slice(first + own.start, first + own.stop) if first else own
            ctx = Context(True, self.seed, learner.step, part.start, "", state)
            found = take(
                self.net,
                self.loss,
                learner.theta,
                cut(x, own),
                cut(target, part),
                learner.gradient,
                ctx,
                weight=cut(weight, part),
                total=total,
                accumulate=bool(passes),
            )
            if not all_finite(found.values):
                self._explain(learner, cut(x, own), cut(target, part), ctx)
            state = self.net.advance(state, found.residual) if state else state
            if self.pieces > 1:  # the next part is worked out in the same buffers
                found = replace(found, values=copy(found.values), y=copy(found.y))
            passes.append((part, found))
        if self.workers.count > 1:
            state = self._together(learner, state, bool(passes), moments)
        if not all_finite(learner.gradient.flat):
            ctx = Context(True, self.seed, learner.step, first, "", learner.state)
            self._explain(learner, x, cut(target, slice(first, first + len(x))), ctx)
        if moments is not None:
            share = mean_weights(len(target), counted, learner.gradient.flat, total)
            moments.add(learner.gradient.flat, share, alike=counted is None)
        # 4 update
        if self.optimizer.due(learner.step):
            self.optimizer.look(self.evidence(learner, x, target, weight), learner.slots)
        self.optimizer.update(
            learner.gradient.flat, learner.slots, learner.theta.flat, learner.step
        )
        # 5 iterate
        learner.state = state
        learner.step += 1
        return passes

    def _together(
        self, learner: Learner, state: Any, any_here: bool, moments: MomentTally | None
    ) -> Any:
        """Add up the workers' gradients, and their norms; return the mean of their states."""
        if moments is not None:
            moments.collect(self.workers.add, any_here)
        if self.pieces > 1 or moments is not None:
            if not any_here:
                learner.gradient.flat[...] = 0
            self.workers.add(learner.gradient.flat)
        elif not any_here:
            self.workers.nothing(learner.gradient)
        return map_leaves(self.workers.mean, state)

    def evidence(
        self, learner: Learner, x: np.ndarray, target: np.ndarray, weight: np.ndarray | None
    ) -> Evidence:
        """Return what is known of a batch, or of its first part: a sample is enough."""
        part = parts(len(x), self.pieces)[0]
        return Evidence.of(
            self.reference,
            self.reference_loss or self.loss,
            learner.theta,
            cut(x, part),
            cut(target, part),
            Context(True, self.seed, learner.step, 0, "", learner.state),
            cut(weight, part),
        )

    @cached_property
    def _passes(self) -> Callable[..., Pass]:
        if self.workers.count > 1 and self.pieces == 1:
            return partial(forward_error_backward, write=self.workers.write)
        return replayed(forward_error_backward, self.net, self.loss)

    @cached_property
    def _watched_passes(self) -> Callable[..., Pass]:
        assert self.moments is not None
        watched = partial(forward_error_backward, write=self.moments.write)
        return replayed(watched, self.net, self.loss)

    def _explain(self, learner: Learner, x: Any, target: Any, ctx: Context) -> None:
        explain_nonfinite(self.reference, self.loss, learner.theta, x, target, ctx)


def parts(count: int, pieces: int) -> list[slice]:
    """Return ``pieces`` (or fewer) slices of equal size, the last perhaps smaller."""
    size = max(1, math.ceil(count / pieces))
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def cut(array: Any, part: slice) -> Any:
    """Return a part of an array; the array itself where that is all of it, or where it is None."""
    if array is None or part == slice(0, len(array)):
        return array
    return array[part]
