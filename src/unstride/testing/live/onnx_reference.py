"""ONNX's own reference evaluator, live; and the one-node model that ONNX Runtime is asked as well."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from .source import Array, read

OPSET = 22
_IR_VERSION = 8
"""old enough for every opset and runtime asked here"""


def version() -> str:
    """The version of onnx."""
    return str(import_module("onnx").__version__)


def model(code: str, x: Array, kernel: Array, bias: Array | None, opset: int) -> Any:
    """The node in ``code`` as a model: ``x`` its input, kernel and bias its constants, the output's shape unsaid."""
    helper, numpy_helper = import_module("onnx.helper"), import_module("onnx.numpy_helper")
    line = read(code, {"X": x, "W": kernel, "B": bias})
    constants = {"w": kernel} if bias is None else {"w": kernel, "b": bias}
    node = helper.make_node(line.name, ["x", *constants], ["y"], **line.keywords)
    graph = helper.make_graph(
        [node],
        "one_node",
        [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)],
        [helper.make_tensor_value_info("y", helper.np_dtype_to_tensor_dtype(x.dtype), None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=_IR_VERSION)


def evaluate(code: str, x: Array, kernel: Array, bias: Array | None = None, *, opset: int = OPSET) -> Array:
    """What the reference evaluator gives for the node in ``code``."""
    evaluator = import_module("onnx.reference").ReferenceEvaluator(model(code, x, kernel, bias, opset))
    (answer,) = evaluator.run(None, {"x": x})
    return np.asarray(answer, dtype=np.float32)
