"""Whether the parts of a run fit together, asked before anything is trained."""

from __future__ import annotations

import numpy as np

from pullback.core.context import Context
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.map import Map
from pullback.core.spec import Spec, spec_of
from pullback.data.dataset import Dataset
from pullback.data.normalize import Affine
from pullback.data.rows import Rows
from pullback.train.mixup import check_mixup
from pullback.train.settings import Settings
from pullback.train.step import parts
from pullback.train.stepping import Stepper


def check_epoch(settings: Settings, batches: int) -> int:
    """Return the steps of an epoch of data of so many batches.

    Raises:
        ConfigError: more are wanted than there are.
    """
    wanted = settings.steps_per_epoch
    if wanted is not None and wanted > batches:
        raise ConfigError(f"steps_per_epoch={wanted}; going through all examples takes {batches}")
    return wanted or batches


def check_pieces(settings: Settings, batch_size: int, examples: int) -> None:
    """Raise ``ConfigError`` where batch normalisation would get a batch of one example."""
    last = (examples - 1) % batch_size + 1
    sizes = {
        part.stop - part.start
        for count in (batch_size, last)
        for part in parts(count, settings.accumulate)
    }
    if settings.net.couples_batch and min(sizes) == 1:
        raise ConfigError(
            f"batch_size={batch_size} leaves a batch of one example of the "
            f"{examples}, which batch normalisation cannot use; choose another size"
        )


def check_parts_fit(stepper: Stepper, train: Dataset, normalizer: Affine) -> None:
    """Run two examples through, so that parts that do not fit are found before anything else.

    Raises:
        ShapeError: network, loss, targets or augmentation do not fit together.
    """
    settings, few = stepper.settings, np.array([0, len(train) - 1])
    if not isinstance(train.y, Rows):
        y = train.y.reshape(len(train), -1)[:, 0]
        few = np.array([y.argmin(), y.argmax()])  # the first and the last class
    raw, target = np.asarray(train.x[few]), np.asarray(train.y[few])
    if settings.augment is not None:
        _check_augment(settings.augment, spec_of(raw))
    x, put = normalizer.apply(raw, settings.dtype), stepper.device.put
    with np.errstate(all="ignore"):
        ctx = Context(state=stepper.learner.state)
        outputs, _ = settings.net.forward(stepper.learner.theta, put(x), ctx)
        settings.loss.forward(outputs, put(target))
        if settings.mixup:
            check_mixup(settings.mixup, train)
            settings.loss.forward(outputs, put(stepper.mixed(x, target)[1]))


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
