"""Checks of gradients: by the adjoint identity, by the complex step, by differences.

The adjoint identity compares a map's pullback and gradients with its pushforward, to rounding and
in one pass. The other two need only the function: the complex step where its code is analytic,
differences everywhere.
"""

from pullback.check.adjoint import adjoint_error
from pullback.check.difference import (
    complex_step,
    complex_step_gradient,
    difference,
    difference_gradient,
)

__all__ = [
    "adjoint_error",
    "complex_step",
    "complex_step_gradient",
    "difference",
    "difference_gradient",
]
