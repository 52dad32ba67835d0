"""Lowered networks against their reference form, in both types, and what a step allocates."""

import importlib

import numpy as np
import pytest
from arrays import largest_gradient_error, relative_error
from contract_cases import CASES, Case, Setting, all_cases, setting

from pullback.core.context import Context
from pullback.core.errors import ShapeError
from pullback.core.map import Map, init
from pullback.core.spec import Spec
from pullback.core.theta import write_gradient
from pullback.core.tree import leaves, map_leaves
from pullback.engine import KERNELS, lower, lower_loss
from pullback.losses import CrossEntropy
from pullback.maps import (
    BatchNorm,
    Chain,
    Channels,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    LayerNorm,
    Linear,
    MaxPool2d,
    Parallel,
    RandomShift,
    ReLU,
    Residual,
    Shared,
    Sigmoid,
    Softmax,
    Tanh,
)
from pullback.models import depthwise_separable, residual_block, squeeze_excite

TOLERANCES = {"float64": 1e-12, "float32": 2e-6}
KERNEL_CASES = all_cases(*(cls.__name__ for cls in KERNELS))
TIED = Shared("tied", Chain(Linear(6), Tanh()))
NETWORKS = {
    "textbook": Case(Chain(Flatten(), Linear(5), Sigmoid(), Linear(3)), (4, 3, 2), train=True),
    "two residuals": Case(
        Chain(Linear(6), Residual(Chain(Linear(4), ReLU(), Linear(6))), Residual(Tanh())), (5, 4)
    ),
    "parallel": Case(
        Chain(Linear(6), Parallel(ReLU(), a=Linear(3), b=Chain(Tanh(), Linear(2)))), (5, 4)
    ),
    "parallel sum": Case(
        Parallel(Sigmoid(), Chain(Linear(4), ReLU()), ReLU(), combine="add"), (5, 4)
    ),
    "shared": Case(Chain(Linear(6), TIED, ReLU(), TIED, Residual(TIED)), (5, 4), train=True),
    "dropout": Case(
        Chain(Dropout(0.2), Linear(6), ReLU(), Dropout(0.5), Linear(3)), (5, 4), train=True
    ),
    "batch norm": Case(
        Chain(Linear(6), BatchNorm(), ReLU(), Linear(3), BatchNorm()), (5, 4), train=True
    ),
    "batch norm not in training": Case(Chain(Linear(6), BatchNorm(), ReLU(), Linear(3)), (5, 4)),
    "extra axes": Case(
        Chain(LayerNorm(), Linear(5), Tanh(), Linear(2), Softmax()), (3, 2, 4), train=True
    ),
    "images": Case(
        Chain(RandomShift(1), Flatten(), Linear(5), ReLU(), Linear(3)), (4, 3, 3), train=True
    ),
    "activations on activations": Case(
        Chain(Linear(4), ReLU(), Tanh(), Sigmoid(), ReLU(), Linear(2)), (5, 4)
    ),
    "convolutions": Case(
        Chain(
            Channels(),
            Conv2d(16),
            ReLU(),
            Conv2d(32, padding="valid"),
            ReLU(),
            MaxPool2d(),
            Flatten(),
            Linear(3),
        ),
        (3, 8, 9),
    ),
    "residual images": Case(
        Chain(
            Conv2d(16, bias=False),
            BatchNorm(),
            ReLU(),
            residual_block(16),
            residual_block(32, 2, project=True),
            residual_block(32),
            GlobalAvgPool(),
            Linear(3),
        ),
        (4, 6, 5, 2),
        train=True,
    ),
    "residual images, not training": Case(
        Chain(Conv2d(16), BatchNorm(), ReLU(), residual_block(16), Flatten(), Linear(2)),
        (3, 4, 5, 1),
    ),
    "separable": Case(
        Chain(Conv2d(4), depthwise_separable(4, 6, 2), squeeze_excite(6, 2), GlobalMaxPool()),
        (3, 6, 6, 2),
        train=True,
    ),
    "chains in chains": Case(
        Chain(
            Chain(Linear(4), ReLU()),
            Chain(Residual(Chain(Linear(4))), Chain(ReLU())),
            Chain(),
            Chain(Chain(Linear(3), BatchNorm()), ReLU()),
        ),
        (5, 3),
        train=True,
    ),
    "no parameters": Case(Chain(Tanh(), ReLU(), Flatten()), (3, 2, 2)),
}
FOUND = {**KERNEL_CASES, **NETWORKS}
every_case = pytest.mark.parametrize("case", FOUND.values(), ids=FOUND.keys())
both_types = pytest.mark.parametrize("dtype", TOLERANCES)


