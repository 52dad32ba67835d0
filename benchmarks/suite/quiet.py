"""How busy others keep the machine, seen while none of ours works."""

from __future__ import annotations

import os
import time
from pathlib import Path

SETTLE = 0.3
"""Seconds in which threads that still spin for new work fall asleep."""

WATCH = 0.2
STAT = Path("/proc/stat")
IDLE = slice(3, 5)


def pause() -> float | None:
    """Wait between two turns; return how many processors were busy, where that can be seen."""
    time.sleep(SETTLE)
    before = _busy()
    time.sleep(WATCH)
    after = _busy()
    if before is None or after is None:
        return None
    return (after - before) / os.sysconf("SC_CLK_TCK") / WATCH


def _busy() -> int | None:
    """Return the clock ticks that all processors together were not idle."""
    if not STAT.exists():
        return None
    ticks = [int(word) for word in STAT.read_text().splitlines()[0].split()[1:9]]
    return sum(ticks) - sum(ticks[IDLE])
