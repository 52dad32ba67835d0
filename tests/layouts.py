"""The same numbers in other places of the memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

UNUSED = 77
"""What lies between the numbers."""


def transposed(a: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(a.T).T


def strided(a: np.ndarray) -> np.ndarray:
    wide = np.full((*a.shape[:-1], 2 * a.shape[-1] + 1), UNUSED, a.dtype)
    wide[..., 1::2] = a
    return wide[..., 1::2]


def every_second_example(a: np.ndarray) -> np.ndarray:
    wide = np.full((2 * len(a), *a.shape[1:]), UNUSED, a.dtype)
    wide[::2] = a
    return wide[::2]


def backwards(a: np.ndarray) -> np.ndarray:
    return a[..., ::-1].copy()[..., ::-1]


def last_example_first(a: np.ndarray) -> np.ndarray:
    return a[::-1].copy()[::-1]


def read_only(a: np.ndarray) -> np.ndarray:
    b = a.copy()
    b.flags.writeable = False
    return b


def permuted(a: np.ndarray) -> np.ndarray:
    """The last two axes lie the other way round."""
    return np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2) if a.ndim > 2 else a.copy()


def off_by_one_byte(a: np.ndarray) -> np.ndarray:
    raw = np.zeros(a.nbytes + 1, np.uint8)
    view = np.ndarray(a.shape, a.dtype, raw, offset=1)
    view[...] = a
    return view


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "transposed": transposed,
    "strided": strided,
    "every second example": every_second_example,
    "backwards": backwards,
    "last example first": last_example_first,
    "read-only": read_only,
    "permuted": permuted,
    "off by a byte": off_by_one_byte,
}


def one_for_all(a: np.ndarray) -> np.ndarray:
    """The first example in the place of all, with stride 0."""
    return np.broadcast_to(a[:1], a.shape)


def one_number(a: np.ndarray) -> np.ndarray:
    """One number in every place, as the cotangent of a sum is."""
    return np.broadcast_to(a.reshape(-1)[:1].reshape((1,) * a.ndim), a.shape)


EXPANDED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "one example for all": one_for_all,
    "one number": one_number,
}
