"""Whole Jacobians: of the function itself, of its pullback, of its pushforward."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from pullback.check.sample import Sample, directions
from pullback.core.analytic import analytic
from pullback.core.errors import ConfigError
from pullback.core.theta import Theta

COMPLEX = "complex step"
DIFFERENCES = "5-point differences"
BOUNDS = {COMPLEX: 1e-9, DIFFERENCES: 1e-7}
LARGEST = 1 << 22
"""Numbers of a Jacobian that are still worked out whole."""

Jacobians = dict[str, np.ndarray]
"""By tensor: ``(outputs of the whole batch, *shape of the tensor)``."""


def check_size(s: Sample) -> None:
    """Raise ``ConfigError`` where the Jacobian would be too large."""
    size = s.gy.size * (sum(x.size for _, x in s.inputs()) + s.p.flat.size)
    if size > LARGEST:
        raise ConfigError(
            f"{s.net.title}: the Jacobian has {size:,} numbers, expected at most {LARGEST:,}; "
            "check the map on a smaller input, or a smaller batch"
        )


def of_the_function(s: Sample) -> tuple[str, Jacobians]:
    """Return the method and the Jacobians that ``forward`` alone gives.

    By the complex step where the code can take complex numbers and agrees with a difference along
    a random direction; else by differences.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            found = _columns(s, _complex_derivative)
            if _agrees(s, found):
                return COMPLEX, found
    except Exception:
        # Whatever the code cannot do with complex numbers, it may do with real ones; if it fails
        # with those too, the error is not lost.
        pass
    return DIFFERENCES, _columns(s, _difference)


Derivative = Callable[[Sample, Any, np.ndarray], np.ndarray]
"""Of a sample along a direction ``(dx, dp)``: the change of ``y``."""


def _complex_derivative(s: Sample, dx: Any, dp: np.ndarray, h: float = 1e-30) -> np.ndarray:
    x = _moved(s.x, dx, 1j * h)
    y, _ = s.forward(analytic(x), analytic(s.p.flat + 1j * h * dp))
    if np.asarray(y).dtype.kind != "c":
        raise TypeError("the output is not complex")
    changed: np.ndarray = np.imag(np.asarray(y)) / h
    return changed


def _difference(s: Sample, dx: Any, dp: np.ndarray, h: float = 1e-4) -> np.ndarray:
    def at(step: float) -> np.ndarray:
        return np.array(s.forward(_moved(s.x, dx, step), s.p.flat + step * dp)[0])

    change: np.ndarray = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
    return change


def _moved(x: Any, dx: Any, step: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(part + step * change for part, change in zip(x, dx, strict=True))
    return x + step * dx


def _columns(s: Sample, derivative: Derivative) -> Jacobians:
    """One derivative for every number of the input and of the parameters."""
    still_p, found = np.zeros_like(s.p.flat), {}
    for i, (name, x) in enumerate(s.inputs()):
        columns = [derivative(s, _only(s.x, i, unit), still_p) for unit in directions(x.shape)]
        found[name] = _stacked(columns, s, x.shape)
    still_x = _only(s.x, -1, None)
    columns = [derivative(s, still_x, unit) for unit in directions(s.p.flat.shape)]
    whole = _stacked(columns, s, s.p.flat.shape)
    return found | _by_parameter(whole, s.p)


def _stacked(columns: list[np.ndarray], s: Sample, shape: tuple[int, ...]) -> np.ndarray:
    flat = np.array([column.reshape(-1) for column in columns]).reshape(-1, s.gy.size)
    return flat.T.reshape(s.gy.size, *shape)


def _only(x: Any, position: int, change: np.ndarray | None) -> Any:
    """Return zeros like ``x``, with ``change`` in the place of one of its arrays."""
    if not isinstance(x, tuple):
        return np.zeros_like(x) if change is None else change
    return tuple(
        change if i == position and change is not None else np.zeros_like(part)
        for i, part in enumerate(x)
    )


def _by_parameter(whole: np.ndarray, p: Theta) -> Jacobians:
    return {
        entry.name: whole[:, entry.start : entry.stop].reshape(-1, *entry.shape)
        for entry in p.layout.entries
        if not entry.alias
    }


def _agrees(s: Sample, found: Jacobians) -> bool:
    rng = np.random.default_rng(0)
    dx = {name: rng.standard_normal(x.shape) for name, x in s.inputs()}
    dp = s.p.layout.view(rng.standard_normal(s.p.flat.shape))
    changes = tuple(dx.values())
    # A short step: it must not cross a kink, and few digits are enough.
    expected = _difference(s, changes if isinstance(s.x, tuple) else changes[0], dp.flat, 1e-7)
    total = np.zeros(s.gy.size)
    for name, change in dx.items():
        total += found[name].reshape(s.gy.size, -1) @ change.reshape(-1)
    for entry in s.p.layout.entries:
        if not entry.alias:
            total += found[entry.name].reshape(s.gy.size, -1) @ dp.flat[entry.start : entry.stop]
    gap = np.linalg.norm(total - expected.reshape(-1))
    return bool(gap <= 1e-5 * max(1.0, float(np.linalg.norm(expected))))


def of_the_pullback(s: Sample) -> Jacobians:
    """Return the Jacobians whose rows the pullback and the contractions give."""
    rows: dict[str, list[np.ndarray]] = {}
    for gy in directions(s.gy.shape):
        gx, declared = s.backward(gy)
        found = dict(zip((name for name, _ in s.inputs()), _parts(gx), strict=True))
        for entry in s.p.layout.entries:
            if entry.name in declared:
                original = next(e.name for e in s.p.layout.entries if e.start == entry.start)
                total = np.array(declared[entry.name].sum())
                found[original] = found[original] + total if original in found else total
        for name, row in found.items():
            rows.setdefault(name, []).append(np.array(row))
    return {name: np.array(found) for name, found in rows.items()}


def of_the_pushforward(s: Sample) -> Jacobians:
    """Return the Jacobians whose columns the pushforward gives."""
    _, res = s.forward()

    def derivative(s: Sample, dx: Any, dp: np.ndarray) -> np.ndarray:
        return np.array(s.net.pushforward(s.p, res, Theta(s.p.layout, dp), dx))

    return _columns(s, derivative)


def _parts(gx: Any) -> tuple[Any, ...]:
    return gx if isinstance(gx, tuple) else (gx,)
