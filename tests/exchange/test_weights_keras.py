"""Weights from and to Keras: outputs and gradients against Keras on PyTorch."""

from __future__ import annotations

import os

import numpy as np
import pytest
from weights_cases import CASES, TOLERANCE, Case, gradients_of, model_of, relative

import pullback as pb
from pullback.core.errors import ConfigError, ModelFileError
from pullback.core.tree import dotted, leaves
from pullback.models import translator

os.environ.setdefault("KERAS_BACKEND", "torch")
torch = pytest.importorskip("torch", reason="PyTorch is not installed")
keras = pytest.importorskip("keras", reason="Keras is not installed")
h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install 'pullback[keras]'")
if keras.backend.backend() != "torch":
    pytest.skip("these tests need Keras on PyTorch", allow_module_level=True)
L = keras.layers
torch.set_num_threads(1)
EPS = 1e-5
pytestmark = pytest.mark.filterwarnings(  # of Keras on PyTorch with NumPy 2
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)


def attention():
    x = keras.Input((5, 8))
    y = L.Add()([x, L.MultiHeadAttention(2, 4)(x, x)])
    y = L.RMSNormalization(epsilon=1e-6)(L.LayerNormalization(epsilon=EPS)(y))
    return keras.Model(x, L.Dense(2)(L.GlobalAveragePooling1D()(y)))


THEIRS = {
    "mlp": lambda: [
        L.Dense(5, activation="tanh"), L.BatchNormalization(epsilon=EPS), L.Dense(4),
        L.LayerNormalization(epsilon=EPS), L.ReLU(), L.Dense(3),
    ],
    "cnn": lambda: [
        L.Conv2D(4, 3, padding="same"), L.BatchNormalization(epsilon=EPS), L.ReLU(),
        L.MaxPooling2D(2), L.Conv2D(6, 3, use_bias=False, groups=2), L.ReLU(), L.Flatten(),
        L.BatchNormalization(epsilon=EPS), L.Dense(3),
    ],
    "decoder": lambda: [
        L.Conv2D(3, 3), L.GroupNormalization(3, epsilon=EPS), L.Activation("tanh"),
        L.Conv2DTranspose(4, 3, strides=2), L.GlobalAveragePooling2D(), L.Dense(2),
    ],
    "signal": lambda: [L.Conv1D(4, 3), L.ReLU(), L.Flatten(), L.Dense(2)],
    "lstm": lambda: [
        L.Embedding(7, 4), L.LSTM(5, return_sequences=True), L.LSTM(3), L.Dense(2),
    ],
    "gru": lambda: [
        L.Dense(6), L.Bidirectional(L.GRU(3, return_sequences=True)),
        L.SimpleRNN(4, return_sequences=True), L.GlobalAveragePooling1D(), L.Dense(2),
    ],
    "both_ways": lambda: [L.Bidirectional(L.LSTM(3)), L.Dense(2)],
    "attention": attention,
}  # fmt: skip


@pytest.fixture(params=["float32", "float64"])
def dtype(request, monkeypatch):
    """A width of numbers, which Keras on PyTorch would compute with in float32 anyhow."""
    from keras.src.backend.common import dtypes

    monkeypatch.setitem(dtypes.BIT64_TO_BIT32_DTYPE, "float64", "float64")
    return request.param


def module_of(name, dtype="float32"):
    """A model with weights and running averages that are not those of the start."""
    keras.utils.set_random_seed(0)
    case, made = CASES[name], THEIRS[name]
    with Policy(dtype):
        layers = made()
        if isinstance(layers, list):
            given = keras.Input(case.shape, dtype="int64" if case.ids else None)
            layers = keras.Sequential([given, *layers])
    rng = np.random.default_rng(3)
    for variable in layers.weights:
        if variable.dtype.startswith("float"):
            variable.assign(0.7 * variable.numpy() + 0.1 * rng.random(variable.shape))
    return layers


