"""Checks of gradients.

``check_map`` and ``check_loss`` hold a map or a loss of your own against everything that the
protocol asks of it; ``gradient_receipt`` checks every tensor of a whole network with its loss on a
batch. Under them: the adjoint identity, which compares pullback and gradients with the pushforward
to rounding and in one pass; the complex step, exact, and differences, which need only the function.
"""

from pullback.check.adjoint import adjoint_error
from pullback.check.contract import check_map
from pullback.check.difference import (
    complex_step,
    complex_step_gradient,
    difference,
    difference_gradient,
)
from pullback.check.loss import check_loss
from pullback.check.report import Finding, GradientError, Report

__all__ = [
    "Finding",
    "GradientError",
    "Report",
    "adjoint_error",
    "check_loss",
    "check_map",
    "complex_step",
    "complex_step_gradient",
    "difference",
    "difference_gradient",
]
