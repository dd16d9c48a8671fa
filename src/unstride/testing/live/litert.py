"""LiteRT's TRANSPOSE_CONV and CONV_2D, live: a model file of one operator, written and interpreted here."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version as distribution_version
from typing import Any

import numpy as np

from .source import Array, Line, read

_WORDS = {"stride_h": "strideH", "stride_w": "strideW", "dilation_h_factor": "dilationHFactor"}
_WORDS["dilation_w_factor"] = "dilationWFactor"


def version() -> str:
    """The version of ai-edge-litert."""
    return distribution_version("ai-edge-litert")


def evaluate(code: str, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """What the operator in ``code`` gives; the kernel is ``(out, height, width, in)``."""
    line = read(code, {})
    if line.name not in {"TRANSPOSE_CONV", "CONV_2D"}:
        raise ValueError(f"no such operator: {line.name}")
    interpreter_module = import_module("ai_edge_litert.interpreter")
    interpreter = interpreter_module.Interpreter(model_content=_model(line, x, kernel, bias), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]), dtype=np.float32)


def _model(line: Line, x: Array, kernel: Array, bias: Array | None) -> bytes:
    """A flatbuffer of one operator: tensors 0 = x, 1 = kernel, 2 = y, then output_shape and bias where given."""
    schema = import_module("ai_edge_litert.schema_py_generated")
    transposed = line.name == "TRANSPOSE_CONV"
    constants: list[np.ndarray[Any, Any]] = [kernel]
    given = dict(line.keywords)
    if transposed:
        constants.append(np.array(given.pop("output_shape"), np.int32))
    if bias is not None:
        constants.append(bias)
    elif not transposed:
        constants.append(np.zeros(kernel.shape[0], np.float32))
    graph = schema.SubGraphT()
    buffers = [schema.BufferT()]
    graph.tensors = [_tensor(schema, "x", x, 0), _tensor(schema, "y", np.zeros((0,) * 4, np.float32), 0)]
    for position, constant in enumerate(constants, start=1):
        buffers.append(schema.BufferT())
        buffers[-1].data = np.frombuffer(constant.tobytes(), np.uint8)
        graph.tensors.append(_tensor(schema, f"constant_{position}", constant, position))
    operator = schema.OperatorT()
    operator.opcodeIndex = 0
    operator.inputs = [3, 2, 0, *range(4, 2 + len(constants))] if transposed else [0, 2, 3]
    operator.outputs, graph.inputs, graph.outputs, graph.operators = [1], [0], [1], [operator]
    name = "TransposeConvOptions" if transposed else "Conv2DOptions"
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
    operator.builtinOptions = _options(schema, name, given)
    return _packed(schema, graph, buffers, line.name, version=3 if transposed and bias is not None else 1)


def _options(schema: Any, name: str, given: dict[str, object]) -> object:
    options = getattr(schema, f"{name}T")()
    for key, value in given.items():
        if key == "padding":
            options.padding = getattr(schema.Padding, str(value))
        else:
            if key not in _WORDS or not hasattr(options, _WORDS[key]):
                raise ValueError(f"{name} has no field {key}")
            setattr(options, _WORDS[key], value)
    return options


def _tensor(schema: Any, name: str, array: np.ndarray[Any, Any], buffer: int) -> object:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name, list(array.shape), buffer
    tensor.type = schema.TensorType.INT32 if array.dtype == np.int32 else schema.TensorType.FLOAT32
    return tensor


def _packed(schema: Any, graph: object, buffers: list[object], operator: str, version: int) -> bytes:
    opcode = schema.OperatorCodeT()
    opcode.builtinCode = opcode.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, operator)
    opcode.version = version
    model = schema.ModelT()
    model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], buffers, [opcode]
    builder = import_module("flatbuffers").Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
