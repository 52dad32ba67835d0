"""Faults that change nothing that can be seen, each with the reason."""

EQUIVALENT: dict[str, str] = {}
"""By function, operator, and the line before and after."""
