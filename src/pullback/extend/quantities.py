"""All quantities by name, and the one call that works out several from a single backward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pullback.core.context import Context
from pullback.core.errors import ConfigError, suggestion
from pullback.core.map import Map
from pullback.core.theta import Theta
from pullback.extend import batch_size, clipping, curvature, diagonals, inputs, moments, per_example
from pullback.extend.evidence import Evidence
from pullback.extend.kronecker import kronecker_factors
from pullback.losses.base import Loss

QUANTITIES: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        per_example.per_example_loss,
        per_example.per_example_grad,
        per_example.per_example_norm,
        per_example.inner_products,
        moments.gradient,
        moments.gradient_norm,
        moments.second_moment,
        moments.variance,
        moments.signal_to_noise,
        moments.total_variance,
        batch_size.covariance_trace,
        batch_size.gradient_sq_norm,
        batch_size.noise_scale,
        batch_size.norm_test,
        batch_size.inner_product_test,
        batch_size.orthogonality_test,
        clipping.clipped_gradient,
        inputs.input_gradient,
        inputs.el2n,
        diagonals.ggn_diagonal,
        diagonals.ggn_diagonal_sampled,
        diagonals.hessian_diagonal,
        diagonals.hessian_diagonal_sampled,
        kronecker_factors,
        curvature.gradient_curvature,
        curvature.lambda_max,
        curvature.stability,
        curvature.hessian_trace,
        curvature.hessian_spectrum,
    )
}
"""What can be asked for by name; ``fit(watch=...)`` takes those that are one number."""

OF_NORMS = (
    "gradient_norm", "total_variance", "covariance_trace", "gradient_sq_norm", "noise_scale",
    "norm_test",
)  # fmt: skip
"""Quantities of ``Moments``: a training step has them almost for nothing."""
NUMBERS = (
    *OF_NORMS, "inner_product_test", "orthogonality_test", "gradient_curvature", "lambda_max",
    "stability", "hessian_trace",
)  # fmt: skip
"""Quantities that are one number."""

TEXT = {
    "unknown": "unknown quantity {name!r}.{suggestion}",
    "options": "{name}: {error}",
}


def quantities(
    net: Map,
    loss: Loss,
    p: Theta,
    x: Any,
    y: Any,
    want: Sequence[str] | Mapping[str, Mapping[str, Any]],
    *,
    ctx: Context | None = None,
    weight: Any = None,
) -> dict[str, Any]:
    """Return what is wanted about a network on a batch, from one forward and backward pass.

    Args:
        net: the network, in reference form or, for first-order quantities, lowered.
        loss: its loss.
        p: its parameters.
        x: inputs ``(N, ...)``.
        y: their targets.
        want: names (see ``QUANTITIES``), or names with the options of each.
        ctx: the circumstances; outside training by default.
        weight: ``(N,)`` weights of the examples in the mean.

    Returns:
        By name, what the function of that name in ``pullback.extend`` returns.

    Raises:
        ConfigError: an unknown name or option, or a map that couples the batch.
        ShapeError: the parts do not fit together.
    """
    named = want if isinstance(want, Mapping) else {name: {} for name in want}
    functions = {name: quantity(name) for name in named}
    at = Evidence.of(net, loss, p, x, y, ctx or Context(), weight)
    found = {}
    for name, function in functions.items():
        try:
            found[name] = function(at, **named[name])
        except TypeError as error:
            if "argument" not in str(error):
                raise
            raise ConfigError(TEXT["options"].format(name=name, error=error)) from None
    return found


def quantity(name: str) -> Callable[..., Any]:
    """Return the function of a quantity.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in QUANTITIES:
        raise ConfigError(
            TEXT["unknown"].format(name=name, suggestion=suggestion(name, QUANTITIES))
        )
    return QUANTITIES[name]
