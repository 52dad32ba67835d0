"""What can go wrong, in one place: every error says what, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PullbackError(Exception):
    """Base of every error that Pullback raises on purpose; the message is one line."""

    exit_code = 2


class ConfigError(PullbackError):
    """A name, key, option or value that cannot be used (exit code 2)."""


class ShapeError(PullbackError):
    """Arrays or specs whose shapes do not fit together (exit code 2)."""


class DataError(PullbackError):
    """A file or array of examples that is missing, damaged or inconsistent (exit code 3)."""

    exit_code = 3


class ModelFileError(DataError):
    """A model or checkpoint file that cannot be read as one (exit code 3)."""


class StorageError(PullbackError):
    """A file or folder that cannot be written (exit code 3)."""

    exit_code = 3


class NonFiniteError(PullbackError):
    """A NaN or an infinity appeared during training (exit code 4)."""

    exit_code = 4


SHOWN = 100
"""Names that are listed, at most."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest known name in any case, or those known."""
    names = sorted(known)
    folded = {each.lower(): each for each in names}
    near = difflib.get_close_matches(name.lower(), folded, n=1)
    if near:
        return f" Did you mean {folded[near[0]]!r}?"
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return f" Known: {', '.join(names[:SHOWN])}{more}."
