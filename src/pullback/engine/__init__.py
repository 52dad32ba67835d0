"""Engines: how maps, losses, updates and batches are run."""

from pullback.engine import activations as _activations
from pullback.engine import attention as _attention
from pullback.engine import combine as _combine
from pullback.engine import conv as _conv
from pullback.engine import cross_attention as _cross_attention
from pullback.engine import dense as _dense
from pullback.engine import embedding as _embedding
from pullback.engine import norm as _norm
from pullback.engine import recurrent as _recurrent
from pullback.engine.batches import lower_batches
from pullback.engine.devices import Device, NotCaptured, check_device, find_device
from pullback.engine.inference import Inference
from pullback.engine.lengths import any_length, lower_sequences
from pullback.engine.losses import lower_loss
from pullback.engine.lower import KERNELS, lower
from pullback.engine.moments import KEPT as KEPT_MOMENTS
from pullback.engine.moments import MomentTally, averages
from pullback.engine.program import Program, program
from pullback.engine.reduce import all_finite, total
from pullback.engine.replay import replayed
from pullback.engine.tally import class_tally
from pullback.engine.team import set_threads
from pullback.engine.updates import lower_optimizer

__all__ = [
    "KEPT_MOMENTS",
    "KERNELS",
    "Device",
    "Inference",
    "MomentTally",
    "NotCaptured",
    "Program",
    "all_finite",
    "any_length",
    "averages",
    "check_device",
    "class_tally",
    "find_device",
    "lower",
    "lower_batches",
    "lower_loss",
    "lower_optimizer",
    "lower_sequences",
    "program",
    "replayed",
    "set_threads",
    "total",
]

del _activations, _attention, _combine, _conv, _cross_attention, _dense, _embedding, _norm
del _recurrent
