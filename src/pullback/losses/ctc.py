"""Connectionist temporal classification: labels in order, without saying when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.arrays import full, namespace
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.spec import Array
from pullback.core.stable import log_softmax, softmax
from pullback.losses.base import LOSSES, Loss

BLANK = 0
"""The class that stands for no label."""
NEVER = -1e30
"""The logarithm of a probability of 0, in numbers that can be taken from one another."""
CHOICES = ("refuse", "zero")


@LOSSES.register
@dataclass(frozen=True)
class CTC(Loss):
    r"""Minus the logarithm of the probability of a sequence of labels, however it lies in time.

    In each of ``F`` frames the network gives probabilities ``p = softmax(y)`` over ``K`` classes,
    class 0 being the blank. A path (a class for each frame) spells the labels that are left when
    repetitions are merged and then blanks are taken out. The value is
    :math:`\ell = -\log \sum_\pi \prod_t p_{t,\pi_t}` over all paths that spell the labels ``l``.

    With ``l'`` the labels with blanks around each, the paths that are at place ``s`` of ``l'`` in
    frame ``t`` have together :math:`\alpha_{ts}\beta_{ts}`, where

    - :math:`\alpha_{ts} = p_{t,l'_s} (\alpha_{t-1,s} + \alpha_{t-1,s-1} + \alpha_{t-1,s-2})`,
    - :math:`\beta_{ts} = \sum_{r \in \{s, s+1, s+2\}} p_{t+1,l'_r} \beta_{t+1,r}`,

    the third terms only between two different labels. All of it in logarithms, in float64. Slope:
    :math:`s_{tk} = p_{tk} - e^{\ell} \sum_{s: l'_s = k} \alpha_{ts} \beta_{ts}`, 0 after the last
    frame. Where every path has probability 0 the value is infinite, and the slope ``p``.

    Outputs ``(N, T, K)`` logits. Targets ``(N, 1 + L)`` whole numbers: first how many frames the
    example has (the rest of ``T`` is padding), then its labels, each in 1..K-1, and -1 for what
    is missing to ``L``. An example without labels is one of blanks. One value an example, in nats,
    not divided by its length. Graves, Fernandez, Gomez, Schmidhuber, "Connectionist temporal
    classification" (2006), sections 3 and 4.

    Args:
        impossible: what becomes of an example with more labels (and one more for each that is
            equal to the one before) than frames, whose loss is infinite: ``"refuse"`` is an error
            that names it, ``"zero"`` gives it the value 0 and the slope 0.

    Raises:
        ConfigError: another ``impossible``.
        ShapeError: shapes that do not fit, labels or numbers of frames out of range, or an
            impossible example.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "ℓ = -log Σ Π p over the paths that spell the target, p = softmax(y)",
        "slope = p - Σ α β exp(ℓ) over the places of each class",
    )

    impossible: str = "refuse"

    metrics: ClassVar[tuple[str, ...]] = ("ler",)

    def __post_init__(self) -> None:
        if self.impossible not in CHOICES:
            raise ConfigError(
                f"CTC: impossible={self.impossible!r}; expected one of {', '.join(CHOICES)}"
            )

    def forward(self, y: Array, target: Array) -> tuple[Array, Array]:
        """Return the values in nats and their slopes."""
        xp = namespace(y)
        check_targets(y, target)
        frames, labels = target[:, 0], target[:, 1:]
        possible = frames >= frames_needed(labels)
        if self.impossible == "refuse" and not bool(xp.all(possible)):
            first = int(xp.argmax(xp.astype(~possible, xp.int64)))
            raise ShapeError(
                f"CTC: example {first} has {int(frames[first])} frames, and its labels need "
                f"{int(frames_needed(labels)[first])}; use more frames, or impossible='zero'"
            )
        log_p = log_softmax(xp, xp.astype(y, xp.float64))
        value, share = _forward_backward(xp, log_p, frames, labels)
        inside = xp.arange(y.shape[1], device=y.device)[None] < frames[:, None]
        counted = (inside & possible[:, None])[..., None]
        slope = xp.where(counted, xp.exp(log_p) - share, xp.zeros_like(share))
        value = xp.where(possible, value, xp.zeros_like(value))
        return xp.astype(value, y.dtype), xp.astype(slope, y.dtype)

    def link(self, y: Array) -> Array:
        """Return the probabilities ``softmax(y)`` of every frame."""
        return softmax(namespace(y), y)


def check_targets(y: Array, target: Array) -> None:
    """Raise ``ShapeError`` unless ``target`` has frames and labels for outputs ``y``."""
    xp = namespace(target)
    if y.ndim != 3 or target.ndim != 2 or target.shape[0] != y.shape[0] or not target.shape[1]:
        raise ShapeError(
            f"the target's shape {tuple(target.shape)} does not fit the output's {tuple(y.shape)}; "
            "CTC expects outputs (N, frames, classes) and targets (N, 1 + labels)"
        )
    if not xp.isdtype(target.dtype, "integral"):
        raise ShapeError(f"CTC needs targets of whole numbers, found {target.dtype}")
    if not y.shape[0]:
        return
    frames, labels = target[:, 0], target[:, 1:]
    low, high = int(xp.min(frames)), int(xp.max(frames))
    if low < 1 or high > y.shape[1]:
        raise ShapeError(
            f"CTC: numbers of frames from {low} to {high} (the first column of the targets) for "
            f"outputs of {y.shape[1]} frames; expected 1..{y.shape[1]}"
        )
    there = labels >= 0
    gap = bool(xp.any(there[:, 1:] & ~there[:, :-1]))
    if gap or bool(xp.any(labels == BLANK)) or bool(xp.any(labels >= y.shape[2])):
        raise ShapeError(
            f"CTC: labels other than 1..{y.shape[2] - 1} (0 is the blank), or one after the end "
            "that -1 marks"
        )


