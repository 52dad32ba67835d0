"""The memory that this process holds, as Linux counts it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def peak_bytes() -> int:
    """Return the peak of resident memory.

    That of ``resource`` will not do: it begins with what the parent held.
    """
    return _entry("VmHWM")


def resident_bytes() -> int:
    """Return the resident memory now."""
    return _entry("VmRSS")


def growth_bytes(work: Callable[[], Any]) -> tuple[Any, int]:
    """Return what ``work`` returns, and by how much resident memory grew at most meanwhile."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew from what is held now
    before = resident_bytes()
    found = work()
    return found, peak_bytes() - before


def _entry(name: str) -> int:
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)
    )
    return int(line.split()[1]) * 1024
