"""Graphs by the conventions of other tools: built by hand, and written by PyTorch."""

import warnings

import numpy as np
import pytest
from onnx_runs import by_runtime

from pullback import exchange
from pullback.core.errors import ModelFileError
from pullback.losses import CrossEntropy, HalfSquaredError
from pullback.maps import LSTM, Gate, Parallel, Residual, SiLU

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'pullback[onnx]'")
helper = pytest.importorskip("onnx.helper")


def written(path, nodes, arrays, shape, out, kind=1):
    graph = helper.make_graph(
        nodes, "by hand",
        [helper.make_tensor_value_info("x", kind, ["N", *shape])],
        [helper.make_tensor_value_info("y", 1, ["N", *out])],
        [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )  # fmt: skip
    imports = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())
    return path


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs.split(), output.split(), **attributes)


def drawn(rng, *shape):
    return rng.standard_normal(shape).astype("float32")


def last(x):
    """Of an input with channels first, that with channels last."""
    return np.moveaxis(x, 1, -1) if x.ndim > 2 else x


def agrees(path, x, given=None):
    model = exchange.from_onnx(path)
    found = model.predict_proba(x if given is None else given)
    np.testing.assert_allclose(found, by_runtime(path, {"x": x}), rtol=0, atol=1e-5)
    return model


def test_gemm_with_a_turned_matrix_and_factors(tmp_path, rng):
    arrays = {"W": drawn(rng, 4, 3), "b": drawn(rng, 4)}
    nodes = [
        node("Gemm", "x W b", "h", transB=1, alpha=0.5, beta=2.0), node("Softmax", "h", "y", axis=1)
    ]  # fmt: skip
    path = written(tmp_path / "m.onnx", nodes, arrays, (3,), (4,))
    model = agrees(path, drawn(rng, 5, 3))
    assert isinstance(model.loss, CrossEntropy)
    assert model.classes == ("0", "1", "2", "3")


