"""``pullback step``: one training step of a user's own model, number by number."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from pullback.cli.subject import subject_of
from pullback.core.context import Context
from pullback.core.errors import ConfigError
from pullback.train.storage import write_whole
from pullback.train.walk import walk

TEXT = {
    "where": "training example {example} of {count}, at step {step}",
    "start": "the parameters, and what the optimiser keeps, are those of the start",
    "checkpoint": "the parameters, and what the optimiser keeps, are those of the checkpoint",
    "augment": "the example is taken as it is: without the run's {name}",
}


def step_command(
    path: str, example: int, data_dir: str | None, page: str | None, as_json: bool
) -> None:
    """Print the walk as text or JSON, or write it as a page."""
    subject = subject_of(path, data_dir)
    settings, learner, count = subject.settings, subject.loop.learner, len(subject.train)
    if not 0 <= example < count:
        raise ConfigError(f"--example {example}: expected a number from 0 to {count - 1}")
    if settings.net.couples_batch:
        raise ConfigError(
            f"{path}: the network couples the examples of a batch (batch normalisation); a step of "
            "one example has no meaning for it, use pullback.walk with a batch"
        )
    remarks = [TEXT["where"].format(example=example, count=count, step=learner.step)]
    remarks.append(TEXT["checkpoint" if learner.step else "start"])
    augment = settings.augment
    varied = [] if augment is None else list(augment.children().values()) or [augment]
    left_out = [*(part.title for part in varied), *(["mixup"] if settings.mixup else [])]
    if left_out:
        remarks.append(TEXT["augment"].format(name=", ".join(left_out)))
    x, target, weight = subject.examples(slice(example, example + 1))
    found = walk(
        settings.net, settings.loss, subject.theta, x, target,
        optimizer=subject.loop.optimizer,
        ctx=Context(True, settings.seed, learner.step, state=learner.state),
        weight=weight, slots=learner.slots,
    )  # fmt: skip
    found = replace(found, remarks=tuple(remarks))
    if page is not None:
        write_whole(Path(page), found.html().encode())
    if as_json:
        print(json.dumps({"example": example, "step": learner.step, **found.to_dict()}))
    elif page is None:
        print(found)
