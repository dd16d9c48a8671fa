"""ONNX Runtime on the CPU, live: one node as a model of its own."""

from __future__ import annotations

from importlib import import_module

import numpy as np

from .onnx_reference import model
from .source import Array

OPSET = 22


def version() -> str:
    """ONNX Runtime's version."""
    return str(import_module("onnxruntime").__version__)


def evaluate(code: str, x: Array, kernel: Array, bias: Array | None = None, *, opset: int = OPSET) -> Array:
    """What the node in ``code`` gives for these arrays."""
    runtime = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    serialized = model(code, x, kernel, bias, opset).SerializeToString()
    session = runtime.InferenceSession(serialized, options, providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {"x": x})
    return np.asarray(answer, dtype=np.float32)