def test_images_with_channels_first(tmp_path, rng):
    arrays = {"K": drawn(rng, 4, 2, 3, 2), "k": drawn(rng, 4), "W": drawn(rng, 3, 4 * 3 * 2)}
    nodes = [
        node("Conv", "x K k", "c", pads=[1, 0, 1, 1], strides=[1, 1]),
        node("Relu", "c", "r"),
        node("MaxPool", "r", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", "p", "f"),
        node("Gemm", "f W", "y", transB=1),
    ]
    path = written(tmp_path / "m.onnx", nodes, arrays, (2, 6, 5), (3,))
    x = drawn(rng, 4, 2, 6, 5)
    model = agrees(path, x, last(x))
    assert model.input.shape == (6, 5, 2)
    assert isinstance(model.loss, HalfSquaredError)


def test_normalisation_between_a_flattened_image_and_its_matrix(tmp_path, rng):
    features = 2 * 3 * 2
    arrays = {name: drawn(rng, features) for name in ("g", "b", "m")}
    arrays |= {"v": 1 + drawn(rng, features) ** 2, "K": drawn(rng, 2, 1, 1, 1)}
    arrays["W"] = drawn(rng, features, 3)
    nodes = [
        node("Conv", "x K", "c"), node("Flatten", "c", "f"),
        node("BatchNormalization", "f g b m v", "n"), node("MatMul", "n W", "y"),
    ]  # fmt: skip
    x = drawn(rng, 4, 1, 3, 2)
    agrees(written(tmp_path / "m.onnx", nodes, arrays, (1, 3, 2), (3,)), x, last(x))


def test_an_lstm_of_both_directions(tmp_path, rng):
    arrays = {"W": drawn(rng, 2, 12, 2), "R": drawn(rng, 2, 12, 3), "B": drawn(rng, 2, 24),
              "s": np.array([0, 0, -1])}  # fmt: skip
    nodes = [
        node("Transpose", "x", "t", perm=[1, 0, 2]),
        node("LSTM", "t W R B", "h", hidden_size=3, direction="bidirectional"),
        node("Transpose", "h", "u", perm=[0, 2, 1, 3]), node("Reshape", "u s", "v"),
        node("Transpose", "v", "y", perm=[1, 0, 2]),
    ]  # fmt: skip
    model = agrees(written(tmp_path / "m.onnx", nodes, arrays, (5, 2), (5, 6)), drawn(rng, 4, 5, 2))
    assert isinstance(model.net, Parallel)
    assert all(isinstance(side, LSTM) for side in model.net.maps)


def test_branches(tmp_path, rng):
    arrays = {"W": drawn(rng, 3, 3), "V": drawn(rng, 3, 2)}
    nodes = [
        node("MatMul", "x W", "a"), node("Sigmoid", "a", "s"), node("Mul", "s a", "m"),
        node("Add", "x m", "r"), node("MatMul", "r V", "v"), node("Tanh", "r", "t"),
        node("Concat", "v t", "y", axis=1),
    ]  # fmt: skip
    model = agrees(written(tmp_path / "m.onnx", nodes, arrays, (3,), (5,)), drawn(rng, 4, 3))
    kinds = [type(child) for child in model.net.maps]
    assert kinds == [Residual, Parallel]
    assert isinstance(model.net.maps[0].body.maps[1], SiLU)


def test_squeeze_and_excite(tmp_path, rng):
    arrays = {"K": drawn(rng, 3, 3, 1, 1)}
    nodes = [
        node("GlobalAveragePool", "x", "g"), node("Conv", "g K", "c"), node("Sigmoid", "c", "s"),
        node("Mul", "x s", "m"), node("GlobalMaxPool", "m", "p"), node("Flatten", "p", "y"),
    ]  # fmt: skip
    x = drawn(rng, 2, 3, 4, 5)
    model = agrees(written(tmp_path / "m.onnx", nodes, arrays, (3, 4, 5), (3,)), x, last(x))
    assert isinstance(model.net.maps[0], Gate)


def test_scaling_of_raw_values_is_the_normalizer(tmp_path, rng):
    arrays = {"a": np.float32(1 / 255).reshape(()), "b": np.float32(-0.5).reshape(1)}
    arrays["W"] = drawn(rng, 3, 2)
    nodes = [
        node("Cast", "x", "f", to=1), node("Mul", "f a", "s"), node("Add", "s b", "c"),
        node("MatMul", "c W", "y"),
    ]  # fmt: skip
    path = written(tmp_path / "m.onnx", nodes, arrays, (3,), (2,), kind=2)
    model = agrees(path, rng.integers(0, 256, (4, 3)).astype("uint8"))
    assert (model.normalizer.scale, model.normalizer.shift) == (np.float32(1 / 255), -0.5)


@pytest.mark.parametrize("kind", ["cnn", "LSTM", "GRU", "RNN", "bidirectional", "norms"])
def test_what_pytorch_writes(kind, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    nn = torch.nn
    torch.manual_seed(0)

    class Sequence(nn.Module):
        def __init__(self):
            super().__init__()
            cell, both = (nn.LSTM, True) if kind == "bidirectional" else (getattr(nn, kind), False)
            self.cell = cell(3, 4, batch_first=True, bidirectional=both)
            self.out = nn.Linear(8 if both else 4, 2)

        def forward(self, x):
            return self.out(self.cell(x)[0])

    shape: tuple[int, ...] = (5, 3)
    if kind == "cnn":
        shape, net = (2, 8, 8), nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, stride=2, groups=2), nn.Flatten(), nn.Linear(6, 3),
        )  # fmt: skip
    elif kind == "norms":
        shape, net = (
            (3,),
            nn.Sequential(
                nn.Linear(3, 6), nn.LayerNorm(6), nn.ELU(0.5), nn.Dropout(), nn.Linear(6, 2)
            ),
        )
    else:
        net = Sequence()
    net, path, x = net.eval(), tmp_path / "m.onnx", torch.randn(4, *shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the exporter that needs no further library
        torch.onnx.export(
            net, (x[:1],), str(path), dynamo=False, input_names=["x"],
            dynamic_axes={"x": {0: "N"}}, opset_version=17,
        )  # fmt: skip
    given = last(x.numpy()) if kind == "cnn" else x
    found = exchange.from_onnx(path).outputs(given)
    np.testing.assert_allclose(found, net(x).detach().numpy(), rtol=0, atol=1e-5)


def of_one_node(op, **attributes):
    return [node(op, "x", "y", **attributes)], {}


W = np.zeros((3, 3), "float32")
REFUSED = {
    "an operator that is not known": ([node("Cos", "x", "y")], {}, "operator Cos cannot be read"),
    "gelu by the error function": (
        [node("Erf", "x", "e"), node("Mul", "x e", "y")], {}, "operator Erf",
    ),
    "a matrix that is computed": ([node("Mul", "x x", "h"), node("Sub", "h x", "y")], {}, "Sub"),
    "softmax over the examples": ([node("Softmax", "x", "y", axis=0)], {}, "axis of the features"),
    "a constant for nothing": (
        [node("Relu", "x", "r"), node("Add", "r c", "y")], {"c": W[:1, :1]}, "neither a bias",
    ),
    "branches that cross": (
        [node("Relu", "x", "a"), node("Tanh", "x", "b"), node("Add", "a b", "c"),
         node("Mul", "c a", "y")], {}, "meet in different places",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_no_map_does_is_named(what, tmp_path):
    nodes, arrays, said = REFUSED[what]
    path = written(tmp_path / "m.onnx", nodes, arrays, (3,), (3,))
    with pytest.raises(ModelFileError, match=said) as caught:
        exchange.from_onnx(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
