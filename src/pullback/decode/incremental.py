"""A network that is given its sequences piece by piece, and keeps what it needs of the past."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pullback.core.context import NOTHING, Context
from pullback.core.errors import ConfigError
from pullback.core.map import Map, Params
from pullback.core.tree import map_leaves

TEXT = {
    "whole": "{name} needs its sequence as a whole, and cannot go on from a step; what writes step "
    "by step must be causal",
}


class Incremental:
    """A trained network that goes on from the steps that it has been given.

    Attention keeps the keys and values of the steps before, recurrent maps keep their state: a
    further step then costs as much as one, not as much as all. The outputs are those of one pass
    over everything, but for rounding.

    It can be the ``step`` of ``beam_search``.

    Args:
        net: every step of its output depends on that step of the input and those before
            (``Map.stepwise``).
        p: its parameters.
        state: its state, where it has any.
        memory: what the network looks at besides, ``(N, S, C)``, where its input is a pair: as the
            decoder of an ``EncoderDecoder`` does.
        lengths: how many steps of the memory are each example's own; None: all.

    Raises:
        ConfigError: a map in it needs the sequence as a whole; the message names it.

    >>> from pullback.core.map import init
    >>> from pullback.maps import RNN
    >>> x = np.ones((1, 3, 2), "float32")
    >>> p, _ = init(RNN(4), x)
    >>> net = Incremental(RNN(4), p)
    >>> net.step(x[:, :2]).shape, net.step(x[:, 2:]).shape, net.done
    ((1, 2, 4), (1, 1, 4), 3)
    """

    def __init__(
        self,
        net: Map,
        p: Params,
        state: Mapping[str, Any] = NOTHING,
        memory: Any = None,
        lengths: Any = None,
    ) -> None:
        name = _not_stepwise(net)
        if name is not None:
            raise ConfigError(TEXT["whole"].format(name=name))
        self.net, self.p, self.state = net, p, state
        given = {"memory": memory, "lengths": lengths}
        self._given = {key: value for key, value in given.items() if value is not None}
        self.restart()

    def restart(self) -> None:
        """Forget all steps: the next ones are the first."""
        self.done = 0
        self._past: Mapping[str, Any] = NOTHING
        self._beside = self._given

    def step(self, x: Any) -> np.ndarray:
        """Return the outputs ``(N, t, ...)`` for the next steps: ids ``(N, t)``, or vectors."""
        x, memory, lengths = np.asarray(x), *map(self._beside.get, ("memory", "lengths"))
        ctx = Context(
            state=self.state,
            lengths=None if lengths is None else (None, lengths),
            done=self.done,
            past=self._past,
        )
        y, res = self.net.forward(self.p, x if memory is None else (x, memory), ctx)
        self._past = self.net.keep(self._past, res)
        self.done += x.shape[1]
        return np.asarray(y)

    def reorder(self, rows: np.ndarray) -> None:
        """Go on with these rows of the sequences so far, some perhaps more than once."""
        self._past = map_leaves(lambda kept: kept[rows], self._past)
        self._beside = {key: value[rows] for key, value in self._beside.items()}

    def __call__(self, prefixes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the last outputs ``(B, K)`` of prefixes ``(B, L)``, as ``beam_search`` asks.

        Prefixes that are no longer than the steps so far are the first of another search.
        """
        if prefixes.shape[1] <= self.done:
            self.restart()
        if self.done:
            self.reorder(rows)
        last: np.ndarray = self.step(prefixes[:, self.done :])[:, -1]
        return last


def _not_stepwise(net: Map) -> str | None:
    """Return what the map is called that needs whole sequences; None where there is none."""
    if net.stepwise:
        return None
    inside = (_not_stepwise(child) for child in net.children().values())
    return next((name for name in inside if name is not None), net.title)
