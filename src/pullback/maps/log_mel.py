"""Sound as the ear hears it: the power in bands of frequency, frame by frame, in logarithms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from pullback.core.arrays import as_array_like, full, namespace
from pullback.core.context import Context
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.map import MAPS, Map, Params
from pullback.core.spec import Spec, Specs


@MAPS.register
@dataclass(frozen=True)
class LogMel(Map):
    r"""Samples to logarithms of the power in mel bands: :math:`y = \log(P M + e)`.

    Frame ``t`` are the samples ``t hop .. t hop + frame - 1``, times a Hann window ``w``. Its
    Fourier transform has the real part ``a = f C`` and the imaginary part ``b = f S``, with
    :math:`C_{ik} = w_i \cos(2\pi i k / n)`, :math:`S_{ik} = -w_i \sin(2\pi i k / n)` and ``n`` the
    ``fft`` size; its power is :math:`P = a^2 + b^2`. ``M`` are triangles that overlap by
    half, equal steps of :math:`2595 \log_{10}(1 + f / 700)` apart from ``low`` to ``high``. At the
    sizes of frames the two products with ``C`` and ``S`` cost about what a fast transform does.

    Pullback: :math:`g_P = (g_y / (P M + e)) M^T`, :math:`g_f = 2 (a g_P) C^T + 2 (b g_P) S^T`, and
    frames that overlap add up. Pushforward:
    :math:`dy = ((2 a\, df\, C + 2 b\, df\, S) M) / (P M + e)`.

    Samples that are NaN are padding at the end: so are the frames that reach into it, whose ``y``
    is NaN and whose cotangent goes nowhere.

    With a ``speed`` ``s`` they are those of the same sound played so fast, as if another voice had
    spoken: a frame, a hop and the transform are ``s`` times as many samples (whole numbers), ``C``
    and ``S`` are divided by ``s``, and every frequency counts as ``s`` times as high. Of a sound
    that is played slower nothing is heard above ``s rate / 2``.

    Shapes: ``x (N, samples)``, ``y (N, 1 + (samples - frame) // hop, mels)``, natural logarithms.
    Mel scale: O'Shaughnessy, "Speech communication" (1987); features: Davis and Mermelstein (1980).

    Args:
        rate: samples a second of the input.
        frame: samples of a frame at speed 1; by default 25 ms.
        hop: samples from one frame to the next at speed 1; by default 10 ms.
        fft: size of the transform at speed 1, at least ``frame``; by default the next power of two.
        mels: bands.
        low: where the first band begins, in Hz.
        high: where the last band ends, in Hz; by default half the rate.
        floor: ``e``, what is added to the power so that silence has a logarithm.
        speed: 1.1 is a tenth faster; 1 is as it was.

    Raises:
        ConfigError: a value that cannot be used, or so many bands that one holds no frequency.
        ShapeError: an example is not a row of samples of at least one frame.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = log(P M + ε), P = (f C)² + (f S)², f the frames of x",
        "gx = frames added of 2 (a gP) Cᵀ + 2 (b gP) Sᵀ, gP = (gy / (P M + ε)) Mᵀ",
    )

    rate: int = 16000
    frame: int | None = None
    hop: int | None = None
    fft: int | None = None
    mels: int = 40
    low: float = 0.0
    high: float | None = None
    floor: float = 1e-6
    speed: float = 1.0

    def __post_init__(self) -> None:
        for name in ("rate", "frame", "hop", "fft", "mels"):
            value = getattr(self, name)
            if not (value is None and name in ("frame", "hop", "fft")) and (
                type(value) is not int or value < 1
            ):
                raise ConfigError(
                    f"LogMel: {name}={value!r}; expected a whole number of at least 1"
                )
        if not self.floor > 0:
            raise ConfigError(f"LogMel: floor={self.floor!r}; expected a small number above 0")
        if not 0 < self.speed < math.inf:
            raise ConfigError(f"LogMel: speed={self.speed!r}; expected a number above 0, as 1.1")
        top = self.rate / 2
        if not 0 <= self.low < (self.high or top) <= top:
            raise ConfigError(
                f"LogMel: low={self.low!r}, high={self.high!r}; expected frequencies from 0 to "
                f"{top:g} Hz, half the rate, the first below the second"
            )
        length, _, size = self._played_as_it_is
        if size < length:
            raise ConfigError(f"LogMel: fft={size}; expected at least the frame, {length} samples")
        # played slower, the highest bands hold none with good reason
        bands = mel_bands(self.rate, size, self.mels, self.low, self.high or top)
        empty = np.flatnonzero(bands.sum(axis=0) == 0)
        if len(empty):
            raise ConfigError(
                f"LogMel: band {int(empty[0])} of {self.mels} holds no frequency of a transform of "
                f"{size}; choose fewer mels, a larger fft, or a wider range"
            )

    @property
    def _played_as_it_is(self) -> tuple[int, int, int]:
        length = self.frame or max(1, round(0.025 * self.rate))
        hop = self.hop or max(1, round(0.01 * self.rate))
        return length, hop, self.fft or 1 << (length - 1).bit_length()

    @property
    def _sizes(self) -> tuple[int, int, int]:
        """Samples of a frame, from frame to frame, and of the transform."""
        length, hop, size = (max(1, round(n * self.speed)) for n in self._played_as_it_is)
        return length, hop, size

    @property
    def _bands(self) -> np.ndarray:
        top = self.high or self.rate / 2
        return mel_bands(self.rate * self.speed, self._sizes[2], self.mels, self.low, top)

    def frames(self, samples: int) -> int:
        """Return how many frames so many samples have."""
        length, hop, _ = self._sizes
        return max(0, 1 + (samples - length) // hop)

    def spec(self, x: Specs) -> Spec:
        """Return the frames and their bands."""
        if isinstance(x, tuple) or len(x.shape) != 1 or not self.frames(x.shape[0]):
            raise ShapeError(
                f"LogMel needs examples of at least {self._sizes[0]} samples (samples,), found "
                f"{getattr(x, 'shape', x)}"
            )
        return Spec((self.frames(x.shape[0]), self.mels), x.dtype)

    def _matrices(self, like: Any) -> tuple[Any, Any, Any]:
        length, _, size = self._sizes
        cos, sin = fourier(length, size)
        every = (cos / self.speed, sin / self.speed, self._bands)
        cos, sin, bands = (as_array_like(matrix, like) for matrix in every)
        return cos, sin, bands

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the features; both parts of the spectra and the slopes of the logarithm."""
        xp, samples = namespace(x), x.shape[1]
        cos, sin, bands = self._matrices(x)
        framed = self._framed(x)
        there = ~xp.any(xp.isnan(framed), axis=-1)
        framed = xp.where(there[..., None], framed, xp.zeros_like(framed))
        real, imaginary = framed @ cos, framed @ sin
        power = (real * real + imaginary * imaginary) @ bands + self.floor
        # the spectrum of padding is 0, so nothing goes back to it
        y = xp.where(there[..., None], xp.log(power), full(power.shape, float("nan"), power))
        return y, {"real": real, "imaginary": imaginary, "inverse": 1 / power, "samples": samples}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return the cotangent of the samples."""
        cos, sin, bands = self._matrices(gy)
        by_power = (gy * res["inverse"]) @ bands.T
        real, imaginary = (2 * res[part] * by_power for part in ("real", "imaginary"))
        return self._added(real @ cos.T + imaginary @ sin.T, res["samples"]), None

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return the change of the features."""
        cos, sin, bands = self._matrices(dx)
        framed = self._framed(dx)
        change = 2 * (res["real"] * (framed @ cos) + res["imaginary"] * (framed @ sin))
        return (change @ bands) * res["inverse"]

    def _framed(self, x: Any) -> Any:
        """Return ``(N, samples)`` as ``(N, frames, frame)``: blocks of one hop side by side."""
        length, hop, _ = self._sizes
        count, across = self.frames(x.shape[1]), -(-length // hop)
        wanted = (count + across - 1) * hop
        short = max(0, wanted - x.shape[1])
        x = namespace(x).concat([x[:, :wanted], full((x.shape[0], short), 0.0, x)], axis=1)
        blocks = x.reshape((x.shape[0], count + across - 1, hop))
        every = [blocks[:, j : j + count] for j in range(across)]
        return namespace(x).concat(every, axis=2)[..., :length]

    def _added(self, g: Any, samples: int) -> Any:
        """Return the frames added up where they overlap, the adjoint of ``_framed``."""
        length, hop, _ = self._sizes
        n, count, across = g.shape[0], g.shape[1], -(-length // hop)
        padding = full((n, count, across * hop - length), 0.0, g)
        blocks = namespace(g).concat([g, padding], axis=2).reshape((n, count, across, hop))
        total = full((n, count + across - 1, hop), 0.0, g)
        for j in range(across):
            total[:, j : j + count] += blocks[:, :, j]
        flat = total.reshape((n, (count + across - 1) * hop))
        short = max(0, samples - flat.shape[1])
        return namespace(g).concat([flat[:, :samples], full((n, short), 0.0, g)], axis=1)

    def multiply_adds(self, x: Specs) -> int:
        """Return those of the three products."""
        length, _, size = self._sizes
        return self.frames(x.shape[0]) * (size // 2 + 1) * (2 * length + self.mels)


@lru_cache(maxsize=8)
def fourier(length: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(length, size // 2 + 1)`` the real and imaginary part of the transform of a frame.

    The frame is multiplied by a Hann window (periodic in ``length``) and continued by zeros.
    """
    i, k = np.arange(length)[:, None], np.arange(size // 2 + 1)
    # the product modulo the size, so that large angles keep their digits
    angle = 2 * np.pi * (i * k % size) / size
    window = 0.5 - 0.5 * np.cos(2 * np.pi * i / length)
    return window * np.cos(angle), -window * np.sin(angle)


@lru_cache(maxsize=8)
def mel_bands(rate: float, size: int, mels: int, low: float, high: float) -> np.ndarray:
    """Return ``(size // 2 + 1, mels)`` the weight of each frequency in each band, at most 1."""

    def mel(f: Any) -> Any:
        return 2595 * np.log10(1 + f / 700)

    corners = 700 * (10 ** (np.linspace(mel(low), mel(high), mels + 2) / 2595) - 1)
    f = np.arange(size // 2 + 1)[:, None] * rate / size
    left, middle, right = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (f - left) / (middle - left), (right - f) / (right - middle)
    bands: np.ndarray = np.maximum(0.0, np.minimum(rising, falling))
    return bands
