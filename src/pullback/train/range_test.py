"""The learning-rate range test: how the loss goes while the learning rate grows."""

from __future__ import annotations

from dataclasses import dataclass

from pullback.optim import ExponentialDecay
from pullback.optim.rates import with_lr
from pullback.train.trial import Trials

LOW, HIGH = 1e-5, 1e2
STEPS = 100
SMOOTHING = 0.9
BLOWN = 4.0
"""The loss has blown up once it is so many times its lowest."""


@dataclass(frozen=True)
class RangeTest:
    """What a range test has seen, one entry a step: ``lrs``, ``losses`` and ``smoothed`` losses.

    ``lowest`` is the learning rate at which the smoothed loss was lowest, ``blown`` that at which
    it was four times as high or not finite, where that happened.
    """

    lrs: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    blown: float | None

    @property
    def lowest(self) -> float:
        """The learning rate of the lowest smoothed loss."""
        return self.lrs[self.smoothed.index(min(self.smoothed))]


def range_test(trials: Trials, steps: int = STEPS) -> RangeTest:
    r"""Train for ``steps`` while the learning rate grows from 1e-5 to 100.

    .. math:: \eta_k = \eta_0 (\eta_1 / \eta_0)^{k / K}, \qquad
        s_k = \frac{\sum_{i \le k} 0.9^{k-i} \ell_i}{\sum_{i \le k} 0.9^{k-i}}

    with :math:`\ell_k` the loss of batch ``k``. It ends early where :math:`s_k` is more than four
    times its lowest, or a loss is not finite. Smith, "Cyclical learning rates for training neural
    networks" (2015), section 3.3.
    """
    growing = ExponentialDecay(LOW, factor=HIGH / LOW, every=steps)
    losses: list[float] = []
    smoothed: list[float] = []
    total = weight = 0.0
    for loss in trials.losses(with_lr(trials.settings.optimizer, growing), steps):
        total, weight = SMOOTHING * total + loss, SMOOTHING * weight + 1
        losses.append(loss)
        smoothed.append(total / weight)
        if smoothed[-1] > BLOWN * min(smoothed):
            break
    lrs = tuple(growing.value(step, {}) for step in range(len(losses) + 1))
    whole = len(losses) == steps and smoothed[-1] <= BLOWN * min(smoothed)
    blown = None if whole else lrs[min(len(losses), steps - 1)]
    return RangeTest(lrs[: len(losses)], tuple(losses), tuple(smoothed), blown)