def test_every_kernel_has_cases():
    assert {cls.__name__ for cls in KERNELS} <= set(CASES)
    assert len(KERNEL_CASES) >= 3 * len(KERNELS)
    for source, kernel in KERNELS.items():
        lowered = (
            lower(case.net, specs_of(case), 4, input_gradient=True)
            for case in CASES[source.__name__]
            if type(case.net) is source
        )
        assert sum(type(net) is kernel for net in lowered) >= 3, source.__name__


def specs_of(case: Case, dtype: str = "float64"):
    several = isinstance(case.shape[0], tuple)
    parts = tuple(Spec(shape[1:], dtype) for shape in (case.shape if several else (case.shape,)))
    return parts if several else parts[0]


def each(x, change):
    """The input changed; of several inputs, each of them."""
    return tuple(map(change, x)) if isinstance(x, tuple) else change(x)


def uses(net: Map, kernels: tuple[type, ...]) -> bool:
    return isinstance(net, kernels) or any(uses(m, kernels) for m in net.children().values())


def passed(net: Map, s, count: int):
    """Forward and backward on the first ``count`` examples; copies, as buffers are reused."""
    x = each(s.x, lambda a: a[:count])
    y, res = net.forward(s.p, x, s.ctx)
    y = y.copy()
    gx, delta = net.pullback(s.p, res, s.gy[:count])
    gradient = s.p.layout.view(np.full_like(s.p.flat, np.nan))
    write_gradient(net.grads(s.p, res, delta), gradient)
    dy = net.pushforward(s.p, res, s.p, x)
    state = net.advance(s.ctx.state, res) if s.ctx.train else s.ctx.state
    return y, None if gx is None else each(gx, np.copy), gradient, dy, state


def in_float64(s: Setting) -> Setting:
    """The same numbers, to calculate with more digits."""
    wide = s.p.layout.view(s.p.flat.astype("float64"))
    state = map_leaves(lambda a: a.astype("float64"), s.ctx.state)
    ctx = s.ctx._replace(state=state)
    x, gy = (each(a, lambda part: part.astype("float64")) for a in (s.x, s.gy))
    return Setting(s.net, wide, x, gy, ctx)


def joined(x):
    return np.concatenate([part.reshape(-1) for part in x]) if isinstance(x, tuple) else x


def errors(found, right) -> list[float]:
    y, gx, gradient, dy, state = found
    states = zip(leaves(state), leaves(right[4]), strict=True)
    return [
        relative_error(y, right[0]),
        0.0 if gx is None else relative_error(joined(gx), joined(right[1])),
        largest_gradient_error(gradient, right[2]),
        relative_error(dy, right[3]),
        *(relative_error(a, b) for (path, a), (name, b) in states if path == name),
    ]


@every_case
@both_types
@pytest.mark.parametrize("input_gradient", [True, False])
def test_against_the_reference(case: Case, dtype, input_gradient):
    s = setting(case, dtype)
    wide = in_float64(s)
    most = len(s.gy)
    fast = lower(case.net, specs_of(case, dtype), most + 3, input_gradient)
    if case in NETWORKS.values() and (input_gradient or s.p.flat.size):
        assert uses(fast, tuple(KERNELS.values()))
    # smaller batches between larger ones: what is left in the buffers must not show
    for count in (most, max(1, most - 1), most):
        if case.train and case.net.couples_batch and s.x[:count, ..., 0].size < 2:
            continue
        found, right = passed(fast, s, count), passed(case.net, wide, count)
        y, gx, gradient, dy, state = found
        assert y.dtype == dy.dtype == gradient.flat.dtype == dtype
        assert gx is None if gx is None and not input_gradient else joined(gx).dtype == dtype
        assert [path for path, _ in leaves(state)] == [path for path, _ in leaves(right[4])]
        # where rounding is amplified, the reference form's own error is the measure
        usual = errors(passed(case.net, s, count), right)
        for error, known in zip(errors(found, right), usual, strict=True):
            assert error < max(TOLERANCES[dtype], 2 * known)


