"""Several processes that train one network: each does a part of every batch.

The processes find each other by the variables that ``torchrun`` sets (``RANK``, ``WORLD_SIZE``,
``MASTER_ADDR``, ``MASTER_PORT``); without them there is one worker, alone. Sums go through
``torch.distributed``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError, PullbackError
from pullback.core.theta import Layout, Theta, write_gradient
from pullback.train.heartbeat import SILENCE, Heartbeat

BUCKET = 1 << 18
"""Numbers of the gradient that are added up at once, at least: each sum has a fixed cost."""
TEXT = {
    "no torch": "several workers need PyTorch: pip install 'pullback[torch]'",
    "alone": "{what} is not done by several workers; use one",
    "lost": "a worker is gone: {error}",
}


class WorkerLost(PullbackError):
    """Another worker has died or is silent; rank, host and step are named (exit code 5)."""

    exit_code = 5


class Workers:
    """One worker, alone; and what all workers can do."""

    rank, count = 0, 1

    def part(self, examples: int) -> slice:
        """Return which examples of a batch are this worker's."""
        return slice(0, examples)

    def largest_part(self, examples: int) -> int:
        """Return how many of a batch's examples a worker has, at most."""
        return -(-examples // self.count)

    def add(self, array: np.ndarray) -> None:
        """Replace ``array`` by the sum over the workers, in place."""

    def mean(self, array: np.ndarray) -> np.ndarray:
        """Return the mean of the workers' arrays."""
        total = array.copy()
        self.add(total)
        return total / self.count

    def agreed(self, number: int) -> int:
        """Return the largest of the workers' numbers."""
        return number

    def write(self, declared: Mapping[str, Any], gradient: Theta, accumulate: bool = False) -> None:
        """Write the declared gradients, summed over the workers."""
        write_gradient(declared, gradient, accumulate)

    def nothing(self, gradient: Theta) -> None:
        """Do as ``write`` does, for a worker that has no example of a batch."""

    def at_step(self, step: int) -> None:
        """Tell the others which step this is."""

    def done(self) -> None:
        """Say that nothing more comes from this worker."""


ALONE = Workers()


class Processes(Workers):
    """This worker among others in processes of their own.

    Args:
        rank: which this is.
        count: how many there are.
    """

    def __init__(self, rank: int, count: int) -> None:
        try:
            import torch
            import torch.distributed as group
        except ImportError:
            raise ConfigError(TEXT["no torch"]) from None
        self.rank, self.count = rank, count
        self._torch, self._group = torch, group
        store = group.TCPStore(  # type: ignore[attr-defined]
            os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), count, rank == 0,
            timedelta(seconds=60), wait_for_workers=False,
        )  # fmt: skip
        self._heartbeat = Heartbeat(store, rank, count)
        self._heartbeat.begin()
        patience = timedelta(seconds=10 * SILENCE)  # the heartbeat finds out before
        group.init_process_group("gloo", store=store, rank=rank, world_size=count, timeout=patience)

    def part(self, examples: int) -> slice:
        """Return a run of the batch's examples; those of the workers differ by one at most."""
        ends = [examples * i // self.count for i in (self.rank, self.rank + 1)]
        return slice(*ends)

    def add(self, array: np.ndarray) -> None:
        """Replace ``array`` by the sum over the workers, in place."""
        if array.size:
            self._wait([self._begin(array)])

    def agreed(self, number: int) -> int:
        """Return the largest of the workers' numbers."""
        found = self._torch.tensor([number])
        self._wait([self._reduce(found, self._group.ReduceOp.MAX)])
        return int(found[0])

    def write(self, declared: Mapping[str, Any], gradient: Theta, accumulate: bool = False) -> None:
        """Write the declared gradients, summed over the workers.

        The last layers first, in pieces that are on their way while the next ones are worked out.
        """
        if declared.keys() != gradient.keys() or gradient.layout.aliases:
            write_gradient(declared, gradient, accumulate)
            self.add(gradient.flat)
            return
        under_way = []
        for names, place in buckets(gradient.layout):
            for name in names:
                _write_one(name, declared, gradient)
            under_way.append(self._begin(gradient.flat[place]))
        self._wait(under_way)

    def nothing(self, gradient: Theta) -> None:
        """Do as ``write`` does, for a worker that has no example of a batch."""
        gradient.flat[...] = 0
        if gradient.layout.aliases:
            self.add(gradient.flat)
            return
        self._wait([self._begin(gradient.flat[place]) for _, place in buckets(gradient.layout)])

    def at_step(self, step: int) -> None:
        """Tell the others which step this is."""
        self._heartbeat.step = step

    def done(self) -> None:
        """Wait for the others, and leave."""
        self.agreed(0)
        self._heartbeat.end()
        self._group.destroy_process_group()

    def _begin(self, array: np.ndarray) -> Any:
        return self._reduce(self._torch.from_numpy(array), self._group.ReduceOp.SUM)

    def _reduce(self, tensor: Any, operation: Any) -> Any:
        try:
            return self._group.all_reduce(tensor, operation, async_op=True)
        except RuntimeError as error:
            self._lost(error)

    def _wait(self, under_way: list[Any]) -> None:
        try:
            for each in under_way:
                each.wait()
        except RuntimeError as error:
            self._lost(error)

    def _lost(self, error: RuntimeError) -> None:
        """Raise an error that names who is gone."""
        who = self._heartbeat.missing(wait=True)
        self._heartbeat.let_hear()
        raise WorkerLost(who or TEXT["lost"].format(error=str(error).splitlines()[0])) from None


def buckets(layout: Layout) -> list[tuple[list[str], slice]]:
    """Return the pieces of the gradient that are added up at once, and the children in each."""
    found: list[tuple[list[str], slice]] = []
    names: list[str] = []
    stop = layout.size
    for name in reversed(list(dict.fromkeys(entry.path[0] for entry in layout.entries))):
        start = min(entry.start for entry in layout.entries if entry.path[0] == name)
        names.append(name)
        if stop - start >= BUCKET or start == 0:
            found.append((names, slice(start, stop)))
            names, stop = [], start
    return found


def _write_one(name: str, declared: Mapping[str, Any], gradient: Theta) -> None:
    view = gradient[name]
    if isinstance(view, dict):
        for inner in view:
            _write_one(inner, declared[name], view)  # type: ignore[arg-type]
    else:
        declared[name].sum(out=view)


_found: list[Workers] = []


def workers() -> Workers:
    """Return this process's place among the workers; the first call joins them."""
    if not _found:
        count = int(os.environ.get("WORLD_SIZE", "1"))
        many = count > 1 and "RANK" in os.environ and "MASTER_ADDR" in os.environ
        _found.append(Processes(int(os.environ["RANK"]), count) if many else ALONE)
    return _found[0]


def only_alone(here: Workers, **uses: bool) -> None:
    """Raise ``ConfigError`` where something is used that several workers cannot do.

    Args:
        here: this worker.
        uses: what, and whether it is used.
    """
    for what, used in uses.items():
        if used and here.count > 1:
            raise ConfigError(TEXT["alone"].format(what=what))
