"""Weights from and to PyTorch: outputs and gradients against its own autograd."""

from __future__ import annotations

import numpy as np
import pytest
from weights_cases import CASES, TOLERANCE, Case, gradients_of, model_of, relative

import pullback as pb
from pullback.core.errors import ConfigError, ModelFileError
from pullback.core.tree import dotted, leaves
from pullback.models import translator

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn = torch.nn
torch.set_num_threads(1)


class Steps(nn.Module):
    """A recurrent module's states of all steps, or of the last."""

    def __init__(self, body, last=False):
        super().__init__()
        self.body, self.last = body, last

    def forward(self, x):
        y, _ = self.body(x)
        if not self.last:
            return y
        half = y.shape[-1] // 2
        return (
            torch.cat([y[:, -1, :half], y[:, 0, half:]], -1)
            if self.body.bidirectional
            else y[:, -1]
        )


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.mha = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x):
        return x + self.mha(x, x, x, need_weights=False)[0]


class Flipped(nn.Module):
    """Steps last, as convolutions of signals have them."""

    def forward(self, x):
        return x.transpose(1, 2)


class Mean(nn.Module):
    def forward(self, x):
        return x.mean(1)


def first_axes(x):
    return x.movedim(-1, 1) if x.ndim == 4 else x


THEIRS = {
    "mlp": lambda: nn.Sequential(
        nn.Linear(6, 5), nn.Tanh(), nn.BatchNorm1d(5), nn.Linear(5, 4), nn.LayerNorm(4), nn.ReLU(),
        nn.Linear(4, 3),
    ),
    "cnn": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, bias=False, groups=2), nn.ReLU(), nn.Flatten(), nn.BatchNorm1d(12),
        nn.Linear(12, 3),
    ),
    "decoder": lambda: nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.GroupNorm(3, 3), nn.Tanh(), nn.ConvTranspose2d(3, 4, 3, stride=2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2),
    ),
    "signal": lambda: nn.Sequential(
        Flipped(), nn.Conv1d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2)
    ),
    "lstm": lambda: nn.Sequential(
        nn.Embedding(7, 4), Steps(nn.LSTM(4, 5, batch_first=True)),
        Steps(nn.LSTM(5, 3, batch_first=True), last=True), nn.Linear(3, 2),
    ),
    "gru": lambda: nn.Sequential(
        nn.Linear(4, 6), Steps(nn.GRU(6, 3, batch_first=True, bidirectional=True)),
        Steps(nn.RNN(6, 4, batch_first=True)), Mean(), nn.Linear(4, 2),
    ),
    "both_ways": lambda: nn.Sequential(
        Steps(nn.LSTM(4, 3, batch_first=True, bidirectional=True), last=True), nn.Linear(6, 2)
    ),
    "attention": lambda: nn.Sequential(
        Attention(8, 2), nn.LayerNorm(8), nn.RMSNorm(8, 1e-6), Mean(), nn.Linear(8, 2)
    ),
}  # fmt: skip


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


def module_of(name, dtype, seed=0):
    """A module with weights and running averages that are not those of the start."""
    torch.manual_seed(seed)
    module = THEIRS[name]().to(getattr(torch, dtype))
    for value in module.state_dict().values():
        if value.dtype.is_floating_point:
            value.copy_(0.7 * value + 0.1 * torch.rand(value.shape, dtype=value.dtype))
    return module.eval()


def theirs(module, x, gy):
    """Outputs, the cotangent of the input, and the gradients as a state_dict."""
    given = torch.tensor(x, requires_grad=x.dtype.kind == "f")
    y = module(first_axes(given))
    y.backward(torch.tensor(gy))
    gx = given.grad.numpy() if given.grad is not None else None
    found = {name: torch.zeros_like(a) for name, a in module.state_dict().items()}
    return y.detach().numpy(), gx, found | {n: a.grad for n, a in module.named_parameters()}


def ours_of(gradients, path, model):
    """Their gradients under our names; of two biases that are one here, either has it whole."""
    for name, a in gradients.items():
        if "bias_hh" in name:
            units = a.shape[0] // 3
            gru = gradients[name.replace("bias_hh", "weight_hh")].shape[1] == units
            a[: 2 * units if gru else None] = 0
    torch.save(gradients, path)
    return pb.exchange.from_torch(path, model).theta


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("train", [False, True], ids=["used", "trained"])
def test_from_torch(name, dtype, train, tmp_path):
    case = CASES[name]
    module = module_of(name, dtype)
    torch.save(module.state_dict(), tmp_path / "w.pt")
    model = pb.exchange.from_torch(tmp_path / "w.pt", model_of(case, dtype, seed=1))
    x = case.batch(dtype)
    y, gy, gx, gradient = gradients_of(model, x, train)
    their_y, their_gx, their_gradients = theirs(module.train(train), x, gy)
    tolerance = TOLERANCE[dtype]
    assert np.abs(y - their_y).max() < tolerance.outputs
    if their_gx is not None:
        assert relative(gx, their_gx) < tolerance.gradients
    expected = ours_of(their_gradients, tmp_path / "g.pt", model)
    for path, found in leaves(gradient):
        wanted = dict(leaves(expected))[path]
        assert relative(found, wanted, expected.flat) < tolerance.gradients, dotted(path)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_to_torch_and_back(name, dtype, suffix, tmp_path):
    case = CASES[name]
    model = model_of(case, dtype, seed=2)
    path = tmp_path / f"w{suffix}"
    pb.exchange.to_torch(model, path)
    again = pb.exchange.from_torch(path, model_of(case, dtype, seed=3))
    assert np.array_equal(again.theta.flat, model.theta.flat)
    assert [a.tolist() for _, a in leaves(again.state)] == [
        a.tolist() for _, a in leaves(model.state)
    ]
    if suffix == ".safetensors":
        return
    module = THEIRS[name]().to(getattr(torch, dtype)).eval()
    weights = torch.load(path, weights_only=True)
    module.load_state_dict(dict(zip(module.state_dict(), weights.values(), strict=True)))
    x = case.batch(dtype)
    y, _, _, _ = gradients_of(model, x)
    given = first_axes(torch.tensor(x))
    assert np.abs(module(given).detach().numpy() - y).max() < TOLERANCE[dtype].outputs


