"""Every stride, padding, dilation and grouping of the convolutions and pools, against PyTorch."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from arrays import relative_error

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed: comparisons with it are skipped"
)
from torch_maps import apply  # noqa: E402

from pullback.core.context import Context  # noqa: E402
from pullback.core.errors import ShapeError  # noqa: E402
from pullback.core.map import init  # noqa: E402
from pullback.core.spec import Spec  # noqa: E402
from pullback.core.theta import Theta, write_gradient  # noqa: E402
from pullback.engine import lower  # noqa: E402
from pullback.maps import (  # noqa: E402
    AvgPool2d,
    Chain,
    Conv1d,
    Conv2d,
    ConvTranspose2d,
    MaxPool2d,
    ReLU,
)

KERNELS = (1, 2, 3, 5, (3, 1), (2, 4))
STRIDES = (1, 2, 3, (2, 1))
PADDINGS = ("valid", "same", 1, (2, 0), ((0, 1), (2, 1)))
DILATIONS = (1, 2, (1, 3))


def check(net, shape) -> None:
    rng = np.random.default_rng(len(repr(net)))
    spec = Spec(shape[1:], "float64")
    p, _ = init(net, spec, 1, "float64")
    p.flat[:] += 0.1 * rng.standard_normal(p.flat.shape)
    x, gy = rng.standard_normal(shape), rng.standard_normal((shape[0], *net.spec(spec).shape))
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, p.flat)]
    expected = apply(net, Theta(p.layout, tensors[1]), tensors[0], Context())
    torch.sum(expected * torch.tensor(gy)).backward()
    right = [expected.detach(), tensors[0].grad]
    for form in (net, lower(net, spec, shape[0] + 1, input_gradient=True)):
        y, res = form.forward(p, x, Context())
        y = np.array(y)
        gx, delta = form.pullback(p, res, gy)
        gradient = p.layout.view(np.full_like(p.flat, np.nan))
        write_gradient(form.grads(p, res, delta), gradient)
        for found, known in zip((y, gx), right, strict=True):
            assert relative_error(found, known) < 1e-10
        if p.flat.size:
            assert relative_error(gradient.flat, tensors[1].grad) < 1e-10


def fits(net, shape) -> bool:
    try:
        net.spec(Spec(shape[1:]))
    except ShapeError:
        return False
    return True


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize("stride", STRIDES, ids=str)
def test_conv2d(kernel, stride):
    nets = [
        Conv2d(4, kernel, stride, padding, dilation, groups)
        for padding, dilation, groups in product(PADDINGS, DILATIONS, (1, 2, 4))
    ]
    nets = [net for net in nets if fits(net, (2, 7, 8, 4))]
    assert len(nets) >= 24
    for net in nets:
        check(net, (2, 7, 8, 4))


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize("stride", STRIDES, ids=str)
def test_conv_transpose2d(kernel, stride):
    nets = [
        ConvTranspose2d(3, kernel, stride, padding, dilation)
        for padding, dilation in product(PADDINGS, DILATIONS)
    ]
    nets = [net for net in nets if fits(net, (2, 4, 5, 2))]
    assert len(nets) >= 9
    for net in nets:
        check(net, (2, 4, 5, 2))


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_conv1d(stride):
    for kernel, dilation, groups in product((1, 2, 4), (1, 2), (1, 2)):
        for padding in ("valid", "same", 1, ((2, 0),)):
            check(Conv1d(4, kernel, stride, padding, dilation, groups), (2, 9, 2))


@pytest.mark.parametrize("pool", [MaxPool2d, AvgPool2d])
@pytest.mark.parametrize("size", [1, 2, 3, (2, 3)], ids=str)
def test_pools(pool, size):
    least = min(size) if isinstance(size, tuple) else size
    for stride, padding in product((None, 1, 2, (3, 2)), ("valid", "same", 1, ((0, 1), (1, 0)))):
        if isinstance(padding, str) or least > 1:
            check(pool(size, stride, padding), (2, 7, 6, 3))


@pytest.mark.parametrize("channels", [16, 32, 48])
@pytest.mark.parametrize("outputs", [16, 32, 64])
def test_widths_of_whole_vectors(channels, outputs):
    """The widths that have kernels of their own, before ReLU and pooling, and before each other."""
    for size, stride, padding in ((3, 1, "same"), (3, 2, 1), (1, 1, "valid"), ((2, 5), 1, "valid")):
        conv = Conv2d(outputs, size, stride, padding)
        shape = (2, 11, 37, channels)
        check(Chain(conv, ReLU(), MaxPool2d()), shape)
        check(Chain(conv, MaxPool2d(3)), shape)
        check(Chain(Conv2d(channels, 1), ReLU(), conv, ReLU(), Conv2d(3, 1)), shape)
