"""Model files: what is saved comes back, and nothing else gets in."""

from __future__ import annotations

import copy
import json
import pickle
import threading
from dataclasses import replace

import numpy as np
import pytest
from runs import digits, fit_tiny
from safetensors.numpy import load as unpack
from safetensors.numpy import save as pack

import pullback as pb
from pullback.core.errors import ConfigError, ModelFileError
from pullback.data.text import Words


@pytest.fixture(scope="module")
def run():
    return fit_tiny(epochs=1)


@pytest.fixture
def saved(run, tmp_path):
    path = tmp_path / "model.safetensors"
    run.model.save(path)
    return path


def header_of(path):
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["pullback"])


def rewrite(path, change=None, tensors=None):
    header = header_of(path)
    if change is not None:
        change(header)
    content = unpack(path.read_bytes())
    if tensors is not None:
        tensors(content)
    path.write_bytes(pack(content, {"pullback": json.dumps(header)}))


def test_everything_comes_back(run, saved):
    loaded = pb.load_model(saved)
    x = digits().test.x
    assert loaded.net == run.model.net
    assert loaded.classes == run.model.classes
    assert loaded.normalizer == run.model.normalizer
    assert loaded.image == run.model.image
    np.testing.assert_array_equal(loaded.theta.flat, run.model.theta.flat)
    np.testing.assert_array_equal(loaded.outputs(x), run.model.outputs(x))


def test_how_texts_and_sounds_become_examples_comes_back(run, saved):
    words = Words.of(["low lower", "low"], most=10)
    replace(run.model, tokenizer=words, rate=8000).save(saved)
    loaded = pb.load_model(saved)
    assert loaded.tokenizer == words
    assert loaded.rate == 8000
    for name in ("tokenizer", "rate"):  # as files of earlier versions are
        rewrite(saved, lambda header, name=name: header.pop(name))
    loaded = pb.load_model(saved)
    assert (loaded.tokenizer, loaded.rate) == (None, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [("tokenizer", {"type": "ReLU"}), ("tokenizer", 3), ("rate", 0), ("rate", "8000")],
)
def test_another_tokenizer_or_rate_is_refused(saved, name, value):
    rewrite(saved, lambda header: header.update({name: value}))
    with pytest.raises(ModelFileError, match="tampered"):
        pb.load_model(saved)


def test_a_runs_folder_is_as_good_as_its_file(tmp_path):
    run = fit_tiny(tmp_path / "run", epochs=1)
    np.testing.assert_array_equal(pb.load_model(tmp_path / "run").theta.flat, run.model.theta.flat)


def test_tied_parameters_are_stored_once(tmp_path):
    tied = pb.Shared("square", pb.Linear(64))
    net = pb.Chain(pb.Flatten(), tied, pb.Tanh(), tied, head=pb.Linear(10))
    model = fit_tiny(net=net, epochs=1, augment=None).model
    model.save(tmp_path / "tied.safetensors")
    loaded = pb.load_model(tmp_path / "tied.safetensors")
    assert loaded.theta["1"]["body"]["W"] is not loaded.theta["3"]["body"]["W"]
    assert np.shares_memory(loaded.theta["1"]["body"]["W"], loaded.theta["3"]["body"]["W"])
    np.testing.assert_array_equal(loaded.theta.flat, model.theta.flat)


