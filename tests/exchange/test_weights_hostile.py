"""Files of weights that are damaged or made to harm: refused by name, and nothing is executed."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from weights_cases import Case, model_of

import pullback as pb
from pullback.core.errors import ConfigError, ModelFileError, PullbackError

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install 'pullback[keras]'")
CASE = Case(pb.Chain(pb.Linear(5), pb.BatchNorm(), pb.Linear(3)), (6,))


@pytest.fixture
def model():
    return model_of(CASE)


@pytest.fixture
def good(model, tmp_path):
    pb.exchange.to_torch(model, tmp_path / "good.pt")
    return tmp_path / "good.pt"


@pytest.fixture
def weights(good):
    return torch.load(good, weights_only=True)


@pytest.fixture
def h5(model, tmp_path):
    path = tmp_path / "good.weights.h5"
    pb.exchange.to_keras(model, path)
    return path


class Harm:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def rewritten(good, members):
    """The archive with some members replaced (None: without them)."""
    path = good.with_name("bad.pt")
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = members.get(name.partition("/")[2], old.read(name))
            if content is not None:
                new.writestr(name, content)
    return path


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("where", ["alone", "inside", "metadata"])
def test_what_would_be_executed_is_refused_and_not_executed(
    protocol, where, weights, good, model, tmp_path
):
    mark = tmp_path / "executed"
    harm = Harm(mark)
    state = OrderedDict(a=harm)
    if where == "metadata":
        state = OrderedDict()
        state._metadata = harm
    content = pickle.dumps(harm if where == "alone" else state, protocol)
    path = rewritten(good, {"data.pkl": content})
    with pytest.raises(ModelFileError, match=r"bad.pt: "):
        pb.exchange.from_torch(path, model)
    assert not mark.exists()
    pickle.loads(content)
    assert mark.exists()  # it would have been


def test_a_pickled_module_is_refused(model, tmp_path):
    torch.save(torch.nn.Linear(2, 3), tmp_path / "m.pt")
    text = r"m.pt: names 'torch.nn.modules.linear.Linear', .* nothing was executed.*state_dict\(\)"
    with pytest.raises(ModelFileError, match=text):
        pb.exchange.from_torch(tmp_path / "m.pt", model)


def test_every_truncation_is_refused(good, h5, model, tmp_path):
    for path, read in ((good, pb.exchange.from_torch), (h5, pb.exchange.from_keras)):
        content, cut = path.read_bytes(), tmp_path / f"cut{path.suffix}"
        for length in range(0, len(content) - 1, 97):
            cut.write_bytes(content[:length])
            with pytest.raises(ModelFileError, match="cut"):
                read(cut, model)


@pytest.mark.parametrize("kind", ["pt", "h5"])
def test_changed_bytes_are_read_or_refused(kind, good, h5, model, tmp_path):
    path, read = (good, pb.exchange.from_torch) if kind == "pt" else (h5, pb.exchange.from_keras)
    content, rng = path.read_bytes(), np.random.default_rng(0)
    bad = tmp_path / f"bad{path.suffix}"
    refused = 0
    for _ in range(400):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            changed[place] = rng.integers(0, 256)
        bad.write_bytes(changed)
        try:
            read(bad, model)
        except PullbackError:
            refused += 1
    assert refused > 20


def other(change, weights, path):
    change(weights)
    torch.save(weights, path)
    return path


MISFITS = {
    "shape": (lambda w: w.update({"0.weight": torch.zeros(4, 6)}),
              r"0.weight is \(4, 6\), and 0 \(Linear\) weight needs \(5, 6\)"),
    "turned": (lambda w: w.update({"0.weight": w["0.weight"].T}),
               r"0.weight is \(6, 5\), and 0 \(Linear\) weight needs \(5, 6\)"),
    "missing": (lambda w: w.popitem(), r"2.bias \(3,\) of 2 \(Linear\) is missing"),
    "extra": (lambda w: w.update({"3.weight": torch.zeros(2, 3)}),
              r"no place for 3.weight \(2, 3\)"),
    "integers": (lambda w: w.update({"0.bias": torch.zeros(5, dtype=torch.int64)}),
                 "0.bias holds int64; expected floating-point"),
    "empty": (lambda w: w.clear(), "no state_dict is in it"),
    "nested": (lambda w: w.update({"0.bias": {"a": 1}}), "no state_dict is in it"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISFITS)
def test_tensors_of_another_architecture(name, weights, model, tmp_path):
    change, text = MISFITS[name]
    with pytest.raises(ModelFileError, match=text):
        pb.exchange.from_torch(other(change, weights, tmp_path / "bad.pt"), model)


def test_safetensors_are_matched_by_name(model, tmp_path):
    from safetensors.numpy import load_file, save_file

    path = tmp_path / "w.safetensors"
    pb.exchange.to_torch(model, path)
    tensors = load_file(path)
    tensors["fc.bias"] = tensors.pop("0.bias")
    save_file(tensors, path)
    with pytest.raises(ModelFileError, match=r"0.bias \(5,\) of 0 \(Linear\) is missing"):
        pb.exchange.from_torch(path, model)
    tensors["0.bias"] = tensors["fc.bias"]
    save_file(tensors, path)
    with pytest.raises(ModelFileError, match=r"no place for fc.bias \(5,\)"):
        pb.exchange.from_torch(path, model)


ARCHIVES = {
    "no program": {"data.pkl": None},
    "no numbers": {"data/0": None},
    "fewer numbers": {"data/0": bytes(8)},
    "more numbers": {"data/0": bytes(8000)},
    "no end": {"data.pkl": b"\x80\x02}"},
    "nothing on the stack": {"data.pkl": b"\x80\x02."},
    "no mark": {"data.pkl": b"\x80\x02}(u."},
    "nothing noted": {"data.pkl": b"\x80\x02h\x05."},
    "an object": {"data.pkl": pickle.dumps(Case)},
    "a tuple as a dictionary": {"data.pkl": pickle.dumps((1, 2))},
    "a list of numbers": {"data.pkl": pickle.dumps({"a": [1.0]})},
    "an instance": {"data.pkl": b"\x80\x02(ios\nsystem\n."},
    "an extension": {"data.pkl": b"\x80\x02\x82\x01."},
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_that_are_not_whole(name, good, model):
    with pytest.raises(ModelFileError, match=r"bad\.pt: "):
        pb.exchange.from_torch(rewritten(good, ARCHIVES[name]), model)


def described(good, storage, shape, strides, start=0):
    """An archive whose one tensor is described so."""

    class Rebuilt:
        def __reduce__(self):
            given = (Stored(), start, shape, strides, False, OrderedDict())
            return torch._utils._rebuild_tensor_v2, given

    class Stored:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return storage if isinstance(value, Stored) else None

    content = io.BytesIO()
    Pickler(content, 2).dump({"0.weight": Rebuilt()})
    return rewritten(good, {"data.pkl": content.getvalue()})


DESCRIPTIONS = {
    "huge": (("storage", torch.FloatStorage, "0", "cpu", 2**60), (2**60,), (1,)),
    "many axes": (("storage", torch.FloatStorage, "0", "cpu", 30), (1,) * 99, (1,) * 99),
    "beyond": (("storage", torch.FloatStorage, "0", "cpu", 30), (5, 6), (7, 1)),
    "before": (("storage", torch.FloatStorage, "0", "cpu", 30), (5, 6), (-6, 1)),
    "axes": (("storage", torch.FloatStorage, "0", "cpu", 30), (5, 6), (6,)),
    "another": (("storage", torch.FloatStorage, "../../etc/passwd", "cpu", 30), (5, 6), (6, 1)),
    "no numbers": (("storage", torch.FloatStorage, "0", "cpu", "30"), (5, 6), (6, 1)),
    "no storage": (("module", torch.FloatStorage, "0", "cpu", 30), (5, 6), (6, 1)),
    "a number": (3, (5, 6), (6, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_tensors_that_are_not_in_their_storage(name, good, tmp_path):
    model = model_of(Case(pb.Linear(5, bias=False), (6,)))
    with pytest.raises(ModelFileError, match=r"bad\.pt: "):
        pb.exchange.from_torch(described(good, *DESCRIPTIONS[name]), model)
    right = described(good, ("storage", torch.FloatStorage, "0", "cpu", 30), (5, 6), (6, 1))
    pb.exchange.from_torch(right, model)


def test_compressed_and_old_files_are_refused(good, weights, model, tmp_path):
    path = tmp_path / "bad.pt"
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(ModelFileError, match=r"data\.pkl is compressed"):
        pb.exchange.from_torch(path, model)
    torch.save(weights, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ModelFileError, match=r"since version 1.6"):
        pb.exchange.from_torch(path, model)


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors", "w.weights.h5", "w.keras"])
def test_files_that_are_not_there(name, model, tmp_path):
    read = pb.exchange.from_torch if "t" in Path(name).suffix else pb.exchange.from_keras
    with pytest.raises(ModelFileError, match=f"{name}: there is no such file"):
        read(tmp_path / name, model)
    with pytest.raises(ConfigError, match="expected a name that ends in"):
        read(tmp_path / "w.bin", model)


KERNEL = "layers/dense/vars/0"


def replaced(make):
    def change(file):
        value = file[KERNEL][()]
        del file[KERNEL]
        make(file, value)

    return change


def outside(file, value):
    with h5py.File(f"{file.filename}.other", "w") as there:
        there["a"] = value
    file[KERNEL] = h5py.ExternalLink(f"{file.filename}.other", "a")


def elsewhere(file, value):
    raw = Path(f"{file.filename}.raw")
    raw.write_bytes(value.tobytes())
    file.create_dataset(KERNEL, value.shape, value.dtype, external=os.fspath(raw))


def virtual(file, value):
    outside(file, value)
    del file[KERNEL]
    layout = h5py.VirtualLayout(value.shape, value.dtype)
    layout[:] = h5py.VirtualSource(f"{file.filename}.other", "a", value.shape)
    file.create_virtual_dataset(KERNEL, layout)


def pieces(file, value):
    file.create_dataset(KERNEL, (2**20, 2**20), "f4", chunks=(1024, 1024), compression="gzip")


def linked(file, value):
    file["elsewhere"] = value
    file[KERNEL] = h5py.SoftLink("/elsewhere")


def circle(file):
    file["layers/dense/again"] = file["layers"]
    file["layers/dense/vars/9"] = 1.0


HDF5 = {
    "external link": (replaced(outside), r"dense/vars/0 \(6, 5\) of 0 \(Linear\) is missing"),
    "external file": (replaced(elsewhere), "dense/vars/0 is kept in pieces or in another file"),
    "virtual": (replaced(virtual), "dense/vars/0 is kept in pieces or in another file"),
    "pieces": (replaced(pieces), "dense/vars/0 is kept in pieces or in another file"),
    "soft link": (replaced(linked), r"layers/dense/vars/0 \(6, 5\) of 0 \(Linear\) is missing"),
    "shape": (replaced(lambda f, a: f.create_dataset(KERNEL, data=a.T)),
              r"layers/dense/vars/0 is \(5, 6\), and 0 \(Linear\) vars/0 needs \(6, 5\)"),
    "integers": (replaced(lambda f, a: f.create_dataset(KERNEL, data=a.astype(int))),
                 "layers/dense/vars/0 holds int64; expected floating-point"),
    "texts": (replaced(lambda f, a: f.create_dataset(KERNEL, (6, 5), h5py.string_dtype())),
              "layers/dense/vars/0 holds object"),
    "extra": (lambda f: f.create_dataset("layers/dense_2/vars/0", data=np.ones(2)),
              r"no place for layers/dense_2/vars/0 \(2,\)"),
    "a circle": (circle, r"no place for layers/dense/vars/9 \(\)"),
    "no layers": (lambda f: f.pop("layers"), "no layers are in it"),
    "layers elsewhere": (None, "no layers are in it"),
    "one tensor": (lambda f: (f.pop("layers"), f.create_dataset("layers", data=1.0)),
                   "no layers are in it"),
}  # fmt: skip


@pytest.mark.parametrize("name", HDF5)
def test_hdf5_files(name, h5, model):
    change, text = HDF5[name]
    with h5py.File(h5, "a") as file:
        if name == "layers elsewhere":
            file.move("layers", "other")
            file["layers"] = h5py.SoftLink("/other")
        else:
            change(file)
    with pytest.raises(ModelFileError, match=text):
        pb.exchange.from_keras(h5, model)


@pytest.mark.parametrize(
    "members",
    [
        {}, {"config.json": b"{}"}, {"config.json": b"[" * 100_000}, {"config.json": b"\xff"},
        {"config.json": b'{"config": {"layers": [{"class_name": "BatchNormalization"}]}}'},
        {"model.weights.h5": b"no"},
    ],
)  # fmt: skip
def test_keras_archives(members, h5, model, tmp_path):
    path = tmp_path / "m.keras"
    whole = {"config.json": b'{"config": {"layers": []}}', "model.weights.h5": h5.read_bytes()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in whole.items():
            archive.writestr(name, content)
    pb.exchange.from_keras(path, model)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (whole | members if members else {}).items():
            archive.writestr(name, content)
    with pytest.raises(ModelFileError, match=r"m\.keras: damaged"):
        pb.exchange.from_keras(path, model)