@every_case
def test_nothing_given_is_changed(case: Case):
    s = setting(case)
    p, x, gy = s.p.copy(), each(s.x, np.copy), s.gy.copy()
    passed(lower(case.net, specs_of(case), len(gy), True), s, len(gy))
    np.testing.assert_array_equal(s.p.flat, p.flat)
    np.testing.assert_array_equal(joined(s.x), joined(x))
    np.testing.assert_array_equal(s.gy, gy)


@pytest.mark.parametrize("case", NETWORKS.values(), ids=NETWORKS.keys())
def test_a_lowered_network_keeps_names_specs_and_parameters(case: Case):
    spec = Spec(case.shape[1:])
    for wanted in (True, False):
        fast = lower(case.net, spec, 4, wanted)
        assert fast.spec(spec) == case.net.spec(spec)
        assert init(fast, spec)[0].layout.size == init(case.net, spec)[0].layout.size
        names = [entry.name for entry in init(fast, spec)[0].layout.entries]
        assert names == [entry.name for entry in init(case.net, spec)[0].layout.entries]


def test_without_an_input_gradient_the_first_layer_makes_none(rng):
    x = rng.standard_normal((4, 3))
    for net in (Linear(2), Chain(Linear(2), ReLU()), Chain(Tanh(), Linear(2))):
        p, _ = init(net, x, dtype="float64")
        spec = Spec((3,), "float64")
        for wanted in (True, False):
            fast = lower(net, spec, 4, input_gradient=wanted)
            y, res = fast.forward(p, x, Context())
            gx, _ = fast.pullback(p, res, np.ones_like(y))
            assert (gx is not None) == wanted


@pytest.mark.parametrize("spec", [Spec((3,), "int64"), (Spec((3,)), Spec((3,)))], ids=str)
def test_maps_of_other_inputs_than_floating_arrays_stay_as_they_are(spec):
    for net in (ReLU(), Tanh(), Flatten()):
        assert lower(net, spec, 4, input_gradient=True) is net


@both_types
def test_large_and_odd_numbers(dtype):
    x = np.array([[-1e4, -80, -0.0], [0.0, 80, 1e4], [np.inf, -np.inf, np.nan]], dtype)
    for net in (ReLU(), Tanh(), Sigmoid()):
        fast = lower(net, Spec((3,), dtype), 3, input_gradient=True)
        for gy in (np.ones_like(x), np.zeros_like(x)):
            y, res = net.forward({}, x, Context())
            y_fast, res_fast = fast.forward({}, x, Context())
            np.testing.assert_allclose(y_fast, y, rtol=TOLERANCES[dtype])
            gx, _ = net.pullback({}, res, gy)
            gx_fast, _ = fast.pullback({}, res_fast, gy)
            np.testing.assert_allclose(gx_fast, gx, rtol=TOLERANCES[dtype])


LOSSES = [CrossEntropy(), CrossEntropy(label_smoothing=0.1)]
TARGETS = {
    "numbers": np.array([0, 3, 2, 3, 1]),
    "bytes": np.array([0, 3, 2, 3, 1], np.uint8),
    "short": np.array([0, 3, 2, 3, 1], np.int16),
    "every second": np.repeat(np.array([0, 3, 2, 3, 1]), 2)[::2],
    "the other byte order": np.array([0, 3, 2, 3, 1], ">i4"),
    "rows": np.eye(4)[[0, 3, 2, 3, 1]],
    "shares": np.full((5, 4), 0.25),
}