def test_a_lifted_map_cannot_be_saved(tmp_path):
    square = pb.lift(lambda x: (x * x, x), lambda x, g: 2 * x * g, name="Square")
    net = pb.Chain(pb.Flatten(), square, pb.Linear(10))
    model = fit_tiny(net=net, epochs=1, augment=None).model
    with pytest.raises(ConfigError, match="only registered classes"):
        model.save(tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


def wider(tensors):
    tensors["params.head.W"] = np.zeros((25, 10), np.float32)


BROKEN = {
    "another architecture": (None, wider, "another architecture: head.W"),
    "a tensor missing": (None, lambda t: t.pop("params.1.W"), "params.1.W|1.W"),
    "a tensor too many": (None, lambda t: t.update({"params.9.W": np.ones(3)}), "9.W"),
    "state missing": (None, lambda t: t.pop("state.2.mean"), "2.mean"),
    "an unknown map": (
        lambda h: h["net"]["maps"][1].update(type="Lineer"), None, "Did you mean 'Linear'",
    ),
    "a class that is no map": (
        lambda h: h["net"]["maps"][1].update({"type": "Path", "units": 1}), None, "unknown type",
    ),
    "an unknown field": (
        lambda h: h["net"]["maps"][1].update(unit=3), None, "Did you mean 'units'",
    ),
    "a value out of range": (
        lambda h: h["net"]["maps"][1].update(units=-1), None, "units=-1",
    ),
    "no network": (lambda h: h.pop("net"), None, "not a Pullback model"),
    "a network that is a loss": (
        lambda h: h.update(net={"type": "Huber"}), None, "'net' describes a Huber",
    ),
    "another format": (lambda h: h.update(format="x-2"), None, "another version"),
    "classes that are no list": (lambda h: h.update(classes=3), None, "not a Pullback model"),
    "no input": (lambda h: h.update(input={}), None, "not a Pullback model"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "tensors", "said"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_does_not_fit_is_one_line(saved, change, tensors, said):
    rewrite(saved, change, tensors)
    with pytest.raises(ModelFileError, match=said) as caught:
        pb.load_model(saved)
    assert str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('code from a file was run')",)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00" * 7, b"\xff" * 64, pickle.dumps(Bomb()), b"\x02\x00\x00\x00\x00\x00\x00\x00{}"],
    ids=["empty", "short", "noise", "pickle", "no tensors"],
)
def test_what_is_no_model_is_refused_and_never_run(tmp_path, content):
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelFileError):
        pb.load_model(path)


def test_every_cut_of_a_file_is_refused(saved):
    whole = saved.read_bytes()
    for length in range(0, len(whole), len(whole) // 23):
        saved.write_bytes(whole[:length])
        with pytest.raises(ModelFileError):
            pb.load_model(saved)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelFileError, match="there is no such file"):
        pb.load_model(tmp_path / "none.safetensors")


def test_a_model_that_has_predicted_can_be_copied_and_pickled():
    run, data = fit_tiny(), digits().train.x[:20]
    right = run.model.predict_proba(data)
    for other in (copy.deepcopy(run.model), pickle.loads(pickle.dumps(run.model))):
        np.testing.assert_array_equal(other.predict_proba(data), right)
        other.theta.flat[:] = 0
        assert np.abs(other.predict_proba(data) - right).max() > 0.1
        np.testing.assert_array_equal(run.model.predict_proba(data), right)


def test_many_threads_may_ask_one_model():
    model, x = fit_tiny().model, digits().train.x
    right, wrong = [model.outputs(x[i : i + 3]) for i in range(8)], []

    def ask(i):
        for _ in range(300):
            if not np.array_equal(model.outputs(x[i : i + 3]), right[i]):
                wrong.append(i)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int64"])
@pytest.mark.parametrize("normalize", ["none", "scale", "standard"])
@pytest.mark.parametrize("columns", [False, True])
def test_outputs_are_those_of_the_reference_form_for_any_input(dtype, normalize, columns):
    data = digits().train
    raw = data.x.reshape(len(data), -1) if columns else data.x
    settings = {"loss": pb.losses.CrossEntropy(), "optimizer": pb.optim.SGD(0.1), "epochs": 1}
    net = pb.Chain(pb.Flatten(), pb.Linear(12), pb.ReLU(), pb.Linear(10))
    model = pb.fit(net, pb.data.from_arrays(raw, data.y), normalize=normalize, **settings).model
    for count in (3, 3, 3, 1, 1100, 1, 0, 40):  # again, one, several pieces, none
        x = raw[:count].astype(dtype)
        for given in (x, np.asfortranarray(x)):
            entered = model.normalizer.apply(given, "float32")
            right, _ = net.forward(model.theta, entered, pb.Context())
            found = model.outputs(given)
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-5)
