"""Descriptions to plain data and back, and what is refused on the way."""

import json

import numpy as np
import pytest
from contract_cases import all_cases
from loss_cases import LOSS_CASES
from start_cases import STARTS

from pullback.core.config import from_config, to_config
from pullback.core.errors import ConfigError
from pullback.core.initializers import INITIALIZERS, Constant, HeNormal, Orthogonal
from pullback.core.lift import lift
from pullback.core.map import MAPS
from pullback.losses import LOSSES, CrossEntropy
from pullback.maps import Chain, Linear, Parallel, ReLU, Reshape, Residual, Shared

DESCRIPTIONS = {
    **{name: case.net for name, case in all_cases().items()},
    **{f"{name}-{i}": case.loss for name, cs in LOSS_CASES.items() for i, case in enumerate(cs)},
    **{f"{name}-{i}": start for name, ss in STARTS.items() for i, (start, _) in enumerate(ss)},
    "with initialisers": Chain(Linear(3, init=Orthogonal(2.0)), out=Linear(2, init=HeNormal())),
}


def test_every_registered_class_is_there():
    kinds = {name.partition("-")[0] for name in DESCRIPTIONS}
    assert {*MAPS, *LOSSES, *INITIALIZERS} <= kinds


@pytest.mark.parametrize("value", DESCRIPTIONS.values(), ids=DESCRIPTIONS.keys())
def test_there_and_back(value):
    data = to_config(value)
    again = from_config(json.loads(json.dumps(data)))
    assert again == value
    assert type(again) is type(value)
    assert to_config(again) == data


def test_every_field_is_written_so_that_defaults_may_change():
    assert to_config(Linear(3)) == {"type": "Linear", "units": 3, "bias": True, "init": None}
    assert to_config(ReLU()) == {"type": "ReLU"}
    assert to_config(Linear(3, bias=False, init=Constant())) == {
        "type": "Linear",
        "units": 3,
        "bias": False,
        "init": {"type": "Constant", "value": 0.0},
    }


def test_compositions_keep_names_and_order():
    data = to_config(Chain(Linear(2), out=Parallel(a=ReLU(), combine="add")))
    assert data == {
        "type": "Chain",
        "names": ["0", "out"],
        "maps": [
            {"type": "Linear", "units": 2, "bias": True, "init": None},
            {"type": "Parallel", "names": ["a"], "maps": [{"type": "ReLU"}], "combine": "add"},
        ],
    }


LINEAR = {"type": "Linear", "units": 2}
REFUSED = {
    "unknown type": ({"type": "Liner", "units": 2}, r"unknown type 'Liner'. Did you mean 'Linear'"),
    "a type of the language": ({"type": "object"}, "unknown type 'object'"),
    "unknown field": ({**LINEAR, "unit": 2}, r"Linear has no field 'unit'. Did you mean 'units'\?"),
    "a method": ({**LINEAR, "forward": 2}, "Linear has no field 'forward'"),
    "missing field": ({"type": "Linear"}, "Linear cannot be built from"),
    "wrong value": ({"type": "Linear", "units": -1}, "units=-1"),
    "wrong kind of value": ({"type": "Linear", "units": "2"}, "units='2'"),
    "a value that cannot be compared": ({"type": "Dropout", "rate": "x"}, "Dropout cannot be"),
    "no type": ({"units": 2}, r"needs a 'type', found the keys \['units'\]"),
    "nothing": ({}, "needs a 'type'"),
    "a type that is no name": ({"type": 3}, "needs a 'type'"),
    "keys that are no names": ({1: 2}, "needs a 'type'"),
    "names without maps": ({"type": "Chain", "names": ["a"], "maps": []}, "Chain cannot be built"),
    "a name twice": (
        {"type": "Chain", "names": ["a", "a"], "maps": [LINEAR, LINEAR]},
        "child 'a': another child has that name",
    ),
    "a name with a dot": ({"type": "Chain", "names": ["a.b"], "maps": [LINEAR]}, "without dots"),
    "an empty name": ({"type": "Parallel", "names": [""], "maps": [LINEAR]}, "without dots"),
    "a name that is none": ({"type": "Chain", "names": [3], "maps": [LINEAR]}, "without dots"),
    "a child that is no map": ({"type": "Chain", "names": ["a"], "maps": [3]}, "'a' is a int"),
    "a loss within a chain": (
        {"type": "Chain", "names": ["a"], "maps": [{"type": "Huber"}]},
        "'a' is a Huber, expected a map",
    ),
    "a body that is no map": ({"type": "Residual", "body": {"type": "HeNormal"}}, "a HeNormal"),
    "a shared body that is none": ({"type": "Shared", "key": "k", "body": None}, "a NoneType"),
    "a key that is no name": ({"type": "Shared", "key": 3, "body": LINEAR}, "key=3"),
    "junk deep inside": (
        {"type": "Residual", "body": {"type": "Residual", "body": {"kind": "x"}}},
        "needs a 'type'",
    ),
    "junk in a list": ([LINEAR, [{"type": "Nope"}]], "unknown type 'Nope'"),
    "an object": ({"type": "Linear", "units": object()}, "cannot hold a object"),
    "bytes": (b"Linear", "cannot hold a bytes"),
    "an array": ({"type": "Constant", "value": np.zeros(2)}, "cannot hold a ndarray"),
}


@pytest.mark.parametrize(("data", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_junk_is_refused(data, message):
    with pytest.raises(ConfigError, match=message):
        from_config(data)


def test_lifted_maps_cannot_be_written():
    net = Chain(Linear(2), lift(lambda x: (x, None), lambda res, gy: gy, name="Mine"))
    with pytest.raises(ConfigError, match="a Lifted cannot be written to a file"):
        to_config(net)


class Mine(ReLU):
    pass


class Linear2:
    __name__ = "Linear"


@pytest.mark.parametrize(
    "value", [Mine(), Residual(Mine()), Linear2(), object(), {"a": 1}, np.zeros(2), 1j, Linear]
)
def test_what_is_not_registered_cannot_be_written(value):
    with pytest.raises(ConfigError, match="cannot be written to a file"):
        to_config(value)


def test_a_class_of_the_same_name_is_another():
    impostor = type("ReLU", (ReLU,), {})
    with pytest.raises(ConfigError, match="only registered classes"):
        to_config(impostor())


def test_lists_become_tuples():
    assert from_config({"type": "Reshape", "shape": [2, 3]}) == Reshape((2, 3))
    weighed = from_config({"type": "CrossEntropy", "class_weights": [1, 2.5]})
    assert weighed == CrossEntropy(class_weights=(1.0, 2.5))
    assert hash(weighed) == hash(CrossEntropy(class_weights=(1.0, 2.5)))
    assert from_config({"type": "Shared", "key": "k", "body": LINEAR}) == Shared("k", Linear(2))
