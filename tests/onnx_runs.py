"""What others compute of an ONNX file."""

import pytest


def by_runtime(path, inputs):
    runtime = pytest.importorskip(
        "onnxruntime", reason="onnxruntime is not installed: pip install 'pullback[onnx]'"
    )
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def by_reference(path, inputs):
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(str(path)).run(None, inputs)[0]
