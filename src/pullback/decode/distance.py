"""How far what was found is from what is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pullback.core.errors import ShapeError


def edit_distance(found: Sequence[Any], right: Sequence[Any]) -> int:
    """Return the fewest insertions, deletions and replacements that make one of the other.

    ``d[i, j] = min(d[i-1, j] + 1, d[i, j-1] + 1, d[i-1, j-1] + (a[i] != b[j]))``, row by row.
    Levenshtein (1966); Wagner and Fischer (1974).

    >>> edit_distance("kitten", "sitting")
    3
    """
    row = list(range(len(right) + 1))
    for i, a in enumerate(found, start=1):
        corner, row[0] = row[0], i
        for j, b in enumerate(right, start=1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (a != b))
    return row[-1]


def error_rate(found: Sequence[Sequence[Any]], right: Sequence[Sequence[Any]]) -> float:
    """Return the edits of all sequences over the length of what is right; it may be above 1.

    The digit error rate of digits, the word error rate of words.

    Raises:
        ShapeError: not one found for each that is right.
    """
    if len(found) != len(right):
        raise ShapeError(f"{len(found)} sequences found for {len(right)}; expected one for each")
    edits = sum(edit_distance(a, b) for a, b in zip(found, right, strict=True))
    length = sum(map(len, right))
    return edits / length if length else float(np.sign(edits))
