"""Files that are damaged or made to harm are refused by name."""

import numpy as np
import pytest

from pullback import exchange
from pullback.core.errors import ModelFileError
from pullback.core.map import init
from pullback.core.spec import Spec
from pullback.maps import Chain, Linear, ReLU

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'pullback[onnx]'")


@pytest.fixture
def good(tmp_path):
    net = Chain(Linear(4), ReLU(), Linear(2))
    p, _ = init(net, Spec((3,)))
    path = tmp_path / "good.onnx"
    exchange.to_onnx(net, path, p, Spec((3,)))
    return path


def changed(good, change):
    model = onnx.load(str(good))
    change(model.graph, model)
    path = good.with_name("bad.onnx")
    path.write_bytes(model.SerializeToString())
    return path


def outside(graph, where):
    tensor = graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=where)


def huge(graph, _):
    graph.initializer[0].dims[0] = 2**40


def huge_input(graph, _):
    graph.input[0].type.tensor_type.shape.dim[1].dim_value = 2**50


def negative(graph, _):
    graph.initializer[0].dims[0] = -3


def swapped(graph, _):
    nodes = [graph.node[i] for i in (2, 1, 0, *range(3, len(graph.node)))]
    del graph.node[:]
    graph.node.extend(nodes)


def twice(graph, _):
    graph.node.append(graph.node[0])


def foreign(graph, _):
    graph.node[0].domain = "com.example"


def functions(graph, model):
    model.functions.add(name="f", domain="com.example")


def two_inputs(graph, _):
    graph.input.add(name="other")


def no_outputs(graph, _):
    del graph.output[:]


def notes(graph, model):
    model.metadata_props.add(key="pullback", value='{"loss": {"type": "os.system"}}')


def text(graph, _):
    graph.initializer[0].data_type = onnx.TensorProto.STRING


def open_size(graph, _):
    graph.input[0].type.tensor_type.shape.dim[1].dim_param = "M"


CHANGES = {
    "a huge size": (huge, "bytes of data"),
    "a huge input": (huge_input, "features"),
    "a negative size": (negative, "cannot be read"),
    "nodes out of order": (swapped, "before it is made"),
    "a value made twice": (twice, "made twice"),
    "a domain of its own": (foreign, "com.example"),
    "functions of its own": (functions, "functions"),
    "two inputs": (two_inputs, "2 inputs"),
    "no outputs": (no_outputs, "0 outputs"),
    "a description of what is no loss": (notes, "cannot be used"),
    "text for weights": (text, "cannot be read"),
    "an open size": (open_size, "known sizes"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_changed_files_are_refused(what, good):
    change, said = CHANGES[what]
    path = changed(good, change)
    with pytest.raises(ModelFileError, match=said) as caught:
        exchange.from_onnx(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("where", ["../secret", "/etc/hostname", "", "missing", "a/../../secret"])
def test_data_outside_the_folder_are_not_read(where, tmp_path, good):
    secret = tmp_path.parent / "secret"
    secret.write_bytes(bytes(48))
    with pytest.raises(ModelFileError, match="folder of the model"):
        exchange.from_onnx(changed(good, lambda graph, _: outside(graph, where)))


def test_nor_through_a_link(tmp_path, good):
    secret = tmp_path.parent / "secret"
    secret.write_bytes(bytes(48))
    (tmp_path / "link").symlink_to(secret)
    with pytest.raises(ModelFileError, match="folder of the model"):
        exchange.from_onnx(changed(good, lambda graph, _: outside(graph, "link")))


def test_data_in_the_folder_are_read(tmp_path, good, rng):
    model = onnx.load(str(good))
    path = tmp_path / "beside.onnx"
    onnx.save(model, str(path), save_as_external_data=True, location="data", size_threshold=0)
    x = rng.standard_normal((4, 3)).astype("float32")
    wanted = exchange.from_onnx(good).outputs(x)
    np.testing.assert_array_equal(exchange.from_onnx(path).outputs(x), wanted)


@pytest.mark.parametrize("content", [b"", b"no protobuf at all", b"\x00" * 100, b"PK\x03\x04"])
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=str(path)):
        exchange.from_onnx(path)


def test_no_cut_of_a_file_is_taken_for_whole(good):
    whole, path = good.read_bytes(), good.with_name("cut.onnx")
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelFileError):
            exchange.from_onnx(path)


def test_no_flipped_byte_does_more_than_be_refused(good, rng):
    whole, path = good.read_bytes(), good.with_name("flipped.onnx")
    refused = 0
    for _ in range(300):
        content = bytearray(whole)
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
        path.write_bytes(content)
        try:
            exchange.from_onnx(path)
        except ModelFileError:
            refused += 1
    assert refused > 0


def test_branches_within_branches_are_refused(tmp_path):
    helper = onnx.helper
    nodes, value = [], "x"
    for i in range(2000):
        nodes += [helper.make_node("Relu", [value], [f"a{i}"])]
        value = f"a{i}"
    for i in range(1999, -1, -1):
        nodes += [helper.make_node("Add", [value, f"a{i}"], [f"b{i}"])]
        value = f"b{i}"
    info = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "deep", [info("x", 1, ["N", 3])], [info(value, 1, ["N", 3])])
    path = tmp_path / "deep.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    with pytest.raises(ModelFileError, match=r"deep|meet"):
        exchange.from_onnx(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelFileError, match="no such file"):
        exchange.from_onnx(tmp_path / "none.onnx")
