"""ONNX models made for the tests, and what ONNX Runtime answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

OPSET = 21
node = helper.make_node


def integers(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)


def model(
    nodes: Sequence[NodeProto],
    shape: Sequence[int | str | None],
    arrays: dict[str, NDArray[Any]] | None = None,
    *,
    outputs: Sequence[str] = ("y",),
    opset: int = OPSET,
    domains: Sequence[str] = (),
    rank: int | None = None,
) -> ModelProto:
    """A model of one input ``x``; its outputs have ``rank`` axes of any length, by default the input's."""
    lengths = [None] * (len(shape) if rank is None else rank)
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, lengths) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in (arrays or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    made = helper.make_model(graph, opset_imports=opsets)
    made.ir_version = 10
    return made


def answer(made: ModelProto, x: NDArray[Any]) -> NDArray[Any]:
    """The first output that ONNX Runtime computes."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: NDArray[Any] = session.run(None, {session.get_inputs()[0].name: x})[0]
    return found