class Policy:
    """A dtype for the layers that are made inside."""

    def __init__(self, dtype):
        self.dtype = dtype

    def __enter__(self):
        self.before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.dtype)
        keras.config.set_floatx(self.dtype)

    def __exit__(self, *_):
        keras.config.set_dtype_policy(self.before)
        keras.config.set_floatx("float32")


def theirs(module, x, gy, train):
    """Outputs, the cotangent of the input, and the gradients of the weights."""
    given = torch.tensor(x, requires_grad=x.dtype.kind == "f")
    y = module(given, training=train)
    y.backward(torch.tensor(gy))
    gx = given.grad.numpy() if given.grad is not None else None
    gradients = [
        variable.value.grad.numpy() if variable.value.grad is not None else 0 * variable.numpy()
        for variable in module.weights
    ]
    return y.detach().numpy(), gx, gradients


def ours_of(module, gradients, path, model):
    """Their gradients under our names; of the two biases of a GRU, one here, one has it whole."""
    for variable, a in zip(module.weights, gradients, strict=True):
        variable.assign(a)
        if "gru" in variable.path and variable.shape[0] == 2 and len(variable.shape) == 2:
            a = a.copy()
            a[1, : 2 * a.shape[1] // 3] = 0
            variable.assign(a)
    module.save_weights(path)
    return pb.exchange.from_keras(path, model).theta


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("train", [False, True], ids=["used", "trained"])
def test_from_keras(name, dtype, train, tmp_path):
    case = CASES[name]
    module = module_of(name, dtype)
    path = tmp_path / "w.weights.h5"
    module.save_weights(path)
    model = pb.exchange.from_keras(path, model_of(case, dtype, seed=1))
    x = case.batch(dtype)
    y, gy, gx, gradient = gradients_of(model, x, train)
    their_y, their_gx, their_gradients = theirs(module, x, gy, train)
    tolerance = TOLERANCE[dtype]
    assert their_y.dtype == dtype
    assert np.abs(y - their_y).max() < tolerance.outputs
    if their_gx is not None:
        assert relative(gx, their_gx) < tolerance.gradients
    expected = ours_of(module, their_gradients, tmp_path / "g.weights.h5", model)
    for place, found in leaves(gradient):
        wanted = dict(leaves(expected))[place]
        assert relative(found, wanted, expected.flat) < tolerance.gradients, dotted(place)


@pytest.mark.parametrize("name", CASES)
def test_to_keras_and_back(name, dtype, tmp_path):
    case = CASES[name]
    model = model_of(case, dtype, seed=2)
    path = tmp_path / "w.weights.h5"
    pb.exchange.to_keras(model, path)
    module = module_of(name, dtype)
    module.load_weights(path)
    x = case.batch(dtype)
    y, _, _, _ = gradients_of(model, x)
    found = module(torch.tensor(x), training=False).detach().numpy()
    assert np.abs(found - y).max() < TOLERANCE[dtype].outputs
    module.save(tmp_path / "again.keras")
    again = pb.exchange.from_keras(tmp_path / "again.keras", model_of(case, dtype, seed=3))
    assert np.array_equal(again.theta.flat, model.theta.flat)
    assert [a.tolist() for _, a in leaves(again.state)] == [
        a.tolist() for _, a in leaves(model.state)
    ]


def test_eps_of_a_description_must_be_ours(tmp_path):
    case = CASES["mlp"]
    net = pb.Chain(*(pb.BatchNorm(eps=1e-3) if isinstance(m, pb.BatchNorm) else m
                     for m in case.net.maps))  # fmt: skip
    module_of("mlp").save(tmp_path / "m.keras")
    text = r"m.keras: eps of 2 \(BatchNorm\) is 1e-05 there and 0.001 here"
    with pytest.raises(ModelFileError, match=text):
        pb.exchange.from_keras(tmp_path / "m.keras", model_of(Case(net, (6,))))


def test_a_gru_that_resets_before_the_product_is_refused(tmp_path):
    module = keras.Sequential([keras.Input((5, 4)), L.GRU(3, reset_after=False)])
    module.save_weights(tmp_path / "w.weights.h5")
    model = model_of(Case(pb.Chain(pb.GRU(3, states="last")), (5, 4)))
    text = r"layers/gru/cell/vars/2 is \(9,\), and 0 \(GRU\) cell/vars/2 needs \(2, 9\)"
    with pytest.raises(ModelFileError, match=text):
        pb.exchange.from_keras(tmp_path / "w.weights.h5", model)


def test_a_compiled_model_with_dropout(tmp_path):
    """What else Keras keeps, of its optimiser and its random numbers, is left out."""
    module = keras.Sequential([keras.Input((6,)), L.Dense(5), L.Dropout(0.5, seed=3), L.Dense(3)])
    module.compile("adam", "mse")
    module.fit(np.ones((8, 6)), np.ones((8, 3)), verbose=0)
    module.save(tmp_path / "m.keras")
    case = Case(pb.Chain(pb.Linear(5), pb.Dropout(0.5), pb.Linear(3)), (6,))
    model = pb.exchange.from_keras(tmp_path / "m.keras", model_of(case))
    x = case.batch()
    found = module(torch.tensor(x)).detach().numpy()
    assert np.abs(found - model.outputs(x)).max() < 1e-6


def test_a_model_whose_layers_have_names_of_their_own_is_refused(tmp_path):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.first = L.Dense(3)

        def call(self, x):
            return self.first(x)

    module = Own()
    module(torch.ones(1, 6))
    module.save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(ModelFileError, match="no layers are in it"):
        pb.exchange.from_keras(tmp_path / "w.weights.h5", model_of(CASES["mlp"]))


def test_maps_that_keras_does_not_have_are_refused(tmp_path):
    model = model_of(Case(pb.SideBySide(translator(9, 8, 1, 2, 8)), (6, 2), 9))
    with pytest.raises(ConfigError, match=r"Keras has no layer for .*\(CrossAttention\)"):
        pb.exchange.to_keras(model, tmp_path / "w.weights.h5")


KEPT = {name: CASES[name] for name in ("mlp", "lstm")} | {
    "cnn": Case(
        pb.Chain(
            pb.Channels(), pb.Conv2d(4, 3, stride=2, padding="same"), pb.BatchNorm(),
            pb.SiLU(), pb.MaxPool2d(2, padding="same"), pb.Conv2d(6, (2, 1), groups=2, bias=False),
            pb.Chain(pb.ReLU(), pb.Dropout(0.5)), pb.Flatten(), pb.Linear(3), pb.Softmax(),
        ),
        (9, 8),
    ),
    "averages": Case(
        pb.Chain(
            pb.Conv2d(3, 3, dilation=2, padding=0), pb.AvgPool2d(2, padding="valid"), pb.Sigmoid(),
            pb.GlobalAvgPool(), pb.Linear(2),
        ),
        (9, 8, 2),
    ),
    "gru": Case(
        pb.Chain(
            pb.Embedding(7, 4), pb.RNN(3), pb.LayerNorm(), pb.GRU(4), pb.GlobalAvgPool(),
            pb.Reshape((2, 2)), pb.Flatten(), pb.Linear(2),
        ),
        (5,), 7,
    ),
    "signal": Case(
        pb.Chain(
            pb.Conv1d(4, 3, padding="valid"), pb.GroupNorm(2), pb.ELU(0.5), pb.RMSNorm(),
            pb.LeakyReLU(0.1), pb.GlobalMaxPool(), pb.Softplus(), pb.Linear(3), pb.LogSoftmax(),
        ),
        (6, 3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("train", [False, True], ids=["used", "trained"])
def test_a_model_that_keras_opens(name, train, tmp_path):
    case, path = KEPT[name], tmp_path / "m.keras"
    if train and name == "cnn":
        case = Case(pb.Chain(*(child for child in case.net.maps if "Dropout" not in repr(child))),
                    case.shape)  # fmt: skip
    model = model_of(case, "float32", seed=2)
    pb.exchange.to_keras(model, path)
    module = keras.saving.load_model(path)
    x = case.batch("float32")
    y, gy, gx, gradient = gradients_of(model, x, train)
    their_y, their_gx, their_gradients = theirs(module, x, gy, train)
    assert np.abs(their_y - y).max() < 1e-6
    if their_gx is not None:
        assert relative(gx, their_gx) < 1e-5
    expected = ours_of(module, their_gradients, tmp_path / "g.weights.h5", model)
    for place, found in leaves(gradient):
        wanted = dict(leaves(expected))[place]
        assert relative(found, wanted, expected.flat) < 1e-5, dotted(place)
    again = pb.exchange.from_keras(path, model_of(case, "float32", seed=3))
    assert np.array_equal(again.theta.flat, model.theta.flat)


def test_raw_examples_are_scaled_in_keras_too(tmp_path):
    from dataclasses import replace

    from pullback.data.normalize import Affine

    for affine in (Affine(0.5, -1.0), Affine((0.5, 1, 2, 3, 4, 5), (1, 2, 3, 4, 5, 6))):
        model = replace(model_of(CASES["mlp"], "float32", seed=2), normalizer=affine)
        pb.exchange.to_keras(model, tmp_path / "m.keras")
        x = CASES["mlp"].batch("float32")
        found = keras.saving.load_model(tmp_path / "m.keras").predict(x, verbose=0)
        assert np.abs(found - model.outputs(x)).max() < 1e-5


@pytest.mark.parametrize(
    ("net", "shape", "said"),
    [
        (pb.Chain(pb.Linear(3), pb.GELU()), (6,), r"1 \(GELU\) has no layer of Keras"),
        (pb.Parallel(pb.Linear(3), pb.Linear(3)), (6,), r"the network \(Parallel\) has no layer"),
        (pb.Chain(pb.Conv2d(2, 3, padding=1)), (6, 6, 1), r"0 \(Conv2d\): padding 1"),
        (pb.Chain(pb.Conv2d(2, 3, stride=(1, 2), dilation=2)), (9, 9, 1),
         r"0 \(Conv2d\): stride \(1, 2\) with dilation 2"),
        (pb.Chain(pb.LSTM(2, reverse=True)), (5, 3), r"0 \(LSTM\): reverse=True"),
    ],
)  # fmt: skip
def test_what_keras_cannot_be_told_is_refused(net, shape, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        pb.exchange.to_keras(model_of(Case(net, shape)), tmp_path / "m.keras")
    assert not (tmp_path / "m.keras").exists()


def test_a_model_written_again_is_the_same_file(tmp_path, monkeypatch):
    written = []
    for day in (1, 2):
        monkeypatch.setattr("time.time", lambda day=day: 1e9 + 86400 * day)
        pb.exchange.to_keras(model_of(CASES["mlp"], seed=2), tmp_path / "m.keras")
        written.append((tmp_path / "m.keras").read_bytes())
    assert written[0] == written[1]


def test_channels_are_last_however_keras_is_set(tmp_path, request):
    request.addfinalizer(lambda: keras.config.set_image_data_format("channels_last"))
    for i, end in enumerate((pb.Flatten(), pb.GlobalAvgPool())):
        case = Case(pb.Chain(pb.Conv2d(4, padding="valid"), end, pb.Linear(3)), (8, 6, 3))
        model, path = model_of(case, seed=2), tmp_path / f"{i}.keras"
        pb.exchange.to_keras(model, path)
        keras.config.set_image_data_format("channels_first")
        found = keras.saving.load_model(path).predict(case.batch(), verbose=0)
        keras.config.set_image_data_format("channels_last")
        assert np.abs(found - model.outputs(case.batch())).max() < 1e-6
