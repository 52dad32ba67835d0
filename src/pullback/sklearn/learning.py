"""What both estimators do: a run over arrays, from the start or one epoch further."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pullback.core.spec import Spec
from pullback.core.theta import Theta
from pullback.data.dataset import Dataset
from pullback.data.normalize import Affine, fit_normalizer
from pullback.data.split import split
from pullback.train.checkpoint import Position
from pullback.train.loop import Loop
from pullback.train.metric import Mean
from pullback.train.model import Model
from pullback.train.settings import Settings
from pullback.train.step import Learner


@dataclass
class Learned:
    """What is kept between calls: the normaliser, what learns, and the records of epochs."""

    normalizer: Affine
    learner: Learner
    records: list[dict[str, Any]]


class AllLabels(Mean):
    """The share of examples all of whose labels are right, given the logits of each."""

    def each(self, y: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return whether every label of an example is right."""
        right: np.ndarray = ((y > 0) == (target > 0.5)).all(axis=1)
        return right


def learn(
    settings: Settings,
    data: Dataset,
    before: Learned | None,
    once: bool,
    told: Callable[[Any], None] | None,
) -> tuple[Model, Learned]:
    """Train as the settings say; return the model and what is kept.

    Args:
        settings: all that decides the run.
        data: raw examples.
        before: what another call has kept, to go on from there.
        once: run one epoch, the next; schedules are still those of all the settings' epochs.
        told: is called with every event.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    train, held = data, None
    if settings.validation:
        train, held = split(data, settings.validation, settings.seed, settings.holdout)
    normalizer = before.normalizer if before else fit_normalizer(settings.normalize, train)
    done = len(before.records) if before else 0
    if once:
        settings = replace(settings, epochs=max(settings.epochs, done + 1))
    loop = Loop(settings, train, held, normalizer, (told,) if told else ())
    if before is not None:
        _go_on(loop, before)
    if once:
        loop.settings = replace(settings, epochs=done + 1)
    if loop.run(lambda: None, lambda: None) == "interrupted":
        raise KeyboardInterrupt
    theta, state = loop.final()
    if loop.best is not None:  # another epoch goes on from there
        loop.learner.theta.flat[...], loop.learner.state = theta.flat, state
    model = Model(
        settings.net,
        theta,
        state,
        settings.loss,
        Spec(tuple(data.x.shape[1:]), str(data.x.dtype)),
        normalizer,
        data.classes,
    )
    return model, Learned(normalizer, loop.learner, loop.position.records)


def _go_on(loop: Loop, before: Learned) -> None:
    """Stand where the other loop stood, so that this epoch's order and noise are the next."""
    now, then = loop.learner, before.learner
    now.theta.flat[...] = then.theta.flat
    for name, value in then.slots.items():
        if not name.startswith("_"):
            now.slots[name][...] = value
    now.state, now.step = then.state, then.step
    loop.position = Position(epoch=len(before.records), records=list(before.records))


def in_units_of(model: Model, scale: np.ndarray, shift: np.ndarray) -> Model:
    """Return the model with ``scale`` and ``shift`` of its outputs in its last, linear map."""
    theta = Theta(model.theta.layout, model.theta.flat.copy())
    last = theta[list(theta)[-1]]
    last["W"] *= scale
    last["b"][...] = last["b"] * scale + shift
    return replace(model, theta=theta)
