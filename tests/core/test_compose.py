"""Chains: names, composition, errors that say where, and how weights start."""

import re

import numpy as np
import pytest
from arrays import relative_error

from pullback.core.context import Context
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.initializers import DEFAULT, GlorotNormal, HeNormal
from pullback.core.map import Map, init
from pullback.core.spec import Spec
from pullback.core.tree import leaves
from pullback.maps import (
    BatchNorm,
    Chain,
    Dropout,
    Each,
    Flatten,
    Gate,
    LayerNorm,
    Linear,
    Parallel,
    ReLU,
    Reshape,
    Residual,
    Shared,
    Sigmoid,
    Softmax,
    Tanh,
)


def test_children_are_named_by_position_or_keyword():
    net = Chain(Linear(2), ReLU(), head=Linear(1), last=Tanh())
    assert net.children() == {"0": Linear(2), "1": ReLU(), "head": Linear(1), "last": Tanh()}
    assert list(net.children()) == ["0", "1", "head", "last"]
    assert list(Parallel(ReLU(), b=Tanh()).children()) == ["0", "b"]
    for wrapper in (Residual(ReLU()), Gate(ReLU()), Each(ReLU()), Shared("k", ReLU())):
        assert wrapper.children() == {"body": ReLU()}
    p, _ = init(net, Spec((3,)))
    assert [entry.name for entry in p.layout.entries] == ["0.W", "0.b", "head.W", "head.b"]


@pytest.mark.parametrize("compose", [Chain, Parallel])
def test_wrong_children_are_refused(compose):
    with pytest.raises(ConfigError, match="child '1' is a int, expected a map"):
        compose(ReLU(), 3)
    with pytest.raises(ConfigError, match="child 'a' is a type"):
        compose(a=ReLU)
    with pytest.raises(ConfigError, match=r"child 'a\.b': expected a name without dots"):
        compose(**{"a.b": ReLU()})
    with pytest.raises(ConfigError, match="child '0': another child has that name"):
        compose(ReLU(), **{"0": Tanh()})


def test_a_wrapper_needs_a_map():
    for wrapper in (Residual, Gate, Each):
        with pytest.raises(ConfigError, match="child 'body' is a int"):
            wrapper(3)
    with pytest.raises(ConfigError, match="child 'body' is a str"):
        Shared("k", "Linear")
    for key in ("", "a.b", 3):
        with pytest.raises(ConfigError, match="expected a name without dots"):
            Shared(key, Linear(2))


def test_arrows_compose():
    f, g, h = Linear(2), ReLU(), Linear(1)
    assert f >> g >> h == f >> (g >> h) == Chain(f, g, h)
    named = Chain(a=f)
    assert named >> g == Chain(named, g)
    assert g >> named == Chain(g, named)
    assert Chain() >> f == Chain(f)


def test_an_arrow_applies_the_left_side_first(rng):
    x = rng.standard_normal((3, 4))
    y, _ = (Softmax() >> Tanh()).forward({}, x, Context())
    first, _ = Softmax().forward({}, x, Context())
    np.testing.assert_array_equal(y, np.tanh(first))


COMPOSITIONS = [
    Chain(Linear(3), out=ReLU()),
    Parallel(Linear(3), b=ReLU(), combine="add"),
    Residual(Linear(3)),
    Gate(Linear(3)),
    Each(Linear(3)),
    Shared("k", Linear(3)),
]


@pytest.mark.parametrize("net", COMPOSITIONS, ids=lambda net: type(net).__name__)
def test_with_children(net: Map):
    children = net.children()
    assert net.with_children(children) == net
    other = net.with_children(dict.fromkeys(children, Tanh()))
    assert type(other) is type(net)
    assert other.children() == dict.fromkeys(children, Tanh())
    assert net.children() == children
    with pytest.raises(KeyError):
        net.with_children({})


def test_maps_without_children_stay_as_they_are():
    assert ReLU().children() == {}
    assert ReLU().with_children({}) == ReLU()


MISFITS = {
    "in a chain": (Chain(Linear(3), Reshape((2,))), "1 (Reshape): "),
    "in a named child": (Chain(Linear(3), cut=Reshape((2,))), "cut (Reshape): "),
    "deep inside": (
        Chain(ReLU(), body=Residual(Chain(Linear(4), Reshape((3,))))),
        "body.body.1 (Reshape): Reshape: (4,) has 4 numbers",
    ),
    "side by side": (Parallel(ReLU(), b=Chain(x=Reshape((3,)))), "b.x (Reshape): "),
    "shared": (Chain(Shared("k", Chain(Reshape((3,))))), "0.body.0 (Reshape): "),
    "a residual of another shape": (Chain(Residual(Linear(3))), "0 (Residual): Residual needs"),
}


