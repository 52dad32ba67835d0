"""Registries and errors: names, suggestions, exit codes."""

import pytest

from pullback.core import errors
from pullback.core import registry as registry_module
from pullback.core.errors import ConfigError, PullbackError, suggestion
from pullback.core.map import MAPS
from pullback.core.registry import Registry, is_registered, registered_type
from pullback.maps import LayerNorm, ReLU

EXIT_CODES = {
    "PullbackError": 2,
    "ConfigError": 2,
    "ShapeError": 2,
    "DataError": 3,
    "ModelFileError": 3,
    "StorageError": 3,
    "NonFiniteError": 4,
}


def test_every_error_has_its_exit_code():
    classes = {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, PullbackError)
    }
    assert {name: cls.exit_code for name, cls in classes.items()} == EXIT_CODES


@pytest.mark.parametrize(
    "name", ["LayerNorm", "layernorm", "layer_norm", "layer-norm", "LAYERNORM"]
)
def test_case_and_underscores_do_not_matter(name):
    assert MAPS.get(name) is LayerNorm


def test_unknown_names_get_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown map 'LayerNrom'\. Did you mean 'LayerNorm'\?"):
        MAPS.get("LayerNrom")


def test_names_far_from_all_get_the_list():
    with pytest.raises(ConfigError, match=r"unknown map 'zzz'\. Known: .*BatchNorm, .*ReLU"):
        MAPS.get("zzz")
    assert suggestion("zzz", ["b", "a"]) == " Known: a, b."
    with pytest.raises(ConfigError, match=r"unknown type 'Relu'. Did you mean 'ReLU'"):
        registered_type("Relu")


def test_a_registry_lists_what_is_registered(monkeypatch):
    monkeypatch.setattr(registry_module, "_TYPES", {})
    registry: Registry[object] = Registry("thing")
    first = type("FirstThing", (), {})
    second = type("SecondThing", (), {})
    assert len(registry) == 0
    assert registry.register(first) is first
    registry.register(second)
    assert list(registry) == ["FirstThing", "SecondThing"]
    assert registry.items() == [("FirstThing", first), ("SecondThing", second)]
    assert len(registry) == 2
    assert registered_type("SecondThing") is second
    with pytest.raises(ConfigError, match="registered twice"):
        Registry("other").register(first)


def test_one_name_serves_one_class_in_all_registries():
    with pytest.raises(ConfigError, match="'ReLU' is registered twice"):
        Registry("other").register(type("ReLU", (), {}))
    assert is_registered(ReLU)
    assert not is_registered(type("ReLU", (), {}))
    assert not is_registered(object)


def test_of_many_names_some_are_listed():
    many = [f"name {i:03}" for i in range(943)]
    assert suggestion("q", many).endswith("name 098, name 099 and 843 more.")
    assert suggestion("q", many[:100]).endswith("name 099.")
    assert suggestion("NAME 0077", many) == " Did you mean 'name 077'?"
