"""More than the gradient: what a backward pass works out, and others throw away.

Each function takes an ``Evidence`` (what one pass has left) and returns one quantity;
``quantities`` makes the pass and returns several.
"""

from pullback.extend.batch_size import (
    covariance_trace,
    gradient_sq_norm,
    inner_product_test,
    noise_scale,
    norm_test,
    orthogonality_test,
)
from pullback.extend.clipping import clipped_gradient
from pullback.extend.curvature import (
    curvature_along,
    gradient_curvature,
    hessian_spectrum,
    hessian_trace,
    lambda_max,
    stability,
)
from pullback.extend.diagonals import (
    ggn_diagonal,
    ggn_diagonal_sampled,
    hessian_diagonal,
    hessian_diagonal_sampled,
)
from pullback.extend.evidence import Evidence, Moments
from pullback.extend.inputs import el2n, forgetting, influence, input_gradient
from pullback.extend.kfac import KFAC
from pullback.extend.kronecker import Kronecker, kronecker_factors
from pullback.extend.moments import (
    gradient,
    gradient_norm,
    second_moment,
    signal_to_noise,
    total_variance,
    variance,
)
from pullback.extend.per_example import (
    inner_products,
    per_example_grad,
    per_example_loss,
    per_example_norm,
)
from pullback.extend.products import (
    empirical_fisher_product,
    fisher_product,
    ggn_product,
    hessian_product,
)
from pullback.extend.quantities import QUANTITIES, quantities
from pullback.extend.spectrum import Lanczos, lanczos, spectral_density, trace

__all__ = [
    "KFAC",
    "QUANTITIES",
    "Evidence",
    "Kronecker",
    "Lanczos",
    "Moments",
    "clipped_gradient",
    "covariance_trace",
    "curvature_along",
    "el2n",
    "empirical_fisher_product",
    "fisher_product",
    "forgetting",
    "ggn_diagonal",
    "ggn_diagonal_sampled",
    "ggn_product",
    "gradient",
    "gradient_curvature",
    "gradient_norm",
    "gradient_sq_norm",
    "hessian_diagonal",
    "hessian_diagonal_sampled",
    "hessian_product",
    "hessian_spectrum",
    "hessian_trace",
    "influence",
    "inner_product_test",
    "inner_products",
    "input_gradient",
    "kronecker_factors",
    "lambda_max",
    "lanczos",
    "noise_scale",
    "norm_test",
    "orthogonality_test",
    "per_example_grad",
    "per_example_loss",
    "per_example_norm",
    "quantities",
    "second_moment",
    "signal_to_noise",
    "spectral_density",
    "stability",
    "total_variance",
    "trace",
    "variance",
]