@pytest.mark.parametrize(("net", "message"), MISFITS.values(), ids=MISFITS.keys())
def test_errors_say_where(net, message):
    for ask in (net.spec, lambda x: init(net, x)):
        with pytest.raises(ShapeError, match="^" + re.escape(message)):
            ask(Spec((5,)))


def test_parallel_refuses_what_cannot_be_joined():
    with pytest.raises(ShapeError, match="at least one map"):
        Parallel().spec(Spec((3,)))
    with pytest.raises(ShapeError, match=r"cannot add outputs of shapes \(2,\), \(3,\)"):
        Parallel(Linear(2), Linear(3), combine="add").spec(Spec((3,)))
    with pytest.raises(ShapeError, match="cannot concat"):
        Parallel(Linear(2), Flatten()).spec(Spec((2, 2)))
    with pytest.raises(ShapeError, match="cannot concat"):
        Parallel(ReLU(), Tanh()).spec(Spec(()))
    with pytest.raises(ConfigError, match="combine='mul'"):
        Parallel(ReLU(), combine="mul")


def starts(net: Map) -> dict[str, object]:
    """How each weight starts, as its layout says."""
    found = {".".join(path): param.init for path, param in leaves(net.params(Spec((4,))))}
    return {path: start or DEFAULT for path, start in found.items() if path.endswith("W")}


def first(*maps: Map) -> object:
    return next(iter(starts(Chain(Linear(4), *maps)).values()))


def test_weights_start_as_what_follows_asks():
    he = HeNormal()
    assert first(ReLU()) == he
    assert first(Dropout(0.2), ReLU()) == he
    assert first(BatchNorm(), ReLU()) == he
    assert first(LayerNorm(), Dropout(), BatchNorm(), ReLU()) == he
    assert first(Flatten(), Reshape((2, 2)), ReLU()) == he
    assert first(Sigmoid(), ReLU()) == first(Tanh()) == first(Softmax()) == DEFAULT
    assert first(Linear(3), ReLU()) == DEFAULT
    assert first() == first(Dropout(), LayerNorm()) == DEFAULT


def test_a_weight_that_says_how_it_starts_is_asked_no_more():
    net = Chain(Linear(4, init=GlorotNormal()), ReLU())
    assert starts(net) == {"0.W": GlorotNormal()}
    assert net.params(Spec((4,)))["0"]["b"].init.value == 0


def test_the_last_weight_of_an_inner_chain_looks_outside():
    net = Chain(Chain(Linear(4), Tanh(), Linear(4)), Dropout(), ReLU())
    assert starts(net) == {"0.0.W": DEFAULT, "0.2.W": HeNormal()}
    assert starts(Chain(Residual(Chain(Linear(3), Tanh(), Linear(4))), ReLU())) == {
        "0.body.0.W": DEFAULT,
        "0.body.2.W": HeNormal(),
    }
    assert starts(Chain(Shared("k", Linear(4)), ReLU())) == {"0.body.W": HeNormal()}


def test_the_vector_is_drawn_so():
    p, _ = init(Chain(Linear(400), ReLU(), Linear(400)), Spec((300,)), dtype="float64")
    assert abs(p["0"]["W"].var() * 300 / 2 - 1) < 0.03
    assert abs(p["2"]["W"].var() * 400 - 1) < 0.03


def test_a_chain_is_its_maps_in_order(rng):
    x, gy = rng.standard_normal((3, 4)), rng.standard_normal((3, 2))
    net = Chain(Linear(5), Tanh(), Linear(2))
    p, _ = init(net, x, dtype="float64")
    y, res = net.forward(p, x, Context())
    h = np.tanh(x @ p["0"]["W"] + p["0"]["b"])
    assert relative_error(y, h @ p["2"]["W"] + p["2"]["b"]) < 1e-15
    gx, delta = net.pullback(p, res, gy)
    inner = (gy @ p["2"]["W"].T) * (1 - h * h)
    assert relative_error(gx, inner @ p["0"]["W"].T) < 1e-14
    assert relative_error(net.grads(p, res, delta)["0"]["W"].sum(), x.T @ inner) < 1e-14


def test_multiply_adds_are_those_of_the_children():
    net = Chain(Linear(5), Residual(Linear(5)), Parallel(Linear(2), Linear(3), ReLU()))
    assert net.multiply_adds(Spec((4,))) == 4 * 5 + 5 * 5 + 5 * 2 + 5 * 3
    assert Linear(5).multiply_adds(Spec((7, 4))) == 7 * 4 * 5


def test_an_empty_chain_is_the_identity(rng):
    x = rng.standard_normal((3, 4))
    y, res = Chain().forward({}, x, Context())
    np.testing.assert_array_equal(y, x)
    assert Chain().pullback({}, res, x)[0] is x
    assert Chain().spec(Spec((4,))) == Spec((4,))
