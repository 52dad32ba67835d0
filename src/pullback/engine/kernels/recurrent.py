"""Recurrent maps: every part takes whole sequences, so that no step waits for another thread.

What a step's cell keeps takes the place of its input product; the state before each step is kept
for the gradient of U.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from pullback.engine.kernels.elementary import sigmoid_and_slope, tanh, whole
from pullback.engine.kernels.lanes import ACROSS, BYTES
from pullback.engine.kernels.native import gemm, integers, item_size, share, vector
from pullback.engine.kernels.tiles import multiply

RNN, LSTM, GRU = range(3)
(
    CALL, WIDE, KIND, STEPS, INPUTS, UNITS, GATES, REVERSE, ALL, SCRATCH, SCRATCH_EACH, ROOM, FIRST
) = range(1, 14)  # fmt: skip
"""Where the sizes stand: GATES times UNITS numbers are what a cell adds up. ALL says whether the
states of all steps are wanted. SCRATCH is memory, of which each part has SCRATCH_EACH bytes: U in
panels, and from ROOM on rows of work."""


@njit(inline="always")
def _panels(a: Any, u: Any, panels: Any, turned: Any, like: Any) -> None:
    """Write U (units, wide), or if ``turned`` its transpose, in columns of a panel's width."""
    size, units, wide = item_size(like), a[UNITS], a[GATES] * a[UNITS]
    across = ACROSS * BYTES // size
    rows, columns = (wide, units) if turned else (units, wide)
    for left in range(0, columns, across):
        count = min(across, columns - left)
        for k in range(rows):
            out = vector(panels + (rows * left + k * count) * size, count, like)
            if turned:
                source = vector(u + (left * wide + k) * size, (count - 1) * wide + 1, like)
                for j in range(count):
                    out[j] = source[j * wide]
            else:
                source = vector(u + (k * wide + left) * size, count, like)
                for j in range(count):
                    out[j] = source[j]


@njit(inline="always")
def _times_panels(
    y: Any, more: Any, x: Any, apart: Any, panels: Any, rows: Any, inner: Any, columns: Any,
    like: Any,
) -> None:  # fmt: skip
    """``y (rows, columns) = x U``, plus y if ``more``, rows of x ``apart`` bytes."""
    size = item_size(like)
    across = ACROSS * BYTES // size
    for left in range(0, columns, across):
        count = min(across, columns - left)
        multiply(
            y + left * size, columns * size, x, apart, size, panels + inner * left * size,
            count * size, rows, inner, count, more, like,
        )  # fmt: skip


@njit(inline="always")
def _is_last(a: Any, t: Any, length: Any) -> Any:
    """Whether step ``t`` is the one whose state is the last."""
    return t == (0 if a[REVERSE] else length - 1)


@njit(inline="always")
def _length(a: Any, lengths: Any, i: Any) -> Any:
    return integers(lengths, i + 1)[i] if lengths else a[STEPS]


def recurrent_forward(a: Any, part: Any, parts: Any, like: Any) -> None:
    """States of x (n, T, C): W, U, b, c of a GRU, lengths (n) or none, z and what takes its place
    (n, T, gates units), what else is kept (n, T, 2 units), the states before (n, T, units), y.
    """
    n, steps, units, size = a[0], a[STEPS], a[UNITS], item_size(like)
    wide = a[GATES] * units
    x, w, b, lengths = a[FIRST], a[FIRST + 1], a[FIRST + 3], a[FIRST + 5]
    z, sides, before, y = a[FIRST + 6], a[FIRST + 7], a[FIRST + 8], a[FIRST + 9]
    first, last = share(n, part, parts, 1)
    rows = last - first
    if rows <= 0:
        return
    scratch = a[SCRATCH] + part * a[SCRATCH_EACH]
    room = scratch + a[ROOM]
    cells = room + 4 * wide * size
    q = cells + rows * units * size
    _panels(a, a[FIRST + 2], scratch, False, like)
    gemm(
        a[CALL], a[WIDE], False, False, rows * steps, wide, a[INPUTS],
        x + first * steps * a[INPUTS] * size, a[INPUTS], w, wide, 0.0,
        z + first * steps * wide * size, wide, like,
    )  # fmt: skip
    _zero(cells, rows * units, like)
    if not a[ALL]:
        _zero(y + first * units * size, rows * units, like)
    for step in range(steps):
        t = steps - 1 - step if a[REVERSE] else step
        after = t - 1 if a[REVERSE] else t + 1
        if step == 0:
            _zero(q, rows * wide, like)
        else:
            _times_panels(
                q, False, before + (first * steps + t) * units * size, steps * units * size,
                scratch, rows, units, wide, like,
            )  # fmt: skip
        for i in range(rows):
            row = (first + i) * steps + t
            length = _length(a, lengths, first + i)
            state = before + row * units * size
            if step == 0:
                _zero(state, units, like)
            made = y + row * units * size if a[ALL] else room + 3 * wide * size
            if t < length:
                _cell(
                    a, z + row * wide * size, q + i * wide * size, b, a[FIRST + 4],
                    cells + i * units * size, state, sides + 2 * row * units * size, made, room,
                    like,
                )  # fmt: skip
            else:
                _zero(z + row * wide * size, wide, like)
                _zero(sides + 2 * row * units * size, 2 * units, like)
                _zero(made, units, like)
            if step + 1 < steps:
                _copy(made, before + ((first + i) * steps + after) * units * size, units, like)
            if not a[ALL] and _is_last(a, t, length):
                _copy(made, y + (first + i) * units * size, units, like)