def frames_needed(labels: Array) -> Array:
    """Return ``(N,)`` the fewest frames that spell labels ``(N, L)``: equal ones need one between.

    An example without labels needs none.
    """
    xp = namespace(labels)
    there = labels >= 0
    again = there[:, 1:] & (labels[:, 1:] == labels[:, :-1])
    return xp.sum(xp.astype(there, xp.int64), axis=1) + xp.sum(xp.astype(again, xp.int64), axis=1)


def _forward_backward(xp: Any, log_p: Array, frames: Array, labels: Array) -> tuple[Array, Array]:
    """Return the values ``(N,)``, and ``(N, T, K)`` what share of the paths is at each class."""
    n, steps, classes = log_p.shape
    places = 2 * labels.shape[1] + 1
    spelled = _with_blanks(xp, frames, labels)
    last = 2 * xp.sum(xp.astype(labels >= 0, xp.int64), axis=1)
    device = log_p.device
    rows, times = xp.arange(n, device=device), xp.arange(steps, device=device)
    emitted = log_p[rows[:, None, None], times[None, :, None], spelled[:, None, :]]
    emitted = xp.where(emitted < NEVER, full(emitted.shape, NEVER, emitted), emitted)

    place = xp.arange(places, device=device)[None]
    valid = place <= last[:, None]
    never = full((n, places), NEVER, emitted)
    # A path may leave out the blank between two labels that differ.
    jumps = (spelled != BLANK) & (spelled != _before(xp, spelled, 2, spelled))
    jumps_on = _after(xp, jumps, 2, xp.zeros_like(jumps))

    alpha = xp.where((place <= 1) & valid, emitted[:, 0], never)
    alphas = [alpha]
    for t in range(1, steps):
        jumped = xp.where(jumps, _before(xp, alpha, 2, never), never)
        moved = emitted[:, t] + _log_sum(xp, alpha, _before(xp, alpha, 1, never), jumped)
        alpha = xp.where((t < frames)[:, None] & valid, moved, alpha)
        alphas.append(alpha)
    at_end = (place == last[:, None]) | (place == last[:, None] - 1)
    total = _log_sum_of(xp, xp.where(at_end, alpha, never))

    beta = end = xp.where(at_end, xp.zeros_like(never), never)
    betas = [beta]
    for t in range(steps - 2, -1, -1):
        coming = emitted[:, t + 1] + beta
        jumped = xp.where(jumps_on, _after(xp, coming, 2, never), never)
        moved = _log_sum(xp, coming, _after(xp, coming, 1, never), jumped)
        beta = xp.where((t + 1 < frames)[:, None], moved, end)
        betas.append(beta)
    both = xp.stack(alphas, axis=1) + xp.stack(betas[::-1], axis=1)
    at_place = xp.exp(both - total[:, None, None])
    numbers = xp.arange(classes, device=device)
    one_hot = xp.astype(spelled[:, :, None] == numbers, xp.float64)
    none = total < NEVER / 2  # every path has probability 0
    value = xp.where(none, full(total.shape, float("inf"), total), -total)
    at_place = xp.where(none[:, None, None], xp.zeros_like(at_place), at_place)
    return value, at_place @ one_hot


def _with_blanks(xp: Any, frames: Array, labels: Array) -> Array:
    """Return ``(N, 2 L + 1)``: blank, label, blank, ..., label, blank."""
    one = xp.zeros_like(frames[:, None]) + BLANK
    padded = xp.where(labels >= 0, labels, xp.zeros_like(labels) + BLANK)
    pairs = xp.stack([padded, xp.zeros_like(padded) + BLANK], axis=2)
    return xp.concat([one, pairs.reshape((labels.shape[0], 2 * labels.shape[1]))], axis=1)


def _before(xp: Any, a: Array, by: int, fill: Array) -> Array:
    """Return what is ``by`` places before; the first places get those of ``fill``."""
    return xp.concat([fill[:, :by], a[:, :-by]], axis=1) if by < a.shape[1] else fill


def _after(xp: Any, a: Array, by: int, fill: Array) -> Array:
    """Return what is ``by`` places after; the last places get those of ``fill``."""
    return xp.concat([a[:, by:], fill[:, :by]], axis=1) if by < a.shape[1] else fill


def _log_sum(xp: Any, a: Array, b: Array, c: Array) -> Array:
    """Return ``log(exp(a) + exp(b) + exp(c))``."""
    top = xp.maximum(xp.maximum(a, b), c)
    return top + xp.log(xp.exp(a - top) + xp.exp(b - top) + xp.exp(c - top))


def _log_sum_of(xp: Any, a: Array) -> Array:
    """Return ``log(sum(exp(a)))`` over the last axis."""
    top = xp.max(a, axis=-1, keepdims=True)
    return (top + xp.log(xp.sum(xp.exp(a - top), axis=-1, keepdims=True)))[..., 0]
