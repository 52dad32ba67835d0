"""Maps, losses and whole steps by the kernels of PyTorch, without its autograd."""

from pullback.engine.tensors import dense as _dense
from pullback.engine.tensors.capture import Captured
from pullback.engine.tensors.forms import lower_tensors
from pullback.engine.tensors.losses import lower_tensor_loss

__all__ = ["Captured", "lower_tensor_loss", "lower_tensors"]

del _dense
