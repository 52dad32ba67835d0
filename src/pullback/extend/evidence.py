"""What one forward and backward pass has worked out, for whatever is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from pullback.core.arrays import namespace
from pullback.core.context import Context
from pullback.core.contraction import Contraction
from pullback.core.errors import ConfigError
from pullback.core.map import Map
from pullback.core.spec import Array
from pullback.core.theta import Entry, Theta, write_gradient
from pullback.core.together import Together
from pullback.core.tree import leaves
from pullback.losses.base import Loss
from pullback.losses.gradient import Pass, forward_error_backward

TEXT = {
    "coupled": "{path} ({title}) makes an example's output depend on the whole batch, so there is "
    "no gradient of one example; use GroupNorm or LayerNorm in its place, or ask outside training "
    "(Context(train=False)), where it uses its running statistics",
    "the network": "the network",
}


class Moments(Protocol):
    r"""What the size of the gradients alone says; an ``Evidence`` has it, and so have averages.

    ``mean_sq_norm`` is :math:`\sum_n w_n \|g_n\|^2`, ``sq_norm`` :math:`\|\bar g\|^2` and
    ``effective_examples`` :math:`1 / \sum_n w_n^2`.
    """

    @property
    def mean_sq_norm(self) -> float:
        """The mean of the squared norms."""

    @property
    def sq_norm(self) -> float:
        """The squared norm of the mean."""

    @property
    def effective_examples(self) -> float:
        """How many examples would count as much, if all counted alike."""


@dataclass(frozen=True)
class Evidence:
    r"""A network, its loss and a batch, and what their pass left.

    The mean loss is :math:`L = \sum_n w_n \ell_n` with shares ``w`` that add up to 1; an example's
    gradient :math:`g_n` is that of :math:`\ell_n` alone, and :math:`\bar g = \sum_n w_n g_n`.

    ``net`` is what made the pass, in reference form or lowered; ``reference`` is the former, which
    second derivatives need; ``lr`` is the learning rate of the step, in training. All that is
    worked out is kept, so that several quantities share it.
    """

    net: Map
    loss: Loss
    p: Theta
    x: Any
    target: Any
    ctx: Context
    found: Pass
    reference: Map
    weight: Any = None
    lr: float | None = None

    @classmethod
    def of(
        cls, net: Map, loss: Loss, p: Theta, x: Any, target: Any, ctx: Context,
        weight: Any = None, lr: float | None = None,
    ) -> Evidence:  # fmt: skip
        """Make the pass: forward, error, backward."""
        found = forward_error_backward(
            net, loss, p, x, target, p, ctx, weight=weight, write=_not_yet
        )
        return cls(net, loss, p, x, target, ctx, found, net, weight, lr)

    @cached_property
    def gradient(self) -> Theta:
        r""":math:`\bar g`."""
        gradient = Theta(self.p.layout, self.p.flat * 0)
        write_gradient(self.found.declared, gradient)
        return gradient

    @property
    def examples(self) -> int:
        """How many examples there are."""
        return int(self.found.values.shape[0])

    @property
    def share(self) -> Array:
        """``(N,)`` what each example counts in the mean; they add up to 1."""
        return self.found.share

    @cached_property
    def unshare(self) -> Array:
        """``(N,)`` one over the share; 0 for an example that does not count."""
        xp, share = namespace(self.share), self.share
        counts = share > 0
        return xp.where(counts, 1 / xp.where(counts, share, xp.ones_like(share)), share * 0)

    @cached_property
    def contractions(self) -> list[tuple[Entry, Contraction]]:
        """Every parameter once, with the contraction whose examples are ``w_n g_n``.

        Raises:
            ConfigError: a map couples the examples of the batch.
        """
        refuse_coupling(self.reference, self.ctx)
        declared = dict(leaves(self.found.declared))
        places: dict[int, list[Entry]] = {}
        for entry in self.p.layout.entries:
            places.setdefault(entry.start, []).append(entry)
        return [
            (first, Together.of([declared[entry.path] for entry in (first, *others)]))
            for first, *others in places.values()
        ]

    def flat(self, of_parameter: Callable[[Contraction], Any]) -> Theta:
        """Return a number for each parameter, from what is asked of each contraction."""
        result = Theta(self.p.layout, self.p.flat * 0)
        for entry, contraction in self.contractions:
            result.flat[entry.start : entry.stop] = of_parameter(contraction).reshape(-1)
        return result

    def added(self, of_parameter: Callable[[Contraction, Entry], Any]) -> Any:
        """Return the sum over the parameters of what is asked of each contraction."""
        total = None
        for entry, contraction in self.contractions:
            found = of_parameter(contraction, entry)
            total = found if total is None else total + found
        return self.share * 0 if total is None else total

    @cached_property
    def sq_norms(self) -> Array:
        r"""``(N,)`` :math:`\|g_n\|^2`, without forming the gradients."""
        return self.added(lambda c, _: c.sq_norms()) * self.unshare * self.unshare

    @cached_property
    def mean_sq_norm(self) -> float:
        r""":math:`\sum_n w_n \|g_n\|^2`."""
        return number((self.share * self.sq_norms).sum())

    @cached_property
    def effective_examples(self) -> float:
        r""":math:`1 / \sum_n w_n^2`: the number of examples where all count alike."""
        return 1 / number((self.share * self.share).sum())

    @cached_property
    def sq_norm(self) -> float:
        r""":math:`\|\bar g\|^2`."""
        flat = self.gradient.flat
        return float(namespace(flat).sum(flat * flat))

    @cached_property
    def second_moment(self) -> Theta:
        r""":math:`\sum_n w_n g_n^2`, number by number."""
        return self.flat(lambda c: c.sq_sum(self.unshare))

    def along(self, v: Theta) -> Array:
        r"""Return ``(N,)`` :math:`\langle g_n, v \rangle`."""
        flat = v.flat

        def of(c: Contraction, e: Entry) -> Any:
            return c.along(flat[e.start : e.stop].reshape(e.shape))

        return self.added(of) * self.unshare

    def weighted(self, coefficients: Array) -> Theta:
        r"""Return :math:`\sum_n c_n g_n` for ``coefficients (N,)``."""
        return self.flat(lambda c: c.scaled(coefficients * self.unshare).sum())

    def pulled(self, gy: Array) -> Evidence:
        """Return the same with the contractions of another cotangent of the outputs.

        Its examples are what ``gy`` makes of them: nothing is multiplied by their share.
        """
        _, delta = self.net.pullback(self.p, self.found.residual, gy)
        declared = self.net.grads(self.p, self.found.residual, delta)
        ones = namespace(self.share).ones_like(self.share)
        return replace(self, found=replace(self.found, declared=declared, share=ones))

    def in_reference(self) -> Evidence:
        """Return the same in reference form, for what lowered maps do not have."""
        if self.net is self.reference:
            return self
        return Evidence.of(
            self.reference, self.loss, self.p, self.x, self.target, self.ctx, self.weight
        )


def _not_yet(declared: Any, gradient: Any, accumulate: bool) -> None:
    """Write no gradient: not all who make a pass want it."""


def refuse_coupling(net: Map, ctx: Context, path: str = "") -> None:
    """Raise ``ConfigError`` where a map makes an example depend on the others of its batch."""
    if not (ctx.train and net.couples_batch):
        return
    children = net.children()
    if not children:
        path = path or TEXT["the network"]
        raise ConfigError(TEXT["coupled"].format(path=path, title=net.title))
    for name, child in children.items():
        refuse_coupling(child, ctx, f"{path}.{name}" if path else name)


def as_theta(p: Theta, v: Any) -> Theta:
    """Return a vector, or what has the names of ``p``, as the latter.

    Raises:
        ShapeError: the vector has another length than ``p``.
    """
    return v if isinstance(v, Theta) else Theta(p.layout, v)


def number(value: Any) -> float:
    """Return a scalar of any library as a float."""
    return float(np.asarray(value)) if isinstance(value, np.ndarray | np.generic) else float(value)