def test_names_are_those_of_a_sequential(tmp_path):
    net = pb.Chain(pb.Conv2d(4), pb.BatchNorm(), pb.ReLU(), pb.Flatten(), pb.Linear(2))
    model = model_of(Case(net, (5, 5, 2)))
    module = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(100, 2)
    )
    pb.exchange.to_torch(model, tmp_path / "w.pth")
    weights = torch.load(tmp_path / "w.pth", weights_only=True)
    assert {n: a.shape for n, a in weights.items()} == {
        n: a.shape for n, a in module.state_dict().items()
    }
    module.load_state_dict(weights)
    x = np.random.default_rng(0).standard_normal((3, 5, 5, 2)).astype("float32")
    found = module.eval()(torch.tensor(x).movedim(-1, 1)).detach().numpy()
    assert np.abs(found - model.outputs(x)).max() < 1e-6


def test_a_table_that_is_shared_must_be_one_in_the_file(tmp_path):
    net = pb.Chain(pb.Embedding(7, 4, share="E"), pb.RNN(4), pb.Unembedding(7, share="E"))
    model = model_of(Case(net, (5,), 7))
    module = nn.Sequential(
        nn.Embedding(7, 4), Steps(nn.RNN(4, 4, batch_first=True)), nn.Linear(4, 7, bias=False)
    )
    torch.save(module.state_dict(), tmp_path / "two.pt")
    with pytest.raises(ModelFileError, match=r"two.pt: 2 \(Unembedding\) shares its E"):
        pb.exchange.from_torch(tmp_path / "two.pt", model)
    module[2].weight = module[0].weight
    torch.save(module.state_dict(), tmp_path / "one.pt")
    found = pb.exchange.from_torch(tmp_path / "one.pt", model)
    assert np.array_equal(found.theta["2"]["E"], module[0].weight.detach().numpy())


def test_a_checkpoint_with_one_state_dict(tmp_path):
    module = module_of("mlp", "float32")
    path = tmp_path / "c.pt"
    torch.save({"epoch": 3, "lr": 0.1, "model": module.state_dict(), "best": [1, 2.0]}, path)
    found = pb.exchange.from_torch(path, model_of(CASES["mlp"]))
    assert np.array_equal(found.theta["0"]["W"], module[0].weight.detach().numpy().T)


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
def test_numbers_of_other_widths_and_layouts(kind, tmp_path):
    model, path = model_of(CASES["mlp"]), tmp_path / "w.pt"
    weights = {
        name: a.to(getattr(torch, kind)) if a.dtype.is_floating_point else a
        for name, a in module_of("mlp", "float32").state_dict().items()
    }
    weights["0.weight"] = torch.stack([weights["0.weight"].T] * 2)[
        1
    ].T  # with an offset, by columns
    weights["0.bias"] = nn.Parameter(weights["0.bias"])
    torch.save(weights, path)
    found = pb.exchange.from_torch(path, model)
    for place, name in (("0", "0."), ("3", "3.")):
        wanted = weights[f"{name}weight"].detach().to(torch.float32).numpy()
        assert np.array_equal(found.theta[place]["W"], wanted.T)
    assert found.theta.flat.dtype == "float32"
    assert np.array_equal(model.theta.flat, model_of(CASES["mlp"]).theta.flat)  # as it was


ORDER = {
    "branch": pb.Chain(pb.Flatten(), pb.Residual(pb.Linear(18))),
    "parallel": pb.Chain(pb.Parallel(pb.Flatten(), pb.Chain(pb.Flatten(), pb.Linear(2)))),
    "softmax": pb.Chain(pb.Flatten(), pb.Softmax(), pb.Linear(2)),
    "groups": pb.Chain(pb.Flatten(), pb.GroupNorm(2), pb.Linear(2)),
    "end": pb.Chain(pb.Linear(4), pb.Conv2d(2), pb.Flatten()),
    "reshape": pb.Chain(pb.Flatten(), pb.Linear(18), pb.Reshape((3, 3, 2)), pb.Conv2d(2)),
}


@pytest.mark.parametrize("name", ORDER)
def test_an_order_of_features_that_weights_cannot_make_up_for_is_refused(name, tmp_path):
    model = model_of(Case(ORDER[name], (3, 3, 2)))
    with pytest.raises(ConfigError, match="channels first"):
        pb.exchange.to_torch(model, tmp_path / "w.pt")


def test_maps_that_pytorch_does_not_have_are_refused(tmp_path):
    model = model_of(Case(pb.SideBySide(translator(9, 8, 1, 2, 8)), (6, 2), 9))
    with pytest.raises(ConfigError, match=r"PyTorch has no layer for .*\(CrossAttention\)"):
        pb.exchange.to_torch(model, tmp_path / "w.pt")


@pytest.mark.parametrize("write", [pb.exchange.to_torch, pb.exchange.to_keras])
def test_names_of_files(write, tmp_path):
    with pytest.raises(ConfigError, match="expected a name that ends in"):
        write(model_of(CASES["mlp"]), tmp_path / "w.npz")
