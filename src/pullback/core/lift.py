"""A user's own function and its pullback as a map."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pullback.core.context import Context
from pullback.core.errors import ConfigError
from pullback.core.map import Map, Params
from pullback.core.spec import Param, Spec, Specs, spec_of


@dataclass(frozen=True)
class Lifted(Map):
    """What ``lift`` returns."""

    name: str
    function: Callable[..., tuple[Any, Any]]
    function_pullback: Callable[..., Any]
    function_pushforward: Callable[..., Any] | None
    function_grads: Callable[..., dict[str, Any]] | None
    declared: Mapping[str, Param] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name that was given."""
        return self.name

    def _with_p(self, p: Params) -> tuple[Any, ...]:
        return (p,) if self.declared else ()

    def spec(self, x: Specs) -> Specs:
        """Return the spec of what the function makes of one example of zeros."""
        if isinstance(x, tuple):
            example: Any = tuple(np.zeros((1, *part.shape), part.dtype) for part in x)
        else:
            example = np.zeros((1, *x.shape), x.dtype)
        p = {name: np.zeros(param.shape) for name, param in self.declared.items()}
        y, _ = self.function(*self._with_p(p), example)
        found = spec_of(y)
        return (
            Spec(found.shape, x.dtype) if isinstance(found, Spec) and isinstance(x, Spec) else found
        )

    def params(self, x: Specs) -> dict[str, Any]:
        """Return the declared parameters."""
        return dict(self.declared)

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Call the function."""
        return self.function(*self._with_p(p), x)

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Call the function's pullback."""
        found = self.function_pullback(*self._with_p(p), res, gy)
        return found if self.declared else (found, None)

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Call the function's declaration of gradients."""
        return self.function_grads(p, res, delta) if self.function_grads else {}

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Call the function's pushforward."""
        if self.function_pushforward is None:
            raise ConfigError(f"{self.name} was lifted without a pushforward; give lift one")
        if self.declared:
            return self.function_pushforward(p, res, dp, dx)
        return self.function_pushforward(res, dx)


def lift(
    function: Callable[..., tuple[Any, Any]],
    pullback: Callable[..., Any],
    *,
    name: str = "Lifted",
    pushforward: Callable[..., Any] | None = None,
    params: Mapping[str, Param] | None = None,
    grads: Callable[..., dict[str, Any]] | None = None,
) -> Map:
    """Turn a function and its pullback into a map.

    Args:
        function: ``x -> (y, residual)``; with ``params``, ``(p, x) -> (y, residual)``.
        pullback: ``(residual, gy) -> gx``; with ``params``,
            ``(p, residual, gy) -> (gx, delta)``.
        name: for messages and ``summary``.
        pushforward: ``(residual, dx) -> dy``; with ``params``, ``(p, residual, dp, dx) -> dy``.
        params: the parameters by name, where there are any.
        grads: ``(p, residual, delta) -> {name: Contraction}``; needed with ``params``.

    Raises:
        ConfigError: ``params`` without ``grads``, or the other way round.

    >>> square = lift(lambda x: (x * x, x), lambda x, gy: 2 * x * gy, name="Square")
    >>> y, res = square.forward({}, np.array([[3.0]]), Context())
    >>> square.pullback({}, res, np.ones((1, 1)))[0]
    array([[6.]])
    """
    if bool(params) != bool(grads):
        raise ConfigError(f"{name}: a lifted map needs both params and grads, or neither")
    return Lifted(name, function, pullback, pushforward, grads, dict(params or {}))
