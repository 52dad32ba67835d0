"""Where the arrays of a run are: NumPy's in memory, or PyTorch's, perhaps on an accelerator.

Networks, losses and update rules are the same code on both. No graph of PyTorch's is ever built:
the pullbacks are ours.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError, PullbackError
from pullback.core.map import Map
from pullback.core.spec import Spec
from pullback.core.theta import Theta
from pullback.core.tree import map_leaves
from pullback.engine.team import team
from pullback.losses.base import Loss
from pullback.optim import Optimizer

NAMES = re.compile("cpu|torch|cuda(:[0-9]+)?|mps|auto")
TEXT = {
    "name": "device={name!r}; expected cpu (compiled kernels), torch (PyTorch on the processor), "
    "cuda, cuda:1, mps, or auto",
    "no torch": "device={name!r} needs PyTorch: pip install 'pullback[torch]'",
    "absent": "device={name!r}: PyTorch {version} finds {found}; use cpu, or auto for whatever "
    "there is",
    "no dtype": "device={name!r} has no {dtype}; use float32",
}


class NotCaptured(PullbackError):
    """A step cannot be captured as a graph; the message says why."""


class Device:
    """The processor, on NumPy's arrays, which are handed on as they are."""

    compiled = True
    """Whether there are compiled kernels for the arrays."""

    def put(self, x: Any) -> Any:
        """Return an array of NumPy's as one of the device."""
        return x

    def host(self, x: Any) -> Any:
        """Return an array of the device, or nested ones, as NumPy's."""
        return x

    def lower(self, net: Map, loss: Loss, x: Spec, batch_size: int) -> tuple[Map, Loss]:
        """Return network and loss in their forms for the device."""
        raise NotImplementedError

    def lower_optimizer(self, optimizer: Optimizer) -> Optimizer:
        """Return an update rule in its form for the device."""
        raise NotImplementedError

    def capture(self, *parts: Any) -> Any:
        """Return a step as a graph of the device, or None where it has no graphs."""
        del parts

    def put_theta(self, theta: Theta) -> Theta:
        """Return parameters, or a gradient, over a vector of the device."""
        return theta

    def host_theta(self, theta: Theta) -> Theta:
        """Return them over a vector of NumPy's."""
        return theta


class TorchDevice(Device):
    """PyTorch's tensors on one of its devices.

    Args:
        name: what PyTorch calls it.
    """

    compiled = False

    def __init__(self, name: str) -> None:
        import torch

        self._torch, self.device = torch, torch.device(name)
        if self.device.type == "cpu":
            torch.set_num_threads(team().threads)

    def put(self, x: Any) -> Any:
        """Return the array on the device; what is no array stays as it is."""
        if not isinstance(x, np.ndarray):
            return x
        if self.device.type == "cpu" and x.flags.writeable:
            return self._torch.from_numpy(x)  # the same memory
        # a copy that is made at once, for a batch lies in a buffer that the next one reuses
        return self._torch.tensor(x, device=self.device)

    def host(self, x: Any) -> Any:
        """Return tensors as arrays; they may share memory."""
        if isinstance(x, dict):
            return map_leaves(self.host, x)
        return x.cpu().numpy() if isinstance(x, self._torch.Tensor) else x

    def lower(self, net: Map, loss: Loss, x: Spec, batch_size: int) -> tuple[Map, Loss]:
        """Return network and loss by kernels of PyTorch's."""
        from pullback.engine.tensors import lower_tensor_loss, lower_tensors

        return lower_tensors(net, x, batch_size), lower_tensor_loss(loss)

    def lower_optimizer(self, optimizer: Optimizer) -> Optimizer:
        """Return an update rule by kernels of PyTorch's: on the processor.

        Elsewhere the rule itself becomes part of a graph, with its learning rate on the device.
        """
        from pullback.engine.tensors import lower_tensor_optimizer

        return lower_tensor_optimizer(optimizer) if self.device.type == "cpu" else optimizer

    def capture(self, *parts: Any) -> Any:
        """Return a step as a CUDA graph, of the arguments of ``engine.tensors.Captured``.

        Raises:
            NotCaptured: there is something in it that cannot be part of a graph.
        """
        if self.device.type != "cuda":
            return None
        from pullback.engine.tensors import Captured

        return Captured(*parts)

    def put_theta(self, theta: Theta) -> Theta:
        """Return the same names over a tensor."""
        return Theta(theta.layout, self.put(theta.flat))

    def host_theta(self, theta: Theta) -> Theta:
        """Return the same names over an array."""
        return Theta(theta.layout, self.host(theta.flat))


def check_device(name: Any) -> None:
    """Raise ``ConfigError`` where ``name`` names no device, be it here or elsewhere."""
    if not isinstance(name, str) or not NAMES.fullmatch(name):
        raise ConfigError(TEXT["name"].format(name=name))


def find_device(name: str, dtype: str) -> Device:
    """Return the device ``name``, for numbers of ``dtype``.

    Raises:
        ConfigError: it is not there, or cannot do with the dtype.
    """
    check_device(name)
    if name == "cpu":
        return Device()
    try:
        import torch
    except ImportError:
        if name == "auto":
            return Device()
        raise ConfigError(TEXT["no torch"].format(name=name)) from None
    devices, mps = torch.cuda.device_count(), torch.backends.mps.is_available()
    if name == "auto":
        name = "cuda" if devices else "mps" if mps and dtype == "float32" else "cpu"
        return find_device(name, dtype)
    found = f"{devices} CUDA devices and {'an' if mps else 'no'} MPS device"
    number = int(name.partition(":")[2] or 0)
    if (name.startswith("cuda") and number >= devices) or (name == "mps" and not mps):
        raise ConfigError(TEXT["absent"].format(name=name, version=torch.__version__, found=found))
    if name == "mps" and dtype != "float32":
        raise ConfigError(TEXT["no dtype"].format(name=name, dtype=dtype))
    return TorchDevice("cpu" if name == "torch" else name)
