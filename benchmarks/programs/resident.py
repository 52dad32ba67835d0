"""The memory that this process holds, as Linux counts it."""

from __future__ import annotations

from pathlib import Path


def peak_bytes() -> int:
    """Return the peak of resident memory.

    That of ``resource`` will not do: it begins with what the parent held.
    """
    return _entry("VmHWM")


def resident_bytes() -> int:
    """Return the resident memory now."""
    return _entry("VmRSS")


def _entry(name: str) -> int:
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)
    )
    return int(line.split()[1]) * 1024
