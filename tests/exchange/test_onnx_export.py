"""Every map and random networks, as ONNX Runtime and ONNX's reference compute them."""

import numpy as np
import pytest
from contract_cases import CASES, all_cases, setting
from networks import placed
from onnx_runs import by_reference, by_runtime

from pullback import MAPS, exchange
from pullback.core.context import Context
from pullback.core.spec import Spec
from pullback.exchange.onnx.export import OPSETS
from pullback.exchange.onnx.registry import EXPORTERS

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'pullback[onnx]'")

WITHIN = 1e-5


def as_inputs(x):
    return (
        {f"input_{i}": part for i, part in enumerate(x)} if isinstance(x, tuple) else {"input": x}
    )


def error_of(found, y):
    assert found.shape == y.shape
    np.testing.assert_array_equal(np.isnan(found), np.isnan(y))
    return float(np.max(np.abs(np.nan_to_num(found - y)), initial=0))


def check(net, p, state, x, spec, path, opset=20):
    y, _ = net.forward(p, x, Context(state=state))
    exchange.to_onnx(net, path, p, spec, state=state, opset=opset)
    onnx.checker.check_model(str(path), full_check=True)
    for run in (by_runtime, by_reference):
        assert error_of(run(path, as_inputs(x)), y) < WITHIN, run.__name__


def test_every_map_has_an_exporter_and_cases():
    assert {cls for _, cls in MAPS.items()} == set(EXPORTERS)
    assert set(CASES) == {name for name, _ in MAPS.items()}


@pytest.mark.parametrize("opset", [OPSETS[0], OPSETS[-1]])
@pytest.mark.parametrize("case", all_cases().values(), ids=all_cases().keys())
def test_every_map_agrees(case, opset, tmp_path):
    own = setting(case, "float32")
    check(own.net, own.p, own.ctx.state, own.x, case.spec(), tmp_path / "net.onnx", opset)


@pytest.mark.parametrize("seed", range(20))
def test_random_networks_agree(seed, tmp_path):
    net, spec, p, x, _, ctx = placed(seed)
    theta = p.layout.view(p.flat.astype("float32"))
    spec = Spec(spec.shape, "float32")
    check(net, theta, ctx.state, x.astype("float32"), spec, tmp_path / "net.onnx")
