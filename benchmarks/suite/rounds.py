"""Rounds: everyone in turn, A B C A B C ..., one at a time; and the rows that come of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from suite.contestants import Contestant, Turn
from suite.environments import NotInstalled
from suite.peers import OURS
from suite.quiet import pause
from suite.workers import WorkerFailed

QUIET = 0.25
"""Processors that others may keep busy before a turn counts as disturbed."""


@dataclass
class Rounds:
    """Everyone's turns, why some have none, and how many processors others kept busy."""

    turns: dict[str, list[Turn]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    others: list[float] = field(default_factory=list)

    def result(self, tolerances: Mapping[str, float], unit: str) -> dict[str, Any]:
        """Return a row for each peer in ``tolerances``."""
        rows = {
            peer: _row(self.turns[OURS], self.turns[peer], tolerance)
            for peer, tolerance in tolerances.items()
            if peer in self.turns
        }
        failed = {peer: {"failed": reason} for peer, reason in self.failures.items()}
        found: dict[str, Any] = {"peers": rows | failed, "unit": unit}
        if self.others:
            busy = sum(processors > QUIET for processors in self.others)
            found["others"] = {"busy": busy, "before_each_turn": self.others}
        return found


def take_turns(
    peers: Sequence[str],
    make: Callable[[str], Contestant],
    rounds: int,
    extra: Mapping[str, Contestant] | None = None,
) -> Rounds:
    """Let us, what is ``extra``, and the peers take turns; a first round only warms up.

    Raises:
        WorkerFailed: our own side failed.
    """
    contestants: dict[str, Contestant] = {OURS: make(OURS), **(extra or {})}
    found = Rounds()
    for peer in peers:
        try:
            contestants[peer] = make(peer)
        except NotInstalled as reason:
            found.failures[peer] = f"not installed: {reason}"
        except WorkerFailed as reason:
            found.failures[peer] = f"failed: {reason}"
    turns: dict[str, list[Turn]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, contestant in list(contestants.items()):
            busy = pause()
            if busy is not None:
                found.others.append(busy)
            try:
                turns[name].append(contestant.turn(number))
            except WorkerFailed as reason:
                if name not in peers:
                    raise
                found.failures[name] = f"failed: {reason}"
                del contestants[name], turns[name]
    found.turns = {name: taken[1:] for name, taken in turns.items()}
    return found


def summary(values: Iterable[float]) -> dict[str, float]:
    """Return median, smallest and largest."""
    kept = list(values)
    return {"median": statistics.median(kept), "smallest": min(kept), "largest": max(kept)}


def _row(ours: list[Turn], theirs: list[Turn], tolerance: float) -> dict[str, Any]:
    pairs = list(zip(ours, theirs, strict=True))
    apart = max(abs(a.outcome - b.outcome) / abs(a.outcome) for a, b in pairs)
    return {
        "ratio": summary(a.value / b.value for a, b in pairs),
        "rounds": len(pairs),
        "ours": [a.value for a, _ in pairs],
        "theirs": [b.value for _, b in pairs],
        "outcomes": [[a.outcome, b.outcome] for a, b in pairs],
        "apart": apart,
        "tolerance": tolerance,
        "comparable": apart <= tolerance,
    }


def chosen(peers: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """Return those of a workload's peers that are wanted: all where ``wanted`` is None."""
    return [peer for peer in peers if wanted is None or peer in wanted]
