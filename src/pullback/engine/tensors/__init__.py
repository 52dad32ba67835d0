"""Maps, losses and whole steps by the kernels of PyTorch, without its autograd."""

from pullback.engine.tensors import dense as _dense
from pullback.engine.tensors import images as _images
from pullback.engine.tensors import norm as _norm
from pullback.engine.tensors import sequences as _sequences
from pullback.engine.tensors import symbols as _symbols
from pullback.engine.tensors.capture import Captured
from pullback.engine.tensors.forms import lower_tensors
from pullback.engine.tensors.losses import lower_tensor_loss
from pullback.engine.tensors.updates import lower_tensor_optimizer

__all__ = ["Captured", "lower_tensor_loss", "lower_tensor_optimizer", "lower_tensors"]

del _dense, _images, _norm, _sequences, _symbols
