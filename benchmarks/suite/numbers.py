"""Numbers for people."""

from __future__ import annotations

from typing import Any

STEPS = {
    "seconds": ((1, 1.0, "s"), (1e-3, 1e3, "ms"), (0, 1e6, "µs")),
    "bytes": ((1e6, 1e-6, "MB"), (1e3, 1e-3, "kB"), (0, 1.0, "bytes")),
}


def quantity(value: float, unit: str) -> str:
    """Return ``value`` with three digits, in the unit that suits its size."""
    factor, name = next((f, name) for least, f, name in STEPS[unit] if value >= least)
    scaled = value * factor
    digits = 0 if scaled >= 100 else 1 if scaled >= 10 else 2
    return f"{scaled:,.{0 if name == 'bytes' else digits}f} {name}"


def disturbed(others: dict[str, Any]) -> str:
    """Return before how many turns others were at work on the machine."""
    return f"Others were at work before {others['busy']} of {len(others['before_each_turn'])} turns"
