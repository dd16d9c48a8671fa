"""OpenVINO's convolution operations on the CPU, live: one operation as a model of its own."""

from __future__ import annotations

from importlib import import_module

import numpy as np

from .source import Array, read, resolve


def version() -> str:
    """OpenVINO's version, without its build number."""
    return str(import_module("openvino").__version__).split("-")[0]


def evaluate(code: str, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """What the operation in ``code`` gives for these arrays; it has no bias."""
    if bias is not None:
        raise ValueError("OpenVINO's convolutions have no bias")
    openvino = import_module("openvino")
    operations = import_module("openvino.opset13")
    data = operations.parameter(x.shape, np.float32, name="x")
    weights = operations.constant(kernel)
    line = read(code, {"x": data, "w": weights, "data": data, "filters": weights})
    if line.keywords.get("output_shape") is not None:
        line.keywords["output_shape"] = operations.constant(np.array(line.keywords["output_shape"], np.int64))
    if "backprop" in line.name and len(line.positional) > 3 and line.positional[3] is not None:
        line.positional[3] = operations.constant(np.array(line.positional[3], np.int64))
    network = openvino.Model([line.call(resolve(line.name))], [data], "one_operation")
    # the default precision follows the processor, and bfloat16 would round integers
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = openvino.Core().compile_model(network, "CPU", settings)
    return np.asarray(compiled([x])[0], dtype=np.float32)
