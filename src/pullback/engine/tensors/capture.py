"""Whole steps on a CUDA device as one graph: captured once, then replayed without Python.

The data lie on the device. A step takes its rows, learning rate and count of steps from tables
there, by a counter that it advances itself, so that nothing of a step is frozen into the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, Protocol

import numpy as np
import torch

from pullback.core.context import Context
from pullback.core.map import Map
from pullback.core.theta import Theta
from pullback.core.tree import leaves
from pullback.data.batches import Batches
from pullback.data.normalize import Affine
from pullback.engine.devices import NotCaptured
from pullback.losses.base import Loss
from pullback.losses.gradient import forward_error_backward
from pullback.optim import Optimizer
from pullback.optim.base import At, Slots

MOST = 256
"""Steps between two looks at the clock and at what is not finite."""
WARM = 3
"""Steps before the capture, in which libraries make what they keep."""
TEXT = {
    "draws": "a map draws numbers on the host",
    "rule": "the update rule keeps something on the host",
    "data": "the data are not arrays of plain numbers and class numbers without weights",
    "memory": "the data do not fit on the device: {error}",
    "other": "{error}",
}


class Changing(Protocol):
    """What learns."""

    theta: Theta
    gradient: Theta
    slots: Slots
    state: Mapping[str, Any]


class OnHost:
    """The count of steps during a capture: who wants to know its value cannot be captured."""

    def __index__(self) -> NoReturn:
        raise NotCaptured(TEXT["draws"])

    __int__ = __float__ = __array__ = __index__


class Captured:
    """The captured step of a run.

    Args:
        net, loss: forms on tensors.
        batches: where the data and their normaliser are.
        optimizer: the update rule.
        learner: what the step changes, on the device: its theta, gradient, slots and state.
        seed: of the run.
        sums: what is added up: losses and examples, right answers and examples.

    Raises:
        NotCaptured: it cannot be; nothing has changed.
    """

    known = True

    def __init__(
        self, net: Map, loss: Loss, batches: Batches, optimizer: Optimizer, learner: Changing,
        seed: int, sums: list[np.ndarray],
    ) -> None:  # fmt: skip
        if not optimizer.on_device:
            raise NotCaptured(TEXT["rule"])
        self.net, self.loss, self.optimizer, self.seed = net, loss, optimizer, seed
        self.learner, self.theta, self.gradient = learner, learner.theta, learner.gradient
        self.slots, self.state = learner.slots, learner.state
        self.sums, self.size = sums, batches.batch_size
        self._load(batches)
        self._order: Any = None
        count = len(batches.dataset) // self.size
        device = self.theta.flat.device
        self._rows = torch.zeros((count, self.size), dtype=torch.int64, device=device)
        self._moments = torch.zeros((count, 2), dtype=torch.float64, device=device)
        self._counter = torch.zeros(1, dtype=torch.int64, device=device)
        self._added = torch.zeros(3, dtype=torch.float64, device=device)
        self._graph = self._capture()

    def _load(self, batches: Batches) -> None:
        dataset, device = batches.dataset, self.theta.flat.device
        arrays = dataset.x, dataset.y
        plain = all(isinstance(array, np.ndarray) for array in arrays) and dataset.weight is None
        plain = plain and dataset.y.dtype.kind in "ui" and dataset.y.ndim == 1
        if not plain or dataset.lengths is not None:
            raise NotCaptured(TEXT["data"])
        try:
            self._x = torch.tensor(dataset.x, device=device)
            self._y = torch.tensor(dataset.y.astype(np.int64), device=device)
        except torch.cuda.OutOfMemoryError as error:
            raise NotCaptured(TEXT["memory"].format(error=error)) from None
        self._normalizer = Normalizer(batches.normalizer, self.theta.flat)

    # -- the step

    def _step(self) -> None:
        lr_and_step = self._moments.index_select(0, self._counter)[0]
        index = self._rows.index_select(0, self._counter)[0]
        x = self._normalizer.apply(self._x.index_select(0, index))
        target = self._y.index_select(0, index)
        ctx = Context(True, self.seed, OnHost(), 0, "", self.state)  # type: ignore[arg-type]
        found = forward_error_backward(
            self.net, self.loss, self.theta, x, target, self.gradient, ctx
        )
        self._add(found.values, found.y, target)
        at = At(lr_and_step[1], lr_and_step[0])
        self.optimizer.update_at(self.gradient.flat, self.slots, self.theta.flat, at)
        if self.state:
            advanced = self.net.advance(self.state, found.residual)
            for (_, kept), (_, new) in zip(leaves(self.state), leaves(advanced), strict=True):
                kept.copy_(new)
        self._counter += 1

    def _add(self, values: Any, y: Any, target: Any) -> None:
        """Add losses, right answers, and NaN where something is not finite."""
        hits = y.argmax(dim=-1) == target
        faults = self.gradient.flat.sum() * 0
        self._added += torch.stack((values.sum(), hits.sum(), faults)).to(torch.float64)

    def _kept(self) -> list[Any]:
        """Return all tensors that a step changes and the next one needs."""
        slots = [v for k, v in self.slots.items() if isinstance(v, torch.Tensor) and k[0] != "_"]
        state = [value for _, value in leaves(self.state)]
        return [self.theta.flat, self._added, self._counter, *slots, *state]

    def _capture(self) -> Any:
        kept = self._kept()
        before = [tensor.clone() for tensor in kept]
        try:
            beside = torch.cuda.Stream(self.theta.flat.device)  # type: ignore[no-untyped-call]
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                for _ in range(WARM):
                    self._counter.zero_()
                    self._step()
            torch.cuda.current_stream().wait_stream(beside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._step()
        except NotCaptured:
            raise
        except (RuntimeError, TypeError, ValueError) as error:
            raise NotCaptured(TEXT["other"].format(error=str(error).partition("\n")[0])) from None
        finally:
            for tensor, value in zip(kept, before, strict=True):
                tensor.copy_(value)
        return graph

    # -- steps

    def run(self, order: np.ndarray, first: int, most: int, step: int) -> int:
        """Take up to ``most`` steps from batch ``first`` of the order; return how many were taken.

        It is 0 where one of them has numbers that are not finite: none of them counts then, so
        that they are taken one by one.
        """
        if order is not self._order:
            whole = order[: len(self._rows) * self.size].reshape(-1, self.size)
            self._rows[: len(whole)] = torch.tensor(whole, device=self._rows.device)
            self._order = order
        self._take_over()
        count = min(most, MOST)
        lrs = [self.optimizer.lr_at(s, self.slots) for s in range(step, step + count)]
        table = np.stack([np.array(lrs), np.arange(step, step + count)], axis=1)
        self._moments[first : first + count] = torch.tensor(table, device=self._rows.device)
        self._counter.fill_(first)
        self._added.zero_()
        kept = self._kept()
        before = [tensor.clone() for tensor in kept]
        for _ in range(count):
            self._graph.replay()
        loss, hits, faults = self._added.tolist()
        if not np.isfinite(loss + faults):
            for tensor, value in zip(kept, before, strict=True):
                tensor.copy_(value)
            return 0
        examples = count * self.size
        self.sums[0] += loss, examples
        if len(self.sums) > 1:
            self.sums[1] += hits, examples
        return count

    def _take_over(self) -> None:
        """Go on from the state of maps that another step, or a checkpoint, has left."""
        if self.learner.state is self.state:
            return
        for (_, kept), (_, new) in zip(leaves(self.state), leaves(self.learner.state), strict=True):
            kept.copy_(new)
        self.learner.state = self.state


class Normalizer:
    """``Affine`` on tensors.

    Args:
        affine: scale and shift.
        like: of the dtype and the device of the network's input.
    """

    def __init__(self, affine: Affine, like: Any) -> None:
        self._dtype = like.dtype
        self._scale, self._shift = (
            torch.tensor(number, dtype=like.dtype, device=like.device)
            for number in (affine.scale, affine.shift)
        )
        self._plain = affine == Affine()

    def apply(self, x: Any) -> Any:
        """Return the network's input of raw values."""
        x = x.to(self._dtype)
        return x if self._plain else torch.addcmul(self._shift, x, self._scale)
