"""Sound: WAV files, other rates, and recordings as data sets."""

from pullback.data.audio.coloured import coloured
from pullback.data.audio.recordings import (
    Recordings,
    at_speeds,
    for_ctc,
    joined,
    read_recordings,
    transformed,
)
from pullback.data.audio.resample import resample
from pullback.data.audio.rooms import heard, in_rooms
from pullback.data.audio.speech import read_digits
from pullback.data.audio.utterance import utterance
from pullback.data.audio.wav import Sound, read_wav

__all__ = [
    "Recordings",
    "Sound",
    "at_speeds",
    "coloured",
    "for_ctc",
    "heard",
    "in_rooms",
    "joined",
    "read_digits",
    "read_recordings",
    "read_wav",
    "resample",
    "transformed",
    "utterance",
]
