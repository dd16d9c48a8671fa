"""ONNX Runtime: a model of one ConvTranspose, all graph optimisations, inputs and output bound once.

Source: https://onnxruntime.ai/docs/performance/tune-performance/iobinding.html
"""

from __future__ import annotations

from typing import Any

from ..jobs import Arrays, Job, Runner, UnsupportedError

_THREADS: list[int] = []


def start(threads: int) -> dict[str, Any]:
    """The threads are an option of each session."""
    import onnx
    import onnxruntime

    _THREADS[:] = [threads]
    return {"version": onnxruntime.__version__, "onnx": onnx.__version__, "threads": threads}


def build(job: Job, arrays: Arrays) -> Runner:
    """A session for the job."""
    import onnxruntime

    if job.last:
        raise UnsupportedError("ONNX data is channels first")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _THREADS[0]
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 4
    constant = job.call == "prepared"
    session = onnxruntime.InferenceSession(
        model(job, arrays, constant=constant), options, providers=["CPUExecutionProvider"]
    )
    given = {"x": arrays.x} if constant else {"x": arrays.x, "w": arrays.weights, "b": arrays.bias}
    binding = session.io_binding()
    for name, array in given.items():
        binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
    output = onnxruntime.OrtValue.ortvalue_from_shape_and_type(job.case.output_shape, job.dtype)
    binding.bind_ortvalue_output("y", output)

    def call() -> Any:
        session.run_with_iobinding(binding)
        return output

    return Runner(call, lambda y: y.numpy())


def model(job: Job, arrays: Arrays, *, constant: bool) -> bytes:
    """An ONNX model of the case; its weights are initializers or inputs."""
    from onnx import TensorProto, helper, numpy_helper

    case, element = job.case, getattr(TensorProto, {"float32": "FLOAT", "float64": "DOUBLE"}[job.dtype])
    node = helper.make_node(
        "ConvTranspose",
        ["x", "w", "b"],
        ["y"],
        kernel_shape=case.kernel,
        strides=case.stride,
        pads=(*case.padding, *case.padding),
        output_padding=case.output_padding,
        dilations=case.dilation,
        group=case.groups,
    )
    factors = {"w": arrays.weights, "b": arrays.bias}
    inputs = {"x": arrays.x, **({} if constant else factors)}
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info(name, element, array.shape) for name, array in inputs.items()],
        [helper.make_tensor_value_info("y", element, case.output_shape)],
        [numpy_helper.from_array(array, name) for name, array in factors.items()] if constant else [],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())
