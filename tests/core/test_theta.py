"""Parameters as one vector: views, layouts, sharing, gradients written into it."""

import copy
import pickle

import numpy as np
import pytest

from pullback.core.context import Context
from pullback.core.contraction import C
from pullback.core.errors import ShapeError
from pullback.core.initializers import DEFAULT, Constant, HeNormal
from pullback.core.map import init
from pullback.core.spec import Param, Spec
from pullback.core.theta import Layout, Theta, write_gradient
from pullback.core.tree import leaves
from pullback.maps import BatchNorm, Chain, Linear, Parallel, Shared, Tanh

DECLARED = {
    "a": {"W": Param((2, 3), HeNormal()), "b": Param((3,), decay=False)},
    "c": Param(()),
    "d": {"e": {"f": Param((0, 4))}},
}


@pytest.fixture
def theta() -> Theta:
    layout = Layout.of(DECLARED)
    return layout.view(np.arange(layout.size, dtype=float))


def test_places_follow_the_declaration(theta):
    found = [(entry.name, entry.start, entry.stop) for entry in theta.layout.entries]
    assert found == [("a.W", 0, 6), ("a.b", 6, 9), ("c", 9, 10), ("d.e.f", 10, 10)]
    assert theta.layout.size == 10
    assert [entry.decay for entry in theta.layout.entries] == [True, False, True, True]
    assert [entry.init for entry in theta.layout.entries] == [HeNormal(), *[DEFAULT] * 3]


def test_views_share_memory_with_the_vector(theta):
    np.testing.assert_array_equal(theta["a"]["W"], [[0, 1, 2], [3, 4, 5]])
    theta["a"]["W"][1, 2] = 50
    theta.flat[6] = 60
    assert theta.flat[5] == 50
    assert theta["a"]["b"][0] == 60
    assert theta["c"].shape == ()
    assert theta["d"]["e"]["f"].shape == (0, 4)
    assert all(np.shares_memory(view, theta.flat) for _, view in leaves(theta) if view.size)


def test_a_copy_is_apart(theta):
    again = theta.copy()
    again["a"]["W"][:] = 0
    assert theta.flat[1] == 1
    assert again.layout is theta.layout


@pytest.mark.parametrize("through", [lambda t: pickle.loads(pickle.dumps(t)), copy.deepcopy])
def test_pickled_and_back(theta, through):
    again = through(theta)
    assert isinstance(again, Theta)
    assert again.layout == theta.layout
    np.testing.assert_array_equal(again.flat, theta.flat)
    again["a"]["W"][0, 1] = -1
    assert again.flat[1] == -1
    assert theta.flat[1] == 1


@pytest.mark.parametrize("shape", [(9,), (11,), (10, 1), ()])
def test_a_vector_of_another_size_is_refused(shape):
    with pytest.raises(ShapeError, match="vector of 10 parameters"):
        Layout.of(DECLARED).view(np.zeros(shape))


def test_no_parameters_is_an_empty_vector():
    p, state = init(Tanh(), Spec((3,)))
    assert (p.flat.shape, dict(p), state) == ((0,), {}, {})


def test_shared_parameters_have_one_place():
    tied = Shared("tied", Linear(3))
    net = Chain(tied, Tanh(), Linear(3), Parallel(tied, Tanh(), combine="add"))
    p, _ = init(net, Spec((3,)))
    assert p.flat.size == 2 * (9 + 3)
    first, again = p["0"]["body"]["W"], p["3"]["0"]["body"]["W"]
    first[0, 0] = 5
    assert again[0, 0] == 5
    assert [e.name for e in p.layout.entries if e.alias] == ["3.0.body.W", "3.0.body.b"]
    np.testing.assert_array_equal(first, again)
    assert np.any(first != p["2"]["W"])


def test_a_shared_map_within_another_keeps_its_key():
    inner = Shared("inner", Linear(3))
    net = Chain(Shared("outer", Chain(inner, Tanh(), inner)), inner)
    p, _ = init(net, Spec((3,)))
    assert p.flat.size == 9 + 3


def test_the_gradient_of_shared_parameters_is_the_sum_over_their_places(rng):
    x, gy = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
    tied = Chain(Shared("k", Linear(3)), Tanh(), Shared("k", Linear(3)))
    free = Chain(Chain(Linear(3)), Tanh(), Chain(Linear(3)))
    p, _ = init(tied, x, dtype="float64")
    q, _ = init(free, x, dtype="float64")
    q.flat[:12] = q.flat[12:] = p.flat
    found = []
    for net, theta in ((tied, p), (free, q)):
        _, res = net.forward(theta, x, Context())
        _, delta = net.pullback(theta, res, gy)
        gradient = Theta(theta.layout, np.full_like(theta.flat, np.nan))
        write_gradient(net.grads(theta, res, delta), gradient)
        found.append(gradient.flat)
    np.testing.assert_allclose(found[0], found[1][:12] + found[1][12:], rtol=1e-13)


