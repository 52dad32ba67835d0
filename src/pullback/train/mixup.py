"""Mixup: each example of a batch blended with another, and its target with the other's."""

from __future__ import annotations

import numpy as np

from pullback.core.errors import ConfigError
from pullback.core.random import generator
from pullback.data.dataset import Dataset


def check_mixup(alpha: float, train: Dataset) -> None:
    """Raise ``ConfigError`` where examples of ``train`` cannot be mixed."""
    if train.weight is not None:
        raise ConfigError(
            f"mixup={alpha}: the examples have weights, and a mixture of two has none; "
            "leave out the one or the other"
        )
    if train.y.dtype.kind in "ui" and train.y.ndim > 1:
        raise ConfigError(
            f"mixup={alpha} needs one class an example, found targets of shape {train.y.shape[1:]}"
        )


def mix(
    x: np.ndarray, target: np.ndarray, *, alpha: float, outputs: int, seed: int, step: int
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the mixtures of a batch and their targets; ``x`` is overwritten.

    :math:`\tilde x_n = \lambda x_n + (1 - \lambda) x_{\pi(n)}` and the same of the targets, with
    :math:`\lambda \sim \mathrm{Beta}(\alpha, \alpha)` and a permutation :math:`\pi` that the seed
    and the step decide on. Of the two shares the larger is the example's own, which changes nothing
    on average. Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond empirical risk minimization"
    (2018).

    Args:
        x: a batch of network inputs.
        target: class numbers ``(N,)``, or numbers of any shape.
        alpha: above 0; the larger, the more of the other.
        outputs: numbers in an output of the network. Where there are several, class numbers become
            rows of so many probabilities; for one, a number from 0 to 1.
        seed: of the run.
        step: of the run.
    """
    stream = generator(seed, "mixup", step=step)
    share = float(stream.beta(alpha, alpha))
    share = max(share, 1 - share)
    partner = stream.permutation(len(x))
    if target.dtype.kind in "ui":
        rows = outputs > 1
        target = np.eye(outputs, dtype=x.dtype)[target] if rows else target.astype(x.dtype)
    other = x[partner]
    x *= share
    other *= 1 - share
    x += other
    return x, share * target + (1 - share) * target[partner]