@njit(inline="always")
def _cell(
    a: Any, z: Any, q: Any, b: Any, c: Any, cell: Any, state: Any, sides: Any, y: Any, room: Any,
    like: Any,
) -> None:  # fmt: skip
    """The next state of one example, and in the place of z and in ``sides`` what is kept.

    The loops have few arrays each, or they would not be compiled to lanes.
    """
    units, size = a[UNITS], item_size(like)
    wide = a[GATES] * units
    if a[KIND] == RNN:
        _add(room, z, q, b, wide, like)
        total, h, slope = vector(room, units, like), vector(y, units, like), vector(z, units, like)
        for j in range(units):
            h[j] = tanh(total[j])
        for j in range(units):
            slope[j] = whole(1, h[j]) - h[j] * h[j]
    elif a[KIND] == LSTM:
        _add(room, z, q, b, wide, like)
        _lstm(units, z, cell, sides, y, room, size, like)
    else:
        _add(room, z, q, b, 2 * units, like)
        _gru(units, z, q, b, c, state, sides, y, room, size, like)


@njit(inline="always")
def _add(s: Any, z: Any, q: Any, b: Any, count: Any, like: Any) -> None:
    total, one = vector(s, count, like), vector(z, count, like)
    two, three = vector(q, count, like), vector(b, count, like)
    for j in range(count):
        total[j] = one[j] + two[j] + three[j]


@njit(inline="always")
def _gates(s: Any, value: Any, slope: Any, count: Any, like: Any) -> None:
    total, found, d = vector(s, count, like), vector(value, count, like), vector(slope, count, like)
    for j in range(count):
        found[j], d[j] = sigmoid_and_slope(total[j])


@njit(inline="always")
def _times(x: Any, y: Any, out: Any, count: Any, like: Any) -> None:
    one, two, product = vector(x, count, like), vector(y, count, like), vector(out, count, like)
    for j in range(count):
        product[j] = one[j] * two[j]


@njit(inline="always")
def _lstm(
    units: Any, z: Any, cell: Any, sides: Any, y: Any, room: Any, size: Any, like: Any
) -> None:
    """Gates in the order i, f, g, o; ``sides`` are the slope of the state in the cell, and f."""
    part = units * size
    values, slopes = room + 4 * part, room + 8 * part
    _gates(room, values, slopes, 2 * units, like)
    _gates(room + 3 * part, values + 3 * part, slopes + 3 * part, units, like)
    total, g = vector(room + 2 * part, units, like), vector(values + 2 * part, units, like)
    for j in range(units):
        g[j] = tanh(total[j])
    i, f = vector(values, units, like), vector(values + part, units, like)
    c, of_g = vector(cell, units, like), vector(z + 2 * part, units, like)
    _times(cell, slopes + part, z + part, units, like)
    _times(values + 2 * part, slopes, z, units, like)
    for j in range(units):
        of_g[j] = i[j] * (whole(1, g[j]) - g[j] * g[j])
    for j in range(units):
        c[j] = f[j] * c[j] + i[j] * g[j]
    for j in range(units):
        total[j] = tanh(c[j])
    _times(room + 2 * part, slopes + 3 * part, z + 3 * part, units, like)
    _times(room + 2 * part, values + 3 * part, y, units, like)
    o, of_c = vector(values + 3 * part, units, like), vector(sides, units, like)
    for j in range(units):
        of_c[j] = o[j] * (whole(1, o[j]) - total[j] * total[j])
    _copy(values + part, sides + part, units, like)


