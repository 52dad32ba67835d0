"""The complex step through code that orders, compares or takes absolute values.

``|z|`` and ``max`` are not analytic, so the plain complex step loses the derivative there. In
``Analytic`` arrays they follow the real part, as the real function does: ``|z|`` is ``z`` or
``-z``, a comparison is one of real parts. The derivative then comes through exactly wherever the
real function has one. Martins, Sturdza, Alonso, "The complex-step derivative approximation" (2003),
section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pullback.core.errors import PullbackError


class NotAnalyticError(PullbackError):
    """The code does something to a complex number that the complex step cannot follow."""


class Analytic(np.ndarray):
    """A complex array whose absolute value, sign, order and extremes are those of the real part."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [_plain(value) for value in inputs]
        if "out" in kwargs:
            kwargs["out"] = tuple(_plain(value) for value in kwargs["out"])
        return _wrapped(_rule(ufunc, method)(*plain, **kwargs))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        rule = _FUNCTIONS.get(func)
        if rule is not None:
            return _wrapped(rule(*map(_plain, args), **kwargs))
        return _wrapped(super().__array_function__(func, types, args, kwargs))

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the same numbers, as a cast to a real dtype would lose the derivative.

        Whole numbers have none to lose.
        """
        del args, kwargs
        if np.dtype(dtype).kind in "fc":
            return self.copy()
        if np.dtype(dtype).kind in "iu":
            return _plain(self).real.astype(dtype)
        raise NotAnalyticError(f"the values are cast to {np.dtype(dtype)}")

    def __getattribute__(self, name: str) -> Any:
        if name in ("real", "imag"):  # what is done with one part alone loses the derivative
            raise NotAnalyticError(f"the {name} part is taken")
        return super().__getattribute__(name)

    def argmax(self, *args: Any, **kwargs: Any) -> Any:
        """Return where the largest real part is."""
        return _plain(self).real.argmax(*args, **kwargs)


def analytic(x: Any) -> Any:
    """Return ``x`` (an array or a tuple of arrays) in complex128, as ``Analytic``."""
    if isinstance(x, tuple):
        return tuple(analytic(part) for part in x)
    return np.asarray(x, np.complex128).view(Analytic)


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, Analytic) else value


def _wrapped(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return type(value)(_wrapped(part) for part in value)
    if isinstance(value, np.ndarray | np.complexfloating) and value.dtype.kind == "c":
        return np.asarray(value).view(Analytic)
    return value


def _rule(ufunc: Any, method: str) -> Callable[..., Any]:
    found = _UFUNCS.get((ufunc, method))
    if found is not None:
        return found
    if method == "__call__" and ufunc in _OF_THE_REAL_PART:
        return lambda *values, **kwargs: ufunc(*(np.real(value) for value in values), **kwargs)
    if ufunc in _REFUSED:
        raise NotAnalyticError(f"{ufunc.__name__} of the values has no complex step")
    rule: Callable[..., Any] = getattr(ufunc, method)
    return rule


def _absolute(z: Any, **kwargs: Any) -> Any:
    del kwargs
    return np.where(np.real(z) < 0, -z, z)


def _larger(a: Any, b: Any, **kwargs: Any) -> Any:
    del kwargs
    return np.where(np.real(a) >= np.real(b), a, b)


def _smaller(a: Any, b: Any, **kwargs: Any) -> Any:
    del kwargs
    return np.where(np.real(a) <= np.real(b), a, b)


def _extreme(pick: Callable[..., Any]) -> Callable[..., Any]:
    def reduce(z: Any, axis: Any = 0, keepdims: bool = False, **kwargs: Any) -> Any:
        del kwargs
        axes = tuple(range(z.ndim)) if axis is None else np.atleast_1d(axis) % z.ndim
        kept = [i for i in range(z.ndim) if i not in axes]
        rows = z.transpose([*kept, *axes]).reshape((*(z.shape[i] for i in kept), -1))
        found = np.take_along_axis(rows, pick(rows.real, axis=-1)[..., None], -1)[..., 0]
        if not keepdims:
            return found
        return found.reshape([1 if i in axes else z.shape[i] for i in range(z.ndim)])

    return reduce


def _over_all(pick: Callable[..., Any]) -> Callable[..., Any]:
    return lambda z, axis=None, **kwargs: _extreme(pick)(z, axis, **kwargs)


_UFUNCS: dict[tuple[Any, str], Callable[..., Any]] = {
    (np.absolute, "__call__"): _absolute,
    (np.maximum, "__call__"): _larger,
    (np.minimum, "__call__"): _smaller,
    (np.maximum, "reduce"): _extreme(np.argmax),
    (np.minimum, "reduce"): _extreme(np.argmin),
}
_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.max: _over_all(np.argmax),
    np.min: _over_all(np.argmin),
}
_OF_THE_REAL_PART = {
    np.greater, np.greater_equal, np.less, np.less_equal, np.sign, np.isfinite, np.isnan,
    np.isinf,
}  # fmt: skip
_REFUSED = {np.conjugate, np.fabs, np.floor, np.ceil, np.rint, np.trunc, np.heaviside, np.signbit}