def test_one_key_with_two_shapes_is_refused():
    net = Chain(Shared("k", Linear(3)), Shared("k", Linear(3)))
    with pytest.raises(ShapeError, match=r"1\.body\.W shares 'k.*' with 0\.body\.W") as caught:
        init(net, Spec((2,)))
    assert "(3, 3) and (2, 3)" in str(caught.value)


def contraction(value: float, shape: tuple[int, ...] = (3,)) -> C:
    return C("no->o", delta=np.full((2, *shape), value))


def test_gradients_are_written_or_added():
    layout = Layout.of({"a": Param((3,)), "b": Param((3,))})
    gradient = layout.view(np.full(6, 10.0))
    write_gradient({"b": contraction(1), "a": contraction(2)}, gradient)
    np.testing.assert_array_equal(gradient.flat, [4, 4, 4, 2, 2, 2])
    write_gradient({"b": contraction(1), "a": contraction(2)}, gradient, accumulate=True)
    np.testing.assert_array_equal(gradient.flat, [8, 8, 8, 4, 4, 4])


def test_an_alias_is_added_to_what_its_first_place_wrote():
    layout = Layout.of({"a": Param((3,), share="s"), "b": Param((3,), share="s")})
    assert layout.size == 3
    gradient = layout.view(np.full(3, 10.0))
    write_gradient({"a": contraction(1), "b": contraction(2)}, gradient)
    np.testing.assert_array_equal(gradient.flat, [6, 6, 6])
    write_gradient({"a": contraction(1), "b": contraction(2)}, gradient, accumulate=True)
    np.testing.assert_array_equal(gradient.flat, [12, 12, 12])


def test_a_parameter_without_a_gradient_is_named():
    gradient = Layout.of({"x": {"a": Param((3,)), "b": Param((3,))}}).view(np.zeros(6))
    with pytest.raises(ShapeError, match=r"no gradient is declared for the parameter x\.b"):
        write_gradient({"x": {"a": contraction(1)}}, gradient)


def test_a_gradient_without_a_parameter_is_named():
    gradient = Layout.of({"a": Param((3,))}).view(np.zeros(3))
    with pytest.raises(ShapeError, match=r"declared for x\.c, which is not a parameter"):
        write_gradient({"a": contraction(1), "x": {"c": contraction(1)}}, gradient)


@pytest.mark.parametrize(
    ("declared", "missing"),
    [
        ({"a": contraction(1), "c": contraction(1)}, "x.b"),
        ({"c": contraction(1), "x": {"b": contraction(1)}}, "a"),
        ({"a": {"b": contraction(1)}, "x": {"b": contraction(1)}}, "a"),
        ({"a": contraction(1), "x": contraction(1)}, "x.b"),
    ],
    ids=["another name", "another leaf", "names below a parameter", "no names below"],
)
def test_as_many_gradients_of_other_names_are_explained(declared, missing):
    gradient = Layout.of({"a": Param((3,)), "x": {"b": Param((3,))}}).view(np.zeros(6))
    with pytest.raises(ShapeError, match=f"no gradient is declared for the parameter {missing};"):
        write_gradient(declared, gradient)


def test_init_fills_parameters_and_state():
    net = Chain(Linear(4), BatchNorm(), Linear(2, init=Constant(3.0)))
    p, state = init(net, np.zeros((7, 5)), seed=1)
    assert p.flat.dtype == state["1"]["var"].dtype == np.float32
    np.testing.assert_array_equal(state["1"]["mean"], np.zeros(4))
    np.testing.assert_array_equal(state["1"]["var"], np.ones(4))
    np.testing.assert_array_equal(p["1"]["gamma"], np.ones(4))
    np.testing.assert_array_equal(p["2"]["W"], np.full((4, 2), 3))
    np.testing.assert_array_equal(p["0"]["b"], np.zeros(4))
    again, _ = init(net, Spec((5,)), seed=1)
    np.testing.assert_array_equal(p.flat, again.flat)
    other, _ = init(net, Spec((5,)), seed=2)
    assert np.any(other["0"]["W"] != p["0"]["W"])


def test_each_parameter_has_a_stream_of_its_own():
    short, _ = init(Chain(a=Linear(3), z=Linear(3)), Spec((3,)), dtype="float64")
    long, _ = init(Chain(a=Linear(3), m=Linear(3), z=Linear(3)), Spec((3,)), dtype="float64")
    np.testing.assert_array_equal(short["z"]["W"], long["z"]["W"])
    assert np.any(short["a"]["W"] != short["z"]["W"])
