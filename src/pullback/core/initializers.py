r"""How parameters start.

For a weight of shape ``(*window, in, out)``, with ``r`` the product of the window,
``fan_in = r * in`` and ``fan_out = r * out``. Every rule draws from the stream it is given, so
a parameter's start depends on the seed and on its own path only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pullback.core.errors import ConfigError
from pullback.core.registry import Registry


class Initializer:
    """Base of the rules: ``draw(rng, shape)`` returns a float64 array of that shape."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return the starting values, float64, of ``shape``."""
        raise NotImplementedError


INITIALIZERS: Registry[Initializer] = Registry("initialiser")


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight of shape ``(*window, in, out)``."""
    if len(shape) < 2:
        n = max(1, math.prod(shape))
        return n, n
    window = math.prod(shape[:-2])
    return max(1, window * shape[-2]), max(1, window * shape[-1])


def _normal(rng: np.random.Generator, shape: tuple[int, ...], variance: float) -> np.ndarray:
    return rng.standard_normal(shape) * math.sqrt(variance)


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], variance: float) -> np.ndarray:
    limit = math.sqrt(3 * variance)
    return rng.uniform(-limit, limit, shape)


@INITIALIZERS.register
@dataclass(frozen=True)
class Constant(Initializer):
    """Every entry equals ``value``."""

    value: float = 0.0

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return the constant."""
        del rng
        return np.full(shape, self.value, dtype=np.float64)


@INITIALIZERS.register
@dataclass(frozen=True)
class Blocks(Initializer):
    """The last axis in equal parts, each filled with a value of its own: the gates of one bias."""

    values: tuple[float, ...] = (0.0,)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values:
            raise ConfigError("Blocks: values=(); expected at least one number")

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return the values, each as often as its part is long."""
        del rng
        parts = len(self.values)
        if not shape or shape[-1] % parts:
            raise ConfigError(f"Blocks: {parts} equal parts of an axis, found shape {shape}")
        row = np.repeat(np.array(self.values, dtype=np.float64), shape[-1] // parts)
        return np.broadcast_to(row, shape).copy()


@INITIALIZERS.register
@dataclass(frozen=True)
class Normal(Initializer):
    """``N(0, std^2)``, whatever the shape: 0.02 is that of GPT-2 (Radford and others, 2019)."""

    std: float = 0.02

    def __post_init__(self) -> None:
        if not self.std > 0:
            raise ConfigError(f"Normal: std={self.std!r}; expected a number above 0")

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return the values."""
        return _normal(rng, shape, self.std**2)


@INITIALIZERS.register
@dataclass(frozen=True)
class Textbook(Initializer):
    r"""``W ~ N(0, s^2)`` with ``s = 1 / sqrt(n)``, ``n = fan_in``: the textbook's rule.

    Nielsen, "Neural Networks and Deep Learning" (2015), chapter 3. It is the same distribution
    as ``LeCunNormal``; the name is kept for those who come from the book.
    """

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return normal values of standard deviation ``1 / sqrt(fan_in)``."""
        return _normal(rng, shape, 1 / fans(shape)[0])


@INITIALIZERS.register
@dataclass(frozen=True)
class LeCunNormal(Initializer):
    """``Var = 1 / fan_in``, normal. LeCun, Bottou, Orr, Müller, "Efficient BackProp" (1998)."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return the values."""
        return _normal(rng, shape, 1 / fans(shape)[0])


@INITIALIZERS.register
@dataclass(frozen=True)
class LeCunUniform(Initializer):
    """``Var = 1 / fan_in``, uniform. LeCun, Bottou, Orr, Müller, "Efficient BackProp" (1998)."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return the values."""
        return _uniform(rng, shape, 1 / fans(shape)[0])


@INITIALIZERS.register
@dataclass(frozen=True)
class GlorotNormal(Initializer):
    """``Var = 2 / (fan_in + fan_out)``, normal. Glorot and Bengio (2010), equation 12."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return the values."""
        return _normal(rng, shape, 2 / sum(fans(shape)))


@INITIALIZERS.register
@dataclass(frozen=True)
class GlorotUniform(Initializer):
    """``Var = 2 / (fan_in + fan_out)``, uniform. Glorot and Bengio (2010), equation 16."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return the values."""
        return _uniform(rng, shape, 2 / sum(fans(shape)))


@INITIALIZERS.register
@dataclass(frozen=True)
class HeNormal(Initializer):
    """``Var = 2 / fan_in``, normal. He, Zhang, Ren, Sun (2015), equation 10."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return the values."""
        return _normal(rng, shape, 2 / fans(shape)[0])


@INITIALIZERS.register
@dataclass(frozen=True)
class HeUniform(Initializer):
    """``Var = 2 / fan_in``, uniform. He, Zhang, Ren, Sun (2015)."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return the values."""
        return _uniform(rng, shape, 2 / fans(shape)[0])


@INITIALIZERS.register
@dataclass(frozen=True)
class Orthogonal(Initializer):
    """``gain`` times a random matrix with orthonormal rows or columns, whichever are fewer.

    The QR factor of a normal matrix with the signs of R's diagonal moved into Q, which makes it
    uniform over the orthogonal matrices. Saxe, McClelland, Ganguli (2014); Mezzadri (2007).
    """

    gain: float = 1.0

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return the matrix; ``shape`` is flattened to ``(prod(shape[:-1]), shape[-1])``."""
        if len(shape) < 2:
            raise ConfigError(
                f"Orthogonal needs at least two axes, found shape {shape}; "
                "use Constant for biases and scales"
            )
        rows, cols = math.prod(shape[:-1]), shape[-1]
        normal = rng.standard_normal((max(rows, cols), min(rows, cols)))
        q, r = np.linalg.qr(normal)
        q = q * np.sign(np.diagonal(r))
        values: np.ndarray = self.gain * (q if rows >= cols else q.T)
        return values.reshape(shape)


DEFAULT = GlorotUniform()
"""Where nothing that follows asks for another rule (sigmoid, tanh, softmax, an output)."""
