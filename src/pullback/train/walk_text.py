"""A walk as text for a terminal, and as plain data."""

from __future__ import annotations

from typing import Any

import numpy as np

from pullback.train.walk import TEXT, WHOLE, Section, Sum, Values, Walk

MARKS = {"more": "… ({count} terms)", "range": "min {low}, max {high}, norm {norm}"}


def as_text(walk: Walk) -> str:
    """Return the walk as lines."""
    lines = [line for section in walk.sections for line in _section(section)]
    return "\n".join([*walk.remarks, *lines]).strip("\n")


def heading(section: Section) -> str:
    """Return what a section is called: ``3 backward: 5 (Linear)``."""
    whose = f"{section.path} ({section.title})" if section.path else section.title
    return TEXT[section.kind] + (f": {whose}" if whose else "")


def _section(section: Section) -> list[str]:
    lines = ["", heading(section)]
    lines += [f"    {formula}" for formula in section.formulas]
    lines += [f"  {_tensor(values)}" for values in section.values]
    return lines + [f"  {' = '.join(filter(None, sum_cells(entry)))}" for entry in section.sums]


def _tensor(values: Values) -> str:
    name, shape, numbers = tensor_cells(values)
    mark = " =" if values.array.size <= WHOLE else ":"
    return f"{name} {shape}".rstrip() + f"{mark} {numbers}"


def number(value: Any) -> str:
    """Return a number in six digits, and class numbers whole."""
    return str(value) if isinstance(value, int | np.integer) else f"{value:.6g}"


def place_text(place: tuple[int, ...]) -> str:
    """Return ``[3,7]``; nothing for the one place of a number."""
    return f"[{','.join(map(str, place))}]" if place else ""


def tensor_cells(values: Values) -> tuple[str, str, str]:
    """Return a tensor's name, shape, and numbers: of a large one the range and some entries."""
    array = values.array
    if array.ndim == 0:
        return values.name, "", number(array[()])
    if array.size <= WHOLE:
        rows = array.reshape(-1, array.shape[-1]) if array.size else array.reshape(0, 1)
        numbers = "; ".join(" ".join(map(number, row)) for row in rows)
    else:
        entries = [f"{place_text(place)} {number(array[place])}" for place in values.places]
        numbers = ", ".join([_range(array), *entries])
    return values.name, str(array.shape), numbers


def _range(array: np.ndarray) -> str:
    low, high = number(array.min()), number(array.max())
    return MARKS["range"].format(low=low, high=high, norm=number(np.linalg.norm(array)))


def sum_cells(entry: Sum) -> tuple[str, str, str, str]:
    """Return what are equal: ``gW[0,1]``, ``delta[0,1] x[0,0]``, ``0.5 × 2``, ``1``."""
    letters = " + ".join(
        " ".join(f"{name}{place_text(place)}" for name, place, _ in term) for term in entry.terms
    )
    numbers = " + ".join(
        " × ".join(number(value) if value >= 0 else f"({number(value)})" for *_, value in term)
        for term in entry.terms
    )
    if entry.count > len(entry.terms):
        more = MARKS["more"].format(count=entry.count)
        letters, numbers = f"{letters} + {more}", f"{numbers} + …"
    if entry.count == 1 and len(entry.terms[0]) == 1:  # a term of one factor is the total
        numbers = ""
    return f"{entry.name}{place_text(entry.place)}", letters, numbers, number(entry.total)


def as_data(walk: Walk) -> dict[str, Any]:
    """Return the walk as dictionaries, lists, strings and numbers in full precision."""
    return {
        "remarks": list(walk.remarks),
        "sections": [_section_data(section) for section in walk.sections],
    }


def _section_data(section: Section) -> dict[str, Any]:
    return {
        "kind": section.kind,
        "path": section.path,
        "title": section.title,
        "formulas": list(section.formulas),
        "values": [_tensor_data(values) for values in section.values],
        "sums": [_sum_data(entry) for entry in section.sums],
    }


def _tensor_data(values: Values) -> dict[str, Any]:
    array = values.array
    data: dict[str, Any] = {"name": values.name, "shape": list(array.shape)}
    if array.size <= WHOLE:
        return {**data, "numbers": array.tolist()}
    return {
        **data,
        "min": array.min().item(),
        "max": array.max().item(),
        "mean": float(array.mean()),
        "norm": float(np.linalg.norm(array)),
        "entries": [[list(place), array[place].item()] for place in values.places],
    }


def _sum_data(entry: Sum) -> dict[str, Any]:
    return {
        "name": entry.name,
        "place": list(entry.place),
        "total": entry.total,
        "count": entry.count,
        "terms": [[[name, list(place), value] for name, place, value in t] for t in entry.terms],
    }