@njit(inline="always")
def _gru(
    units: Any, z: Any, q: Any, b: Any, c: Any, state: Any, sides: Any, y: Any, room: Any,
    size: Any, like: Any,
) -> None:  # fmt: skip
    """Gates in the order r, u, m; ``sides`` are r, and u."""
    part = units * size
    slopes, inner = room + 3 * part, vector(room + 5 * part, units, like)
    _gates(room, sides, slopes, 2 * units, like)
    r, u = vector(sides, units, like), vector(sides + part, units, like)
    of_q, of_b, more = (
        vector(q + 2 * part, units, like),
        vector(b + 2 * part, units, like),
        vector(c, units, like),
    )
    for j in range(units):
        inner[j] = of_q[j] + more[j]
    of_z, m = vector(z + 2 * part, units, like), vector(room + 6 * part, units, like)
    for j in range(units):
        m[j] = of_z[j] + of_b[j] + r[j] * inner[j]
    for j in range(units):
        m[j] = tanh(m[j])
    for j in range(units):  # the slope of m, from here on in the place of z
        of_z[j] = (whole(1, u[j]) - u[j]) * (whole(1, m[j]) - m[j] * m[j])
    of_r, r_slope = vector(z, units, like), vector(slopes, units, like)
    for j in range(units):
        of_r[j] = of_z[j] * inner[j] * r_slope[j]
    h, of_u, u_slope = (
        vector(state, units, like),
        vector(z + part, units, like),
        vector(slopes + part, units, like),
    )
    for j in range(units):
        of_u[j] = (h[j] - m[j]) * u_slope[j]
    out = vector(y, units, like)
    for j in range(units):
        out[j] = (whole(1, u[j]) - u[j]) * m[j] + u[j] * h[j]


def recurrent_pullback(a: Any, part: Any, parts: Any, like: Any) -> None:
    """``gz`` and ``gq`` of all steps, and ``gx = gz W^T``: gy, W, U, lengths or none, what is kept
    of z, what else is kept, gz, gq (of a GRU; else the same), gx or none.
    """
    n, steps, units, size = a[0], a[STEPS], a[UNITS], item_size(like)
    wide = a[GATES] * units
    gy, w, lengths, kept = a[FIRST], a[FIRST + 1], a[FIRST + 3], a[FIRST + 4]
    sides, gz, gq, gx = a[FIRST + 5], a[FIRST + 6], a[FIRST + 7], a[FIRST + 8]
    first, last = share(n, part, parts, 1)
    rows = last - first
    if rows <= 0:
        return
    scratch = a[SCRATCH] + part * a[SCRATCH_EACH]
    gc = scratch + a[ROOM]
    g = gc + rows * units * size
    _panels(a, a[FIRST + 2], scratch, True, like)
    _zero(gc, 2 * rows * units, like)  # and g, which follows
    for back in range(steps):
        t = back if a[REVERSE] else steps - 1 - back
        for i in range(rows):
            row, offset = (first + i) * steps + t, i * units * size
            if a[ALL]:
                _accumulate(g + offset, gy + row * units * size, units, like)
            elif _is_last(a, t, _length(a, lengths, first + i)):
                _accumulate(g + offset, gy + (first + i) * units * size, units, like)
            _cell_pullback(
                a, kept + row * wide * size, sides + 2 * row * units * size, g + offset,
                gc + offset, gz + row * wide * size, gq + row * wide * size, like,
            )  # fmt: skip
        if back + 1 < steps:
            _times_panels(
                g, True, gq + (first * steps + t) * wide * size, steps * wide * size, scratch,
                rows, wide, units, like,
            )  # fmt: skip
    if gx:
        gemm(
            a[CALL], a[WIDE], False, True, rows * steps, a[INPUTS], wide,
            gz + first * steps * wide * size, wide, w, wide, 0.0,
            gx + first * steps * a[INPUTS] * size, a[INPUTS], like,
        )  # fmt: skip


@njit(inline="always")
def _cell_pullback(
    a: Any, kept: Any, sides: Any, g: Any, gc: Any, gz: Any, gq: Any, like: Any
) -> None:
    """What comes to ``z`` and ``q`` of one example; ``g`` is left with what passes by them."""
    units, size = a[UNITS], item_size(like)
    part = units * size
    if a[KIND] == RNN:
        _times(kept, g, gz, units, like)
        _zero(g, units, like)
    elif a[KIND] == LSTM:
        of_c, gh, cell = vector(sides, units, like), vector(g, units, like), vector(gc, units, like)
        for j in range(units):
            cell[j] += of_c[j] * gh[j]
        for gate in range(3):
            _times(kept + gate * part, gc, gz + gate * part, units, like)
        _times(kept + 3 * part, g, gz + 3 * part, units, like)
        _times(sides + part, gc, gc, units, like)
        _zero(g, units, like)
    else:
        for gate in range(3):
            _times(kept + gate * part, g, gz + gate * part, units, like)
        _copy(gz, gq, 2 * units, like)
        _times(sides, gz + 2 * part, gq + 2 * part, units, like)
        _times(sides + part, g, g, units, like)


@njit(inline="always")
def _accumulate(y: Any, x: Any, count: Any, like: Any) -> None:
    total, more = vector(y, count, like), vector(x, count, like)
    for j in range(count):
        total[j] += more[j]


@njit(inline="always")
def _zero(y: Any, count: Any, like: Any) -> None:
    numbers = vector(y, count, like)
    for j in range(count):
        numbers[j] = 0


@njit(inline="always")
def _copy(x: Any, y: Any, count: Any, like: Any) -> None:
    source, target = vector(x, count, like), vector(y, count, like)
    for j in range(count):
        target[j] = source[j]
