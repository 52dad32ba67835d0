"""Comparisons that the tests share."""

from __future__ import annotations

from typing import Any

import numpy as np


def relative_error(found: Any, expected: Any) -> float:
    """The norm of the difference over that of what is expected; shapes must agree."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, (found.shape, expected.shape)
    assert np.all(np.isfinite(expected))
    size = float(np.linalg.norm(expected))
    error = float(np.linalg.norm(found - expected))
    return error / size if size else error


def parts(x: Any) -> tuple[Any, ...]:
    """The arrays of an input that may be one or a tuple of them."""
    return x if isinstance(x, tuple) else (x,)


def like_input(x: Any, found: Any) -> Any:
    """Arrays as a tuple where the input ``x`` is one, else the only one."""
    found = tuple(found)
    return found if isinstance(x, tuple) else found[0]


def each_part(change: Any, x: Any) -> Any:
    """``x`` with every array of it changed."""
    return like_input(x, map(change, parts(x)))


def arrays_in(tree: Any) -> list[np.ndarray]:
    """All arrays in nested dictionaries, tuples and lists."""
    if isinstance(tree, np.ndarray):
        return [tree]
    if isinstance(tree, dict):
        tree = tuple(tree.values())
    if isinstance(tree, tuple | list):
        return [array for part in tree for array in arrays_in(part)]
    return []


def same(a: Any, b: Any) -> bool:
    """Whether two trees hold the same names and bit for bit the same arrays and values."""
    if isinstance(a, np.ndarray):
        return (
            isinstance(b, np.ndarray)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and a.tobytes() == b.tobytes()
        )
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, tuple | list):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def largest_gradient_error(found: Any, expected: Any) -> float:
    """The largest relative error of a parameter's gradient, from two flat gradients as ``Theta``.

    Some gradients are nothing but rounding (of a bias before a normalisation, say): none is
    taken as smaller than a thousandth of the whole.
    """
    least = 1e-3 * float(np.linalg.norm(np.asarray(expected.flat)))
    errors = [0.0]
    for entry in expected.layout.entries:
        place = slice(entry.start, entry.stop)
        right = np.asarray(expected.flat)[place]
        difference = float(np.linalg.norm(np.asarray(found.flat)[place] - right))
        errors.append(difference / (max(least, float(np.linalg.norm(right))) or 1.0))
    return max(errors)