@pytest.mark.parametrize("loss", [*LOSSES, CrossEntropy(class_weights=(1, 2, 3, 4))], ids=str)
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
@both_types
def test_cross_entropy_against_the_reference(loss, target, dtype, rng):
    fast, tolerance = lower_loss(loss), TOLERANCES[dtype]
    for size in (1, 30, 1e4):
        y = (size * rng.standard_normal((5, 4))).astype(dtype)
        kept = y.copy()
        values, slope = loss.forward(y, target)
        found, found_slope = fast.forward(y, target)
        np.testing.assert_array_equal(y, kept)
        assert found.dtype == found_slope.dtype == dtype
        assert relative_error(found, values) < tolerance
        assert np.linalg.norm(found_slope - slope) < tolerance * np.sqrt(len(y))
        g = rng.standard_normal(5).astype(dtype)
        np.testing.assert_array_equal(fast.pullback(slope, g), loss.pullback(slope, g))
        np.testing.assert_array_equal(fast.link(y), loss.link(y))


WRONG = [
    [0, 4],
    [-1, 0],
    [0.0, 1.0],
    [0.0, 0.0],
    [False, True],
    [[0], [1]],
    [0],
    [[0.0] * 3] * 2,
]


@pytest.mark.parametrize("loss", LOSSES, ids=str)
@pytest.mark.parametrize("target", WRONG, ids=str)
def test_wrong_targets_are_explained_alike(loss, target):
    y, target = np.zeros((2, 4)), np.array(target)
    with pytest.raises(ShapeError, match="expected") as right:
        loss.forward(y, target)
    with pytest.raises(ShapeError, match="expected") as found:
        lower_loss(loss).forward(y, target)
    assert str(found.value) == str(right.value)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
@pytest.mark.parametrize("shape", [(2,), (2, 4, 1)], ids=str)
def test_outputs_that_are_no_rows_are_explained_alike(loss, shape):
    for form in (loss, lower_loss(loss)):
        with pytest.raises(ShapeError, match=r"needs outputs \(N, classes\)"):
            form.forward(np.zeros(shape), np.array([0, 1]))


def test_a_view_of_the_same_buffer_is_the_same_array():
    """Jobs need not look again at arrays that they know."""
    fast, x = lower(Flatten(), Spec((2, 3)), 4, input_gradient=True), np.zeros((4, 2, 3), "float32")
    first, _ = fast.forward({}, x, Context())
    assert fast.forward({}, x, Context())[0] is first
    assert fast.forward({}, x.copy(), Context())[0] is not first


def test_cotangents_of_another_type_than_the_slopes(rng):
    loss, y = CrossEntropy(), rng.standard_normal((3, 4)).astype("float32")
    fast, g = lower_loss(loss), rng.standard_normal(3)
    _, slope = fast.forward(y, np.array([0, 3, 1]))
    found = fast.pullback(slope, g)
    assert found.dtype == "float64"
    np.testing.assert_allclose(found, slope * g[:, None], rtol=1e-12)


def test_one_lowered_loss_takes_outputs_of_other_widths_and_types(rng):
    loss = CrossEntropy(label_smoothing=0.1)
    fast, target = lower_loss(loss), np.array([0, 1, 1])
    for classes, dtype in ((4, "float64"), (4, "float32"), (4, "float64"), (2, "float64")):
        y = rng.standard_normal((3, classes)).astype(dtype)
        for found, right in zip(fast.forward(y, target), loss.forward(y, target), strict=True):
            assert found.dtype == dtype
            assert relative_error(found, right) < TOLERANCES[dtype]


def test_without_a_blas_to_call_networks_stay_as_they_are(monkeypatch):
    module = importlib.import_module("pullback.engine.lower")  # the package has a function so named
    monkeypatch.setattr(module, "find_blas", lambda: None)
    net = Chain(Linear(3), ReLU(), Flatten())
    for wanted in (True, False):
        assert lower(net, Spec((4,)), 5, input_gradient=wanted) is net
