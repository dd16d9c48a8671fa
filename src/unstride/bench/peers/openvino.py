"""OpenVINO: the same ONNX model compiled for latency, one infer request reused, tensors shared with NumPy.

Source: https://docs.openvino.ai/2026/openvino-workflow/running-inference/optimize-inference/optimizing-latency.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..jobs import Arrays, Job, Runner, UnsupportedError
from .onnxruntime import model

_THREADS: list[int] = []


def start(threads: int) -> dict[str, Any]:
    """The threads are an option of each compiled model."""
    import onnx
    import openvino

    _THREADS[:] = [threads]
    return {"version": openvino.__version__, "onnx": onnx.__version__, "threads": threads}


def build(job: Job, arrays: Arrays) -> Runner:
    """An infer request with its inputs set."""
    import openvino

    if job.last:
        raise UnsupportedError("OpenVINO's convolutions take data channels first")
    core, constant = openvino.Core(), job.call == "prepared"
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": _THREADS[0],
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "float64": "f64"}[job.dtype],
    }
    compiled = core.compile_model(core.read_model(model(job, arrays, constant=constant)), "CPU", options)
    request = compiled.create_infer_request()
    given = {"x": arrays.x} if constant else {"x": arrays.x, "w": arrays.weights, "b": arrays.bias}
    kept = {name: np.ascontiguousarray(array) for name, array in given.items()}
    for name, array in kept.items():
        request.set_tensor(name, openvino.Tensor(array, shared_memory=True))

    def call() -> Any:
        request.infer(share_outputs=True)
        return kept, request

    return Runner(call, lambda _: np.array(request.get_output_tensor(0).data))
