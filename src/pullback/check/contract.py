"""The contract of a map, checked: what ``check_map`` and ``check_loss`` run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pullback.check import jacobian, mistakes
from pullback.check.adjoint import adjoint_error
from pullback.check.hygiene import lowered_form, nothing_changed, residual_is_enough
from pullback.check.report import Finding, Report
from pullback.check.sample import Sample, draw
from pullback.core.errors import ConfigError
from pullback.core.map import Map
from pullback.core.spec import spec_of
from pullback.core.theta import Theta

EXACT = 1e-12
TEXT = {
    "undeclared": "grads declares no gradient for this parameter",
    "unknown": "grads declares a gradient for something that is no parameter",
    "shape": "expected shape {right} and dtype {dtype}, found {found}",
    "no_pushforward": "the map has no pushforward",
    "raised": "{kind}: {message}",
    "each": "the gradients of the single examples are not those that single cotangents give",
    "coupled": "the map couples its examples",
    "reference": "the output is not that of the reference",
}


def check_map(
    net: Map,
    x: Any,
    *,
    batch: int = 3,
    train: bool = True,
    seed: int = 0,
    p: Theta | None = None,
    state: Mapping[str, Any] | None = None,
    reference: Callable[..., Any] | None = None,
) -> Report:
    r"""Hold a map against everything that the protocol asks of it, in float64.

    The whole Jacobian of ``pullback`` with ``grads``, and that of ``pushforward``, against the
    complex step (or 5-point differences, where the code cannot take complex numbers); the adjoint
    identity; gradients of single examples and their norms; shapes and dtypes as ``spec`` says; that
    nothing given is changed, that the residual is all that the way back needs, and can be pickled;
    the lowered form against the map itself.

    Args:
        net: the map.
        x: the spec of its input without the batch axis (or a tuple of them), or a batch. Small ones
            do: the Jacobian is worked out whole.
        batch: how many examples are drawn for a spec.
        train: whether the forward pass is one of training.
        seed: of the input, the parameters and the cotangents.
        p: parameters; drawn where they are not given.
        state: the map's state; drawn where it is not given.
        reference: ``(p, x) -> y``, what the output should be.

    Returns:
        A report: a row for every tensor and check, with method, error, and, where it failed, what
        kind of mistake it looks like. ``report.passed``, ``report.failures``,
        ``report.raise_for_failure()``; printed, a table.

    Raises:
        ShapeError: the map cannot take such an input.
        ConfigError: the Jacobian is too large to be worked out, or the map has several outputs.

    >>> from pullback.core.spec import Spec
    >>> from pullback.maps import Linear
    >>> check_map(Linear(2), Spec((3,))).passed
    True
    """
    s = draw(net, x, batch=batch, train=train, seed=seed, p=p, state=state)
    jacobian.check_size(s)
    checks: list[Callable[[Sample], list[Finding]]] = [
        as_declared, declared_gradients, nothing_changed, residual_is_enough, jacobians,
        adjoint, single_examples, lowered_form,
    ]  # fmt: skip
    findings = [_compared(s, reference)] if reference else []
    for check in checks:
        try:
            findings += check(s)
        except Exception as error:
            # A map that fails at all fails the check, with what it said.
            message = TEXT["raised"].format(kind=type(error).__name__, message=_line(error))
            name = check.__name__.replace("_", " ")
            findings.append(Finding("-", name, "runs", np.inf, note=message))
    return Report(net.title, tuple(findings))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _compared(s: Sample, reference: Callable[..., Any]) -> Finding:
    right = np.asarray(reference(s.p, s.x))
    error = relative(np.asarray(s.forward()[0]), right)
    note = "" if error <= EXACT else TEXT["reference"]
    return Finding("y", "forward", "reference", error, EXACT, norm_of(right), note)


def norm_of(a: Any) -> float:
    """Return the Euclidean norm of all numbers."""
    return float(np.linalg.norm(np.asarray(a).reshape(-1)))


def relative(found: Any, right: Any) -> float:
    """Return the norm of the difference over that of ``right``; infinite where shapes differ."""
    found, right = np.asarray(found), np.asarray(right)
    if found.shape != right.shape:
        return float("inf")
    gap, size = norm_of(found - right), norm_of(right)
    return gap / size if size else gap


def as_declared(s: Sample) -> list[Finding]:
    """Shapes as ``spec`` says, and results in the dtype of what is given."""
    found = []
    for dtype in ("float64", "float32"):
        t = s.in_dtype(dtype)
        y, _ = t.forward()
        declared = (t.n, *t.net.spec(spec_of(t.x)).shape)
        gx, gradients = t.backward()
        tensors = [("y", y, declared)]
        parts = gx if isinstance(gx, tuple) else (gx,)
        tensors += [(n, g, x.shape) for (n, x), g in zip(t.inputs(), parts, strict=True)]
        tensors += [
            (entry.name, gradients[entry.name].sum(), entry.shape)
            for entry in t.p.layout.entries
            if entry.name in gradients
        ]
        found += [_declared(name, array, shape, dtype) for name, array, shape in tensors]
    return found


def _declared(name: str, array: Any, shape: tuple[int, ...], dtype: str) -> Finding:
    array = np.asarray(array)
    right = array.shape == tuple(shape) and array.dtype == dtype
    wrong = TEXT["shape"].format(right=shape, dtype=dtype, found=f"{array.shape} {array.dtype}")
    return _either(right, name, "shape and dtype", f"spec, {dtype}", wrong)


def _either(right: bool, tensor: str, check: str, method: str, wrong: str) -> Finding:
    """Return the finding of a check that passes or fails, without an error of its own."""
    return Finding(tensor, check, method, 0.0 if right else np.inf, note="" if right else wrong)


def declared_gradients(s: Sample) -> list[Finding]:
    """``grads`` names every parameter, and nothing else."""
    _, gradients = s.backward()
    names = [entry.name for entry in s.p.layout.entries]
    check, method = "gradient declared", "params"
    return [
        *(_either(n in gradients, n, check, method, TEXT["undeclared"]) for n in names),
        *(_either(False, n, check, method, TEXT["unknown"]) for n in gradients if n not in names),
    ]


def jacobians(s: Sample) -> list[Finding]:
    """Every row of the Jacobian by pullback and gradients, every column by the pushforward."""
    method, right = jacobian.of_the_function(s)
    backward = jacobian.of_the_pullback(s)
    inputs = [name for name, _ in s.inputs()]
    found = [
        _jacobian(s, "pullback" if n in inputs else "gradient", n, method, backward[n], right[n])
        for n in right
        if n in backward
    ]
    try:
        forward = jacobian.of_the_pushforward(s)
    except (NotImplementedError, ConfigError):
        return [*found, Finding("y", "pushforward", "-", None, note=TEXT["no_pushforward"])]
    return [*found, *(_jacobian(s, "pushforward", n, method, forward[n], right[n]) for n in right)]


def _jacobian(
    s: Sample, check: str, name: str, method: str, found: np.ndarray, right: np.ndarray
) -> Finding:
    error, bound = relative(found, right), jacobian.BOUNDS[method]
    note = ""
    if not error <= bound and found.shape == right.shape:
        per_example = name in [name for name, _ in s.inputs()]
        note = mistakes.describe(found, right, s.n, per_example)
    return Finding(name, check, method, error, bound, norm_of(right), note)


def adjoint(s: Sample) -> list[Finding]:
    """The adjoint identity, for three random directions and cotangents."""
    rng = np.random.default_rng(1)
    try:
        errors = [adjoint_error(s.net, s.p, s.x, s.ctx, rng) for _ in range(3)]
    except (NotImplementedError, ConfigError):
        return []
    return [Finding("x and p", "adjoint identity", "pushforward", max(errors), EXACT)]


def single_examples(s: Sample) -> list[Finding]:
    """``each`` against a cotangent of that example alone, and what follows from ``each``."""
    _, declared = s.backward()
    alone = [s.backward(gy)[1] for gy in _one_example_each(s.gy)]
    return [
        finding
        for name, contraction in declared.items()
        for finding in _examples(s, name, contraction, [found[name].sum() for found in alone])
    ]


def _one_example_each(gy: np.ndarray) -> list[np.ndarray]:
    rows = [np.zeros_like(gy) for _ in gy]
    for i, row in enumerate(rows):
        row[i] = gy[i]
    return rows


def _examples(s: Sample, name: str, contraction: Any, alone: list[Any]) -> list[Finding]:
    each = contraction.each()
    method, right = "cotangents alone", np.array(alone)
    if s.net.couples_batch:
        first = Finding(name, "gradient of each example", method, None, note=TEXT["coupled"])
    else:
        error = relative(each, right)
        note = "" if error <= EXACT else TEXT["each"]
        first = Finding(
            name, "gradient of each example", method, error, EXACT, norm_of(right), note
        )
    # The examples may cancel: the error of their sum is measured by their own size.
    gap = norm_of(contraction.sum() - np.sum(each, axis=0)) / (norm_of(each) or 1.0)
    norms = (each.reshape(s.n, -1) ** 2).sum(axis=1)
    return [
        first,
        Finding(name, "sum of the examples", "each", gap, EXACT, norm_of(each)),
        Finding(
            name, "squared norms", "each", relative(contraction.sq_norms(), norms), EXACT,
            norm_of(norms),
        ),
    ]  # fmt: skip
