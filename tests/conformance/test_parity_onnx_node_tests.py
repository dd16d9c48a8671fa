"""The ONNX project's own ConvTranspose tests: the node tests, and the stored models converted from PyTorch."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unstride import run
from unstride.testing.live import installed

from .nodes import attributes, spec

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]

NODE_TESTS = (
    *("convtranspose", "convtranspose_1d", "convtranspose_3d", "convtranspose_output_shape", "convtranspose_pad"),
    *("convtranspose_kernel_shape", "convtranspose_pads", "convtranspose_dilations", "convtranspose_autopad_same"),
    *("convtranspose_group_2", "convtranspose_group_2_image_3"),
)
STORED = (
    *("pytorch-converted/test_ConvTranspose2d", "pytorch-converted/test_ConvTranspose2d_no_bias"),
    "pytorch-operator/test_operator_convtranspose",
)


def needs_onnx() -> None:
    if not installed("onnx_reference"):
        pytest.skip("onnx is not installed")


@cache
def node_tests() -> dict[str, tuple[Any, list[Any], Any]]:
    """Name -> node, inputs, expected output."""
    module: Any = import_module("onnx.backend.test.case.node.convtranspose")
    found: dict[str, tuple[Any, list[Any], Any]] = {}

    def expect(node: Any, inputs: list[Any], outputs: list[Any], name: str, **_: Any) -> None:
        found[name.removeprefix("test_")] = (node, inputs, outputs[0])

    kept, module.expect = module.expect, expect
    try:
        for name, export in vars(module.ConvTranspose).items():
            if name.startswith("export"):
                export.__func__()
    finally:
        module.expect = kept
    return found


@pytest.mark.parametrize("name", NODE_TESTS)
def test_the_node_tests_hold(name: str) -> None:
    needs_onnx()
    node, (x, w), expected = node_tests()[name]
    y = run(spec(attributes(node), bias=False), x, w)
    assert y.dtype == expected.dtype
    assert np.array_equal(y, expected)


def test_no_node_test_is_left_out() -> None:
    needs_onnx()
    assert set(node_tests()) == set(NODE_TESTS)


@pytest.mark.parametrize("name", STORED)
def test_the_stored_models_hold(name: str) -> None:
    needs_onnx()
    onnx, numpy_helper = import_module("onnx"), import_module("onnx.numpy_helper")
    folder = Path(str(onnx.__file__)).parent / "backend" / "test" / "data" / name
    graph = onnx.load(folder / "model.onnx").graph
    (node,) = (each for each in graph.node if each.op_type == "ConvTranspose")
    given = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    open_inputs = [each.name for each in graph.input if each.name not in given]
    for number, key in enumerate(open_inputs):
        given[key] = numpy_helper.to_array(onnx.load_tensor(folder / "test_data_set_0" / f"input_{number}.pb"))
    expected = numpy_helper.to_array(onnx.load_tensor(folder / "test_data_set_0" / "output_0.pb"))
    y = run(spec(attributes(node), bias=len(node.input) > 2), *(given[key] for key in node.input))
    # their numbers are not integers, and were summed in another order
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
