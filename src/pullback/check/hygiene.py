"""What maps must leave alone: what they are given, and everything between two calls."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np

from pullback.check.report import Finding
from pullback.check.sample import Sample, each_input
from pullback.core.spec import spec_of
from pullback.core.theta import Theta
from pullback.core.tree import dotted, leaves
from pullback.engine import lower

LOWERED = 1e-12
TEXT = {
    "changed": "{by} changes it; work on a copy",
    "view": "it is a view of the parameters, and would change with them; return a copy",
    "outside": "something is kept outside the residual: after another forward pass the same "
    "residual gives another result",
    "pickle": "it cannot be pickled ({error}); keep arrays, tuples and dictionaries only",
    "pickled": "pickled and read back, it gives another result",
    "twice": "a second pullback of the same residual gives another result",
    "lowered": "the lowered form gives another result",
}


def arrays_in(value: Any, path: str = "") -> list[tuple[str, np.ndarray]]:
    """Return the arrays in nested tuples, lists and dictionaries, by path."""
    if isinstance(value, np.ndarray):
        return [(path, value)]
    if isinstance(value, dict):
        return [found for key in value for found in arrays_in(value[key], f"{path}.{key}")]
    if isinstance(value, tuple | list):
        return [found for i, part in enumerate(value) for found in arrays_in(part, f"{path}[{i}]")]
    return []


def same(a: Any, b: Any) -> bool:
    """Whether the arrays in two nested values are equal, NaN to NaN."""
    left, right = arrays_in(a), arrays_in(b)
    return len(left) == len(right) and all(
        n == m and x.shape == y.shape and np.array_equal(x, y, equal_nan=x.dtype.kind in "fc")
        for (n, x), (m, y) in zip(left, right, strict=True)
    )


def nothing_changed(s: Sample) -> list[Finding]:
    """No call changes the input, the cotangent, the parameters, a residual or the state."""
    given = {"x": s.x, "gy": s.gy.copy(), "p": s.p.flat, "state": dict(s.ctx.state)}
    kept = copy.deepcopy(given)
    blame = dict.fromkeys((*given, "residual"), "")

    def look(by: str) -> None:
        for name, value in given.items():
            if not blame[name] and not same(value, kept[name]):
                blame[name] = by

    y, res = s.net.forward(s.p, s.x, s.ctx)
    look("forward")
    given["residual"], kept["residual"] = res, copy.deepcopy(res)
    gx, delta = s.net.pullback(s.p, res, given["gy"])
    look("pullback")
    declared = dict(leaves(s.net.grads(s.p, res, delta)))
    sums = {dotted(path): c.sum() for path, c in declared.items()}
    look("grads")
    if s.ctx.train and s.ctx.state:
        s.net.advance(s.ctx.state, res)
        look("advance")
    _restore(s, kept)
    found = [
        Finding(name, "not changed", "copy", np.inf if by else 0.0,
                note=TEXT["changed"].format(by=by) if by else "")
        for name, by in blame.items()
    ]  # fmt: skip
    views = {"y": y, "gx": gx, **sums}
    return found + [_no_view(name, array, s.p.flat) for name, array in views.items()]


def _restore(s: Sample, kept: dict[str, Any]) -> None:
    """Put back what was changed, so that the other checks see what they should."""
    s.p.flat[...] = kept["p"]
    for (_, was), (_, now) in zip(arrays_in(kept["x"]), arrays_in(s.x), strict=True):
        now[...] = was


def _no_view(name: str, array: Any, flat: np.ndarray) -> Finding:
    shares = any(np.shares_memory(part, flat) for _, part in arrays_in(array))
    note = TEXT["view"] if shares else ""
    return Finding(
        name, "no view of the parameters", "memory", np.inf if shares else 0.0, note=note
    )


def residual_is_enough(s: Sample) -> list[Finding]:
    """The residual is all that the way back needs: used twice, later, and from a file."""
    other = each_input(_other, s.x)
    _, res = s.net.forward(s.p, s.x, s.ctx)
    first = _back(s, res)
    findings = [_residual("again", same(first, _back(s, res)), TEXT["twice"])]
    s.net.forward(s.p, other, s.ctx)
    findings.append(_residual("after another forward", same(first, _back(s, res)), TEXT["outside"]))
    try:
        again = pickle.loads(pickle.dumps(res))
    except Exception as error:
        note = TEXT["pickle"].format(error=" ".join(str(error).split()))
        return [*findings, _residual("pickled", False, note)]
    return [*findings, _residual("pickled", same(first, _back(s, again)), TEXT["pickled"])]


def _other(a: np.ndarray) -> np.ndarray:
    """Return another input like ``a``; of ids other ids, or padding."""
    return -a[::-1] if np.array_equal(a, np.rint(a)) else 0.5 - a[::-1]


def _back(s: Sample, res: Any) -> Any:
    gx, delta = s.net.pullback(s.p, res, s.gy.copy())
    declared = leaves(s.net.grads(s.p, res, delta))
    return copy.deepcopy([gx, [np.asarray(c.sum()) for _, c in declared]])


def _residual(method: str, right: bool, note: str) -> Finding:
    return Finding(
        "residual", "is enough", method, 0.0 if right else np.inf, note="" if right else note
    )


def lowered_form(s: Sample) -> list[Finding]:
    """The lowered form against the map itself."""
    fast = lower(s.net, spec_of(s.x), s.n, input_gradient=True)
    right, found = _passed(s, s.net), _passed(s, fast)
    findings = []
    for name, value in right.items():
        pairs = zip(arrays_in(found[name]), arrays_in(value), strict=True)
        error = max((_gap(a, b) for (_, a), (_, b) in pairs), default=0.0)
        note = "" if error <= LOWERED else TEXT["lowered"]
        findings.append(Finding(name, "lowered form", "reference form", error, LOWERED, note=note))
    return findings


def _passed(s: Sample, net: Any) -> dict[str, Any]:
    y, res = net.forward(s.p, s.x, s.ctx)
    y = np.array(y)
    gx, delta = net.pullback(s.p, res, s.gy.copy())
    gradient = Theta(s.p.layout, np.zeros_like(s.p.flat))
    for path, contraction in leaves(net.grads(s.p, res, delta)):
        view: Any = gradient
        for key in path:
            view = view[key]
        view += contraction.sum()
    return {"y": y, "x": copy.deepcopy(gx), "p": gradient.flat}


def _gap(found: np.ndarray, right: np.ndarray) -> float:
    size = float(np.linalg.norm(right))
    return float(np.linalg.norm(found - right)) / (size or 1.0)
