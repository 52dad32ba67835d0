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
from pullback.train.loop import Loop
from pullback.train.model import Model
from pullback.train.settings import Settings
from pullback.train.step import Learner


@dataclass
class Learned:
    """What is kept between calls: the normaliser, what learns, and the records of epochs."""

    normalizer: Affine
    learner: Learner
    records: list[dict[str, Any]]


def learn(
    settings: Settings, data: Dataset, before: Learned | None, told: Callable[[Any], None] | None
) -> tuple[Model, Learned, str]:
    """Train as the settings say; return the model, what is kept, and why it stopped.

    Args:
        settings: all that decides the run.
        data: raw examples.
        before: what another call has kept, to go on from there.
        told: is called with every event.
    """
    train, held = data, None
    if settings.validation:
        train, held = split(data, settings.validation, settings.seed, settings.holdout)
    normalizer = before.normalizer if before else fit_normalizer(settings.normalize, train)
    loop = Loop(settings, train, held, normalizer, (told,) if told else ())
    if before is not None:
        _go_on(loop.learner, before.learner)
    reason = loop.run(lambda: None, lambda: None)
    theta, state = loop.final()
    model = Model(
        settings.net,
        theta,
        state,
        settings.loss,
        Spec(tuple(data.x.shape[1:]), str(data.x.dtype)),
        normalizer,
        data.classes,
    )
    records = [*(before.records if before else ()), *loop.position.records]
    for epoch, record in enumerate(records, start=1):
        record["epoch"] = epoch
    return model, Learned(normalizer, loop.learner, records), reason


def _go_on(learner: Learner, before: Learner) -> None:
    learner.theta.flat[...] = before.theta.flat
    for name, value in before.slots.items():
        if not name.startswith("_"):
            learner.slots[name][...] = value
    learner.state, learner.step = before.state, before.step


def in_units_of(model: Model, scale: np.ndarray, shift: np.ndarray) -> Model:
    """Return the model with ``scale`` and ``shift`` of its outputs in its last, linear map."""
    theta = Theta(model.theta.layout, model.theta.flat.copy())
    last = theta[list(theta)[-1]]
    last["W"] *= scale
    last["b"][...] = last["b"] * scale + shift
    return replace(model, theta=theta)
