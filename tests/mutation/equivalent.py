"""Faults that change nothing that can be seen, each with the reason."""

EQUIVALENT: dict[str, str] = {
    (
        "Linear.grads [condition] if x.ndim > 2:  ->  if True:"
    ): "two axes become three with a position axis of 1, over which the sum is the same",
    (
        "Linear.grads [mask] if x.ndim > 2:  ->  if x.ndim >= 2:"
    ): "two axes become three with a position axis of 1, over which the sum is the same",
    (
        "Linear.grads [wrong variable] x, delta, axes = (one_position_axis(x), one_positi"
        "on_axis(delta), 'nt')  ->  x, delta, axes = (one_position_axis(res), one_positio"
        "n_axis(delta), 'nt')"
    ): "the residual is x",
    (
        "Tanh.apply [sign] return (y, y)  ->  return (y, -y)"
    ): "the slope takes the residual's square only",
    (
        "ReLU.apply [mask] return (xp.where(x <= 0, xp.zeros_like(x), x), x)  ->  return "
        "(xp.where(x < 0, xp.zeros_like(x), x), x)"
    ): "both branches are 0 at 0",
    (
        "LeakyReLU.apply [mask] return (xp.where(x > 0, x, self.negative_slope * x), x)  "
        "->  return (xp.where(x >= 0, x, self.negative_slope * x), x)"
    ): "both branches are 0 at 0",
    (
        "LeakyReLU.slope [dropped factor] return xp.where(res > 0, xp.ones_like(res), xp."
        "ones_like(res) * self.negative_slope)  ->  return xp.where(res > 0, xp.ones_like"
        "(res), self.negative_slope)"
    ): "a number is spread over the array alike",
    (
        "ELU.apply [mask] y = xp.where(x > 0, x, self.alpha * xp.expm1(xp.where(x > 0, xp"
        ".zeros_like(x), x)))  ->  y = xp.where(x >= 0, x, self.alpha * xp.expm1(xp.where"
        "(x > 0, xp.zeros_like(x), x)))"
    ): "both branches are 0 at 0",
    (
        "ELU.apply [mask] y = xp.where(x > 0, x, self.alpha * xp.expm1(xp.where(x > 0, xp"
        ".zeros_like(x), x)))  ->  y = xp.where(x > 0, x, self.alpha * xp.expm1(xp.where("
        "x >= 0, xp.zeros_like(x), x)))"
    ): "the inner choice only keeps large numbers from expm1, whose result is not taken there",
    (
        "ELU.apply [constant] y = xp.where(x > 0, x, self.alpha * xp.expm1(xp.where(x > 0"
        ", xp.zeros_like(x), x)))  ->  y = xp.where(x > 0, x, self.alpha * xp.expm1(xp.wh"
        "ere(x > 1, xp.zeros_like(x), x)))"
    ): "the inner choice only keeps large numbers from expm1, whose result is not taken there",
    (
        "ELU.apply [function] y = xp.where(x > 0, x, self.alpha * xp.expm1(xp.where(x > 0"
        ", xp.zeros_like(x), x)))  ->  y = xp.where(x > 0, x, self.alpha * xp.expm1(xp.wh"
        "ere(x > 0, xp.ones_like(x), x)))"
    ): "the inner choice only keeps large numbers from expm1, whose result is not taken there",
    (
        "ELU.slope [mask] low = xp.where(res > 0, xp.zeros_like(res), res)  ->  low = xp."
        "where(res >= 0, xp.zeros_like(res), res)"
    ): "0 is put in the place of 0",
    (
        "ELU.slope [constant] low = xp.where(res > 0, xp.zeros_like(res), res)  ->  low ="
        " xp.where(res > 1, xp.zeros_like(res), res)"
    ): "the choice only keeps large numbers from exp, whose result is not taken there",
    (
        "ELU.slope [function] low = xp.where(res > 0, xp.zeros_like(res), res)  ->  low ="
        " xp.where(res > 0, xp.ones_like(res), res)"
    ): "the choice only keeps large numbers from exp, whose result is not taken there",
    (
        "GELU.apply [function] (s, product), zero = (sigmoid_and_slope(xp, v), xp.zeros_l"
        "ike(x))  ->  (s, product), zero = (sigmoid_and_slope(xp, v), xp.ones_like(x))"
    ): "it is multiplied by 0",
    (
        "SiLU.apply [function] (s, product), zero = (sigmoid_and_slope(xp, x), xp.zeros_l"
        "ike(x))  ->  (s, product), zero = (sigmoid_and_slope(xp, x), xp.ones_like(x))"
    ): "it is multiplied by 0",
    (
        "Normalization.grads [condition] if h.ndim > 2:  ->  if True:"
    ): "two axes become three with a position axis of 1, over which the sum is the same",
    (
        "Normalization.grads [mask] if h.ndim > 2:  ->  if h.ndim >= 2:"
    ): "two axes become three with a position axis of 1, over which the sum is the same",
    (
        "Normalization._through [wrong variable] return (centred - h * _mean(xp, v * h, a"
        "xes)) / res['sigma']  ->  return (centred - h * _mean(xp, centred * h, axes)) / r"
        "es['sigma']"
    ): "h has a mean of 0, so <v h> and <(v - <v>) h> are the same",
    (
        "RandomMask.forward [condition] if not ctx.train or self.rate == 0:  ->  if not ctx.train:"
    ): "without dropping, the mask is 1 everywhere; it only saves the work",
    (
        "RandomMask.forward [constant] if not ctx.train or self.rate == 0:  ->  if not ct"
        "x.train or self.rate == 1:"
    ): "without dropping, the mask is 1 everywhere; it only saves the work",
    (
        "RandomMask.forward [mask] kept = ctx.uniform(self.drawn(tuple(x.shape)), 'dropou"
        "t') >= self.rate  ->  kept = ctx.uniform(self.drawn(tuple(x.shape)), 'dropout') "
        "> self.rate"
    ): "a draw equals the rate once in 2^53",
    (
        "cut_out [sign] after = np.maximum(starts.max(axis=0, initial=0) + size - x.shape"
        "[1:3], 0)  ->  after = np.maximum(starts.max(axis=0, initial=0) + size + x.shape"
        "[1:3], 0)"
    ): "the border after an image is only larger than it must be",
    (
        "cut_out [dropped term] after = np.maximum(starts.max(axis=0, initial=0) + size -"
        " x.shape[1:3], 0)  ->  after = np.maximum(starts.max(axis=0, initial=0) + size, "
        "0)"
    ): "the border after an image is only larger than it must be",
    (
        "cut_out [axis] after = np.maximum(starts.max(axis=0, initial=0) + size - x.shape"
        "[1:3], 0)  ->  after = np.maximum(starts.max(initial=0) + size - x.shape[1:3], 0"
        ")"
    ): "the border after an image is only larger than it must be",
    (
        "cut_out [constant] after = np.maximum(starts.max(axis=0, initial=0) + size - x.s"
        "hape[1:3], 0)  ->  after = np.maximum(starts.max(axis=0, initial=1) + size - x.s"
        "hape[1:3], 0)"
    ): "the border after an image is only larger than it must be",
    (
        "cut_out [constant] after = np.maximum(starts.max(axis=0, initial=0) + size - x.s"
        "hape[1:3], 0)  ->  after = np.maximum(starts.max(axis=0, initial=0) + size - x.s"
        "hape[1:3], 1)"
    ): "the border after an image is only larger than it must be",
    (
        "RandomCrop.forward [constant] free = np.array(self._free(tuple(x.shape[1:3])))  "
        "->  free = np.array(self._free(tuple(x.shape[1:4])))"
    ): "the places on the two axes are what is taken",
    (
        "RandomFlip.drawn [mask] chosen: np.ndarray = ctx.uniform((shape[0], 2), 'flip') "
        "< (self.vertical, self.horizontal)  ->  chosen: np.ndarray = ctx.uniform((shape["
        "0], 2), 'flip') <= (self.vertical, self.horizontal)"
    ): "a draw equals the probability once in 2^53",
    (
        "_in_blocks [constant] count, every = (x.shape[0], max(1, NUMBERS // prod(x.shape"
        "[1:])))  ->  count, every = (x.shape[0], max(2, NUMBERS // prod(x.shape[1:])))"
    ): "how many images are worked on at once changes no result",
    (
        "_in_blocks [constant] count, every = (x.shape[0], max(1, NUMBERS // prod(x.shape"
        "[1:])))  ->  count, every = (x.shape[0], max(1, NUMBERS // prod(x.shape[2:])))"
    ): "how many images are worked on at once changes no result",
    (
        "_in_blocks [constant] parts = [slice(start, start + every) for start in range(0,"
        " max(1, count), every)]  ->  parts = [slice(start, start + every) for start in r"
        "ange(0, max(2, count), every)]"
    ): "a part without images adds nothing",
    (
        "RandomErasing.drawn [mask] sides[0, chance >= self.probability] = 0  ->  sides[0"
        ", chance > self.probability] = 0"
    ): "a draw equals the probability once in 2^53",
    (
        "RandomErasing._hole [sign] down, right = ((np.arange(size) >= res[:, axis, None]"
        ") & (np.arange(size) < res[:, axis, None] + res[:, axis + 2, None]) for axis, si"
        "ze in enumerate(x.shape[1:3]))  ->  down, right = ((np.arange(size) >= res[:, ax"
        "is, None]) & (np.arange(size) < res[:, axis, None] + res[:, axis - 2, None]) for"
        " axis, size in enumerate(x.shape[1:3]))"
    ): "counted from the end, these are the same two of four columns",
    (
        "one_hot [wrong variable] if isinstance(target, np.ndarray) and target.size:  -> "
        " if isinstance(y, np.ndarray) and target.size:"
    ): "outputs and targets are arrays of one library",
    (
        "CrossEntropy.forward [function] terms = q * xp.where(q == 0, xp.zeros_like(q), l"
        "og_p)  ->  terms = q * xp.where(q == 0, xp.ones_like(q), log_p)"
    ): "it is multiplied by 0",
    (
        "CrossEntropy._smoothed [condition] return q if s == 0 else (1 - s) * q + s / y.s"
        "hape[-1]  ->  return q if False else (1 - s) * q + s / y.shape[-1]"
    ): "without smoothing the formula gives q; it only saves the work",
    (
        "CrossEntropy._smoothed [constant] return q if s == 0 else (1 - s) * q + s / y.sh"
        "ape[-1]  ->  return q if s == 1 else (1 - s) * q + s / y.shape[-1]"
    ): "without smoothing the formula gives q; it only saves the work",
    (
        "BinaryCrossEntropy.forward [function] size, zero = (xp.abs(y), xp.zeros_like(y))"
        "  ->  size, zero = (xp.abs(y), xp.ones_like(y))"
    ): "it is multiplied by 0",
    (
        "BinaryCrossEntropy.forward [wrong variable] slope = xp.where(y > 0, wrong - rest"
        ", rest - wrong)  ->  slope = xp.where(y > 0, wrong - rest, rest - t)"
    ): "where y <= 0, the share of the other class is t",
    (
        "KLDivergence.forward [function] terms = q * xp.where(positive, log_q - log_p, xp"
        ".zeros_like(q))  ->  terms = q * xp.where(positive, log_q - log_p, xp.ones_like("
        "q))"
    ): "it is multiplied by 0",
    (
        "LoweredReLU.forward [wrong variable] return (y, y)  ->  return (y, x)"
    ): "x > 0 where max(x, 0) > 0",
    (
        "Contraction.sum [condition] if fast is not None:  ->  if False:"
    ): "the general sum gives the same; it is only slower",
    (
        "_einsum [condition] if isinstance(operands[0], np.ndarray):  ->  if False:"
    ): "einsum of NumPy's namespace gives the same; it is only slower",
    (
        "_over_examples [axis] return np.add.reduce(delta, axis=0, out=out)  ->  return np"
        ".add.reduce(delta, out=out)"
    ): "the first axis is meant where none is named",
    (
        "sigmoid [mask] return xp.where(x >= 0, 1 / (1 + e), e / (1 + e))  ->  return xp."
        "where(x > 0, 1 / (1 + e), e / (1 + e))"
    ): "both branches are 1/2 at 0",
    (
        "sigmoid_and_slope [mask] return (xp.where(x >= 0, high, low), low * high)  ->  r"
        "eturn (xp.where(x > 0, high, low), low * high)"
    ): "both branches are 1/2 at 0",
    (
        "softplus [mask] top = xp.where(x > 0, x, xp.zeros_like(x))  ->  top = xp.where(x"
        " >= 0, x, xp.zeros_like(x))"
    ): "both branches are 0 at 0",
    (
        "_write [condition] elif accumulate or (aliases and (*path, name) in aliases):  -"
        ">  elif accumulate or (*path, name) in aliases:"
    ): "nothing is in an empty set; it only saves the work",
    (
        "Unembedding.grads [wrong variable] x, delta, axes = (one_position_axis(x), one_p"
        "osition_axis(delta), 'nt')  ->  x, delta, axes = (one_position_axis(res), one_po"
        "sition_axis(delta), 'nt')"
    ): "the residual is x",
    (
        "CrossAttention.forward [wrong variable] mixed, a = attend(q, k, v, visible(x.sha"
        "pe[1], memory.shape[1], False, others, x))  ->  mixed, a = attend(q, k, v, visib"
        "le(x.shape[1], memory.shape[1], False, others, q))"
    ): "only the library and the device of the last argument matter",
    (
        "Scatter.sum [constant] add_rows(out, self._ids.reshape((-1,)), self._delta.resha"
        "pe((-1, width)))  ->  add_rows(out, self._ids.reshape((-2,)), self._delta.reshap"
        "e((-1, width)))"
    ): "NumPy works out any negative size",
    (
        "_shared_out [wrong variable] a = e / xp.where(total == 0, xp.ones_like(total), t"
        "otal)  ->  a = e / xp.where(e == 0, xp.ones_like(total), total)"
    ): "0 over 1 is 0 over the total",
    (
        "Attention.forward [wrong variable] seen = visible(x.shape[1], k.shape[2], self.ca"
        "usal, ctx.lengths, x, ctx.done)  ->  seen = visible(x.shape[1], k.shape[2], self."
        "causal, ctx.lengths, v, ctx.done)"
    ): "only the library and the device of the last array matter",
    (
        "_class_numbers [wrong variable] if y.ndim < 2 or target.shape != y.shape[:-1] or"
        " target.dtype.kind not in 'ui' or (not y.size):  ->  if y.ndim < 2 or "
        "target.shape != y.shape[:-1] or target.dtype.kind not in 'ui' or (not "
        "target.size):"
    ): "outputs have at least one class",
    (
        "LoweredCrossEntropy._make_room [constant] dtype, size, work = (y.dtype.name, "
        "positions * classes, 20 * positions * classes)  ->  dtype, size, work = "
        "(y.dtype.name, positions * classes, 21 * positions * classes)"
    ): "only how many processors share the work",
    (
        "LoweredCrossEntropy._make_room [inverse] dtype, size, work = (y.dtype.name, "
        "positions * classes, 20 * positions * classes)  ->  dtype, size, work = "
        "(y.dtype.name, positions * classes, 20 * positions / classes)"
    ): "only how many processors share the work",
    (
        "LoweredCrossEntropy._make_room [dropped factor] dtype, size, work = "
        "(y.dtype.name, positions * classes, 20 * positions * classes)  ->  dtype, size, "
        "work = (y.dtype.name, positions * classes, 20 * positions)"
    ): "only how many processors share the work",
    (
        "LoweredCrossEntropy._make_room [dropped factor] dtype, size, work = "
        "(y.dtype.name, positions * classes, 20 * positions * classes)  ->  dtype, size, "
        "work = (y.dtype.name, positions * classes, classes)"
    ): "only how many processors share the work",
    (
        "LoweredCrossEntropy._make_room [inverse] dtype, size, work = (y.dtype.name, "
        "positions * classes, 20 * positions * classes)  ->  dtype, size, work = "
        "(y.dtype.name, positions * classes, 20 / positions * classes)"
    ): "only how many processors share the work",
    (
        "LoweredCrossEntropy._make_room [dropped factor] dtype, size, work = "
        "(y.dtype.name, positions * classes, 20 * positions * classes)  ->  dtype, size, "
        "work = (y.dtype.name, positions * classes, 20 * classes)"
    ): "only how many processors share the work",
    (
        "LoweredCrossEntropy._make_room [dropped factor] dtype, size, work = "
        "(y.dtype.name, positions * classes, 20 * positions * classes)  ->  dtype, size, "
        "work = (y.dtype.name, positions * classes, positions * classes)"
    ): "only how many processors share the work",
}
