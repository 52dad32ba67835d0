"""A network that is given its sequences piece by piece, and keeps what it needs of the past."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pullback.core.context import NOTHING, Context
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.map import Map, Params
from pullback.core.tree import map_leaves


class Incremental:
    """A network of ``(N, T)`` tokens that goes on from where it is.

    Attention keeps the keys and values of the tokens before, recurrent maps their state: a further
    token then costs one step, and not a pass over all. The outputs are those of one pass over
    everything, but for rounding.

    Args:
        net: maps every step by itself and those before (``Map.stepwise``).
        p: its parameters.
        state: its state, where it has any.

    Raises:
        ConfigError: a map in it looks at later steps, or at the sequence as a whole.
    """

    def __init__(self, net: Map, p: Params, state: Mapping[str, Any] = NOTHING) -> None:
        culprit = _not_stepwise(net)
        if culprit is not None:
            raise ConfigError(
                f"{culprit} cannot go on from a step: it looks at the sequence as a whole; what "
                "writes step by step must be causal"
            )
        self.net, self.p, self.state = net, p, state
        self.restart()

    def restart(self) -> None:
        """Forget everything: the next tokens are the first."""
        self.done = 0
        self._past: Mapping[str, Any] = NOTHING

    def step(self, tokens: Any) -> np.ndarray:
        """Return the outputs ``(N, t, ...)`` for the next tokens ``(N, t)``.

        Raises:
            ShapeError: more steps than the network can take.
        """
        dtype = getattr(getattr(self.p, "flat", None), "dtype", "float32")
        x = np.asarray(tokens).astype(dtype)
        most = self.net.most_steps
        if most is not None and self.done + x.shape[1] > most:
            raise ShapeError(
                f"{self.done + x.shape[1]} steps; the network has positions for {most}: restart "
                "with the last ones"
            )
        ctx = Context(state=self.state, done=self.done, past=self._past)
        y, res = self.net.forward(self.p, x, ctx)
        self._past = self.net.keep(self._past, res)
        self.done += x.shape[1]
        return np.asarray(y)

    def reorder(self, rows: np.ndarray) -> None:
        """Go on with these rows of the sequences so far, some perhaps more than once."""
        self._past = _chosen(self._past, rows)

    def __call__(self, prefixes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the last outputs, as ``beam_search`` asks for them."""
        if self.done:
            self.reorder(rows)
        last: np.ndarray = self.step(prefixes[:, self.done :])[:, -1]
        return last


def _chosen(past: Mapping[str, Any], rows: np.ndarray) -> Mapping[str, Any]:
    def of(kept: Any) -> Any:
        return tuple(part[rows] for part in kept) if isinstance(kept, tuple) else kept[rows]

    found: Mapping[str, Any] = map_leaves(of, past)
    return found


def _not_stepwise(net: Map) -> str | None:
    """Return the name of a map that cannot take its sequence piece by piece; None where all can."""
    if net.stepwise:
        return None
    inside = (_not_stepwise(child) for child in net.children().values())
    return next((name for name in inside if name is not None), net.title)
