"""Faults that change nothing that can be seen, each with the reason."""

EQUIVALENT: dict[str, str] = {
    (
        "Linear.grads [mask] if x.ndim > 2:  ->  if x.ndim >= 2:"
    ): "two axes become three with a position axis of 1, over which the sum is the same",
    (
        "Tanh.apply [sign] return (y, y)  ->  return (y, -y)"
    ): "the slope takes the residual's square only",
    (
        "ReLU.apply [mask] return (xp.where(x <= 0, xp.zeros_like(x), x), x)  ->  retur"
        "n (xp.where(x < 0, xp.zeros_like(x), x), x)"
    ): "both branches are 0 at 0",
    (
        "LeakyReLU.apply [mask] return (xp.where(x > 0, x, self.negative_slope * x), x)"
        "  ->  return (xp.where(x >= 0, x, self.negative_slope * x), x)"
    ): "both branches are 0 at 0",
    (
        "LeakyReLU.slope [dropped factor] return xp.where(res > 0, xp.ones_like(res), x"
        "p.ones_like(res) * self.negative_slope)  ->  return xp.where(res > 0, xp.ones_"
        "like(res), self.negative_slope)"
    ): "a number is spread over the array alike",
    (
        "ELU.apply [mask] y = xp.where(x > 0, x, self.alpha * xp.expm1(xp.where(x > 0, "
        "xp.zeros_like(x), x)))  ->  y = xp.where(x >= 0, x, self.alpha * xp.expm1(xp.w"
        "here(x > 0, xp.zeros_like(x), x)))"
    ): "both branches are 0 at 0",
    (
        "ELU.apply [constant] y = xp.where(x > 0, x, self.alpha * xp.expm1(xp.where(x >"
        " 0, xp.zeros_like(x), x)))  ->  y = xp.where(x > 0, x, self.alpha * xp.expm1(x"
        "p.where(x > 1, xp.zeros_like(x), x)))"
    ): "the inner choice only keeps large numbers from expm1, whose result is not taken there",
    (
        "ELU.apply [mask] y = xp.where(x > 0, x, self.alpha * xp.expm1(xp.where(x > 0, "
        "xp.zeros_like(x), x)))  ->  y = xp.where(x > 0, x, self.alpha * xp.expm1(xp.wh"
        "ere(x >= 0, xp.zeros_like(x), x)))"
    ): "the inner choice only keeps large numbers from expm1, whose result is not taken there",
    (
        "Normalization.grads [mask] if h.ndim > 2:  ->  if h.ndim >= 2:"
    ): "two axes become three with a position axis of 1, over which the sum is the same",
    (
        "Dropout.forward [constant] if not ctx.train or self.rate == 0:  ->  if not ctx"
        ".train or self.rate == 1:"
    ): "without dropping, the mask is 1 everywhere; it only saves the work",
    (
        "Dropout.forward [mask] kept = ctx.uniform(tuple(x.shape), 'dropout') >= self.r"
        "ate  ->  kept = ctx.uniform(tuple(x.shape), 'dropout') > self.rate"
    ): "a draw equals the rate once in 2^53",
    (
        "_overlap [mask] if shift >= 0:  ->  if shift > 0:"
    ): "a shift of 0 gives the same slices by either formula",
    (
        "_overlap [constant] if shift >= 0:  ->  if shift >= 1:"
    ): "a shift of 0 gives the same slices by either formula",
    (
        "_overlap [dropped term] return (slice(0, size + shift), slice(-shift, size))  "
        "->  return (slice(0, shift), slice(-shift, size))"
    ): "an end below 0 counts from the end, where size + shift is",
    (
        "CrossEntropy._smoothed [constant] return q if s == 0 else (1 - s) * q + s / y."
        "shape[1]  ->  return q if s == 1 else (1 - s) * q + s / y.shape[1]"
    ): "without smoothing the formula gives q; it only saves the work",
    (
        "LoweredTanh.forward [sign] return (y, y)  ->  return (y, -y)"
    ): "the slope takes the residual's square only",
    (
        "_class_numbers [sign] return bool(target.view(f'u{target.itemsize}').max() < y"
        ".shape[1])  ->  return -bool(target.view(f'u{target.itemsize}').max() < y.shap"
        "e[1])"
    ): "-1 is true as 1 is",
    (
        "sigmoid [mask] return xp.where(x >= 0, 1 / (1 + e), e / (1 + e))  ->  return x"
        "p.where(x > 0, 1 / (1 + e), e / (1 + e))"
    ): "both branches are 1/2 at 0",
    (
        "softplus [mask] top = xp.where(x > 0, x, xp.zeros_like(x))  ->  top = xp.where"
        "(x >= 0, x, xp.zeros_like(x))"
    ): "both branches are 0 at 0",
    (
        "ELU.slope [mask] low = xp.where(res > 0, xp.zeros_like(res), res)  ->  low = x"
        "p.where(res >= 0, xp.zeros_like(res), res)"
    ): "0 is put in the place of 0",
    (
        "ELU.slope [constant] low = xp.where(res > 0, xp.zeros_like(res), res)  ->  low"
        " = xp.where(res > 1, xp.zeros_like(res), res)"
    ): "the choice only keeps large numbers from exp, whose result is not taken there",
}
"""By function, operator, and the line before and after."""
