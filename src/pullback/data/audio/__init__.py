"""Sound: WAV files, other rates, and recordings as data sets."""

from pullback.data.audio.resample import resample
from pullback.data.audio.wav import Sound, read_wav

__all__ = ["Sound", "read_wav", "resample"]
