"""ONNX models read as graphs and computed here give what ONNX Runtime gives, and what ONNX's own tests expect."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="what is read is run by it")

from onnx import ModelProto, TensorProto, helper, numpy_helper

from unstride.computation import run as run_spec
from unstride.models.onnx import read
from unstride.models.onnx_graph import _HANDLERS
from unstride.models.onnx_tensors import Folder, stored
from unstride.network import Convolution, Graph, Opaque, Pad, evaluate

from .onnx_models import answer, integers, model, node

pytestmark = pytest.mark.parity


@pytest.fixture(autouse=True)
def quick_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of small layers are not worth compiling."""
    monkeypatch.setattr(evaluate, "run_spec", partial(run_spec, engine="blas"))


def opaque(graph: Graph) -> list[str]:
    return [f"{each.name}: {each.operation.why}" for each in graph.nodes if isinstance(each.operation, Opaque)]


# --- ONNX's own tests -----------------------------------------------------------------------------------------

JOINING = {"Add", "Sub", "Mul", "Max", "Mean", "Sum", "Concat", "Div"}
"""operators whose later inputs are values; of all others they are made arrays of the file"""
LEAST = {"averagepool": 16, "maxpool": 14, "convtranspose": 11, "resize": 4, "_pad": 3, "batchnorm": 2, "gemm": 6}
"""parts of test names -> how many must be understood"""


MODULES = (
    *("add", "averagepool", "batch_normalization", "celu", "clip", "concat", "conv", "convtranspose", "div", "dropout"),
    *("elu", "exp", "flatten", "gelu", "gemm", "globalaveragepool", "globalmaxpool", "groupnormalization", "hardswish"),
    *("identity", "instance_normalization", "leakyrelu", "matmul", "max", "maxpool", "mean", "mish", "mul", "pad"),
    *("reducemax", "reducemean", "relu", "reshape", "resize", "selu", "shrink", "sigmoid", "slice", "softmax"),
    *("softplus", "softsign", "squeeze", "sub", "sum", "tanh", "transpose", "unsqueeze", "upsample"),
)


def own_tests() -> Iterator[Any]:
    """The cases that ONNX makes of its own operators, as its modules are imported."""
    home = "onnx.backend.test.case.node"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in MODULES:
            import_module(f"{home}.{module}")
    for case in import_module(home)._NodeTestCases:
        if case.model is not None and any(each.op_type in _HANDLERS for each in case.model.graph.node):
            yield case


def filled(case: Any) -> ModelProto:
    made = ModelProto()
    made.CopyFrom(case.model)
    graph = made.graph
    if not any(each.op_type in JOINING for each in graph.node):
        for given, array in list(zip(graph.input, case.data_sets[0][0], strict=True))[1:]:
            if isinstance(array, np.ndarray) and array.dtype.kind in "fiub":
                graph.initializer.append(numpy_helper.from_array(array, given.name))
    return made


def test_onnx_own_node_tests() -> None:
    understood: Counter[str] = Counter()
    for case in own_tests():
        if "empty_set" in case.name:  # their number of channels is left open
            continue
        graph = read(filled(case).SerializeToString())
        if opaque(graph) or "float16" in case.name:
            continue
        given, expected = case.data_sets[0]
        found = evaluate.run(graph, *given[: len(graph.inputs)])
        values = found if isinstance(found, tuple) else (found,)
        for value, wanted in zip(values, expected, strict=True):
            # some expected values are written with four digits
            np.testing.assert_allclose(value, wanted, rtol=1e-4, atol=1e-4, err_msg=case.name)
        understood["all"] += 1
        understood.update(key for key in LEAST if key in case.name)
    assert understood["all"] >= 120
    assert {key: understood[key] for key in LEAST if understood[key] < LEAST[key]} == {}


# --- one operator at a time -----------------------------------------------------------------------------------

W, B = integers(4, 3, 3, 3, seed=1), integers(4, seed=2)
T = integers(3, 4, 3, 3, seed=3)
V = {"scale": integers(3, seed=4), "offset": integers(3, seed=5), "mean": integers(3, seed=6)}
V["variance"] = np.array([0.75, 3.75, 0.75], np.float32)
I64 = partial(np.array, dtype=np.int64)
F32 = partial(np.array, dtype=np.float32)

EXACT: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "conv": ([node("Conv", ["x", "w", "b"], ["y"], pads=[1, 0, 1, 2], strides=[2, 1])], {"w": W, "b": B}),
    "conv same": ([node("Conv", ["x", "w"], ["y"], auto_pad="SAME_LOWER", strides=[2, 2])], {"w": W}),
    "conv transpose": ([node("ConvTranspose", ["x", "t"], ["y"], strides=[2, 3], output_padding=[1, 2])], {"t": T}),
    "output_shape": ([node("ConvTranspose", ["x", "t"], ["y"], strides=[2, 2], output_shape=[12, 14])], {"t": T}),
    "group": ([node("Conv", ["x", "w"], ["y"], group=3)], {"w": integers(6, 1, 3, 3)}),
    "max pool": ([node("MaxPool", ["x"], ["y"], kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1)], {}),
    "max pool same": ([node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")], {}),
    "average": ([node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2])], {}),
    "slice": (
        [node("Slice", ["x", "s", "e", "a"], ["y"])],
        {"s": I64([1, 0]), "e": I64([-2, 2**62]), "a": I64([2, -1])},
    ),
    "slice within": ([node("Slice", ["x", "s", "e", "a"], ["y"])], {"s": I64([-4]), "e": I64([5]), "a": I64([3])}),
    "pad": ([node("Pad", ["x", "p", "v"], ["y"])], {"p": I64([0, 0, 1, -2, 0, 0, 3, 0]), "v": F32(2)}),
    "pad axes": ([node("Pad", ["x", "p", "", "a"], ["y"], mode="edge")], {"p": I64([1, 2]), "a": I64([-1])}),
    "reflect": ([node("Pad", ["x", "p"], ["y"], mode="reflect")], {"p": I64([0, 0, 1, 2, 0, 0, 3, 0])}),
    "resize": ([node("Resize", ["x", "", "s"], ["y"], mode="nearest")], {"s": F32([1, 1, 2, 3])}),
    "sizes": ([node("Resize", ["x", "", "", "s"], ["y"], mode="nearest")], {"s": I64([2, 3, 18, 14])}),
    "norm": ([node("BatchNormalization", ["x", *V], ["y"], epsilon=0.25)], V),
    "add constant": ([node("Add", ["c", "x"], ["y"])], {"c": integers(1, 3, 1, 1)}),
    "subtract from": ([node("Sub", ["c", "x"], ["y"])], {"c": F32([[[[2]]]])}),
    "multiply": ([node("Mul", ["x", "c"], ["y"])], {"c": integers(3, 1, 1)}),
    "divide": ([node("Div", ["x", "c"], ["y"])], {"c": F32(4)}),
    "joined": ([node("Relu", ["x"], ["r"]), node("Concat", ["x", "r", "x"], ["y"], axis=-3)], {}),
    "sum of three": ([node("Relu", ["x"], ["r"]), node("Sum", ["x", "r", "x"], ["y"])], {}),
    "global": ([node("GlobalMaxPool", ["x"], ["y"])], {}),
    "clip": ([node("Clip", ["x", "a", "b"], ["y"])], {"a": F32(0), "b": F32(2)}),
    "shrink": ([node("Shrink", ["x"], ["y"], lambd=1.0, bias=1.0)], {}),
    "same": ([node("Identity", ["x"], ["i"]), node("Dropout", ["i"], ["d"]), node("Cast", ["d"], ["y"], to=1)], {}),
    "turned kernel": ([node("Transpose", ["k"], ["w"], perm=[3, 2, 0, 1]), node("Conv", ["x", "w"], ["y"])], {}),
}
EXACT["turned kernel"][1]["k"] = integers(3, 3, 3, 4)


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("batch", [1, 4])
def test_operators_are_exact_on_integers(name: str, batch: int) -> None:
    nodes, arrays = EXACT[name]
    size = (9, 7)
    if name == "sizes":
        batch = 2
    shape: list[int | str | None] = ["batch", 3, *size]
    made = model(nodes, shape, arrays)
    graph = read(made.SerializeToString())
    assert opaque(graph) == []
    x = integers(batch, 3, *size, seed=9)
    np.testing.assert_array_equal(evaluate.run(graph, x), answer(made, x))


VECTORS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "flatten": ([node("Flatten", ["x"], ["y"])], {}),
    "reshape": ([node("Reshape", ["x", "s"], ["y"])], {"s": I64([0, -1])}),
    "dense": ([node("Flatten", ["x"], ["f"]), node("Gemm", ["f", "w", "b"], ["y"], transB=1)], {"b": integers(5)}),
    "no bias": ([node("Flatten", ["x"], ["f"]), node("MatMul", ["f", "m"], ["a"]), node("Add", ["a", "b"], ["y"])], {}),
    "mean": ([node("ReduceMax", ["x", "a"], ["y"], keepdims=0)], {"a": I64([2, -1])}),
    "squeeze": ([node("GlobalMaxPool", ["x"], ["g"]), node("Squeeze", ["g", "a"], ["y"])], {"a": I64([3, 2])}),
}
VECTORS["dense"][1]["w"] = integers(5, 3 * 4 * 5, seed=8)
VECTORS["no bias"][1].update(m=integers(3 * 4 * 5, 5, seed=8), b=integers(5))


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_are_exact_on_integers(name: str) -> None:
    nodes, arrays = VECTORS[name]
    made = model(nodes, ["batch", 3, 4, 5], arrays, rank=2)
    graph = read(made)
    assert opaque(graph) == []
    x = integers(3, 3, 4, 5, seed=9)
    np.testing.assert_array_equal(evaluate.run(graph, x), answer(made, x))


SMOOTH: dict[str, Any] = {
    **{name: {} for name in ("Sigmoid", "Tanh", "Softplus", "Softsign", "Mish", "HardSwish", "Exp", "Selu", "Elu")},
    "Gelu": {},
    "Celu": {"alpha": 2.0},
    "LeakyRelu": {"alpha": 0.3},
    "HardSigmoid": {"alpha": 1 / 6},
    "Softmax": {"axis": 1},
}


@pytest.mark.parametrize("name", SMOOTH)
def test_functions(name: str) -> None:
    made = model([node(name, ["x"], ["y"], **SMOOTH[name])], [None, 3, None, None])
    graph = read(made)
    assert opaque(graph) == []
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    np.testing.assert_allclose(evaluate.run(graph, x), answer(made, x), rtol=1e-5, atol=1e-5)


def test_an_added_constant_is_the_bias_of_the_layer_before() -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"], name="conv"),
        node("Add", ["b", "c"], ["d"], name="conv/bias"),
        node("Flatten", ["d"], ["f"]),
        node("MatMul", ["f", "m"], ["e"], name="dense"),
        node("Add", ["e", "v"], ["g"], name="dense/bias"),
        node("MatMul", ["g", "n"], ["h"], name="last"),
        node("Add", ["h", "v"], ["i"], name="kept apart"),
        node("Add", ["h", "i"], ["y"]),
    ]
    arrays = {"w": W, "b": B.reshape(4, 1, 1), "m": integers(4 * 2 * 3, 5), "v": integers(5), "n": integers(5, 5)}
    made = model(nodes, ["batch", 3, 4, 5], arrays, rank=2)
    graph = read(made)
    assert [each.name for each in graph.nodes] == ["conv", "f", "dense", "last", "kept apart", "y"]
    x = integers(3, 3, 4, 5)
    np.testing.assert_array_equal(evaluate.run(graph, x), answer(made, x))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (TensorProto.FLOAT16, [0, 1, 0.5, -2]),
        (TensorProto.BFLOAT16, [0, 1, 0.5, -2]),
        (TensorProto.DOUBLE, [0, 1, 0.1, -2]),
        (TensorProto.INT8, [0, 1, -128, 127]),
        (TensorProto.UINT32, [0, 1, 2, 2**32 - 1]),
        (TensorProto.BOOL, [0, 1, 1, 0]),
    ],
)
@pytest.mark.parametrize("raw", [False, True])
def test_arrays_of_every_type(kind: int, values: list[float], raw: bool) -> None:
    tensor = helper.make_tensor("t", kind, (2, 2), values)
    if raw:
        array = numpy_helper.to_array(tensor)
        tensor = helper.make_tensor("t", kind, (2, 2), array.tobytes(), raw=True)
    found = stored(tensor, Folder())
    assert found.shape == (2, 2)
    assert str(found.array.dtype) == found.dtype
    assert found.array.ravel().tolist() == values


def test_a_model_that_moves_its_channels_to_the_front_has_them_last() -> None:
    first, last = {"perm": [0, 3, 1, 2]}, {"perm": [0, 2, 3, 1]}
    nodes = [
        node("Mul", ["x", "half"], ["h"]),
        node("Transpose", ["h"], ["a"], **first),
        node("Conv", ["a", "w"], ["b"], name="conv", pads=[1, 1, 1, 1]),
        node("Transpose", ["b"], ["c"], **last),
        node("Add", ["c", "bias"], ["d"]),
        node("Relu", ["d"], ["e"]),
        node("Pad", ["e", "p"], ["f"]),
        node("Concat", ["f", "f"], ["g"], axis=3),
        node("Softmax", ["g"], ["y"], axis=-1),
    ]
    arrays = {"w": W, "bias": B, "half": F32(0.5), "p": I64([0, 1, 2, 0, 0, 0, 3, 0])}
    made = model(nodes, [None, None, None, 3], arrays)
    graph = read(made)
    assert graph.channels_last
    assert (graph.inputs[0].channels, graph.inputs[0].size) == (3, (None, None))
    assert opaque(graph) == []
    assert next(each.operation for each in graph.nodes if isinstance(each.operation, Pad)).margins == ((1, 0), (2, 3))
    x = integers(2, 6, 5, 3)
    np.testing.assert_allclose(evaluate.run(graph, x), answer(made, x), rtol=1e-6, atol=1e-6)


def test_a_vector_unfolded_with_its_channels_last() -> None:
    nodes = [
        node("Gemm", ["x", "w"], ["v"]),
        node("Reshape", ["v", "s"], ["r"]),
        node("Transpose", ["r"], ["t"], perm=[0, 3, 1, 2]),
        node("ConvTranspose", ["t", "k"], ["y"]),
    ]
    arrays = {"w": integers(5, 2 * 4 * 3), "s": I64([-1, 2, 4, 3]), "k": T}
    made = model(nodes, ["batch", 5], arrays, rank=4)
    graph = read(made)
    assert opaque(graph) == []
    x = integers(3, 5)
    np.testing.assert_array_equal(evaluate.run(graph, x), answer(made, x))


# --- what is not understood -----------------------------------------------------------------------------------


def convolutions(graph: Graph) -> list[str]:
    return [each.name for each in graph.nodes if isinstance(each.operation, Convolution)]


@pytest.mark.parametrize(
    ("nodes", "why"),
    [
        ([node("DepthToSpace", ["x"], ["a"], blocksize=1)], "not among the operations"),
        ([node("Fancy", ["x"], ["a"], domain="my.domain")], "another domain"),
        ([node("Shape", ["x"], ["n"]), node("Reshape", ["x", "n"], ["a"])], "computed"),
        ([node("HardSigmoid", ["x"], ["a"])], "relu6"),
        ([node("Conv", ["x", "x"], ["a"])], "not an array in the file"),
        ([node("Conv", ["x", "w", "v"], ["a"])], "its bias has the shape"),
        ([node("Conv", ["x", "w"], ["a"], strides=[0, 1])], "at least 1"),
        ([node("Transpose", ["x"], ["a"])], "moves the batch"),
        ([node("Reshape", ["h", "one"], ["a"])], "joins the examples of a batch"),
        ([node("GlobalMaxPool", ["x"], ["g"]), node("Squeeze", ["g"], ["a"])], "drops the batch"),
        ([node("MaxPool", ["x"], ["b", "a"], kernel_shape=[2, 2])], "besides the first"),
        ([node("Slice", ["x", "s", "e", "a0", "st"], ["a"])], "steps other than one"),
        ([node("AveragePool", ["x"], ["a"], kernel_shape=[1, 1], strides=[2, 2], auto_pad="SAME_UPPER")], "runtimes"),
    ],
)
def test_other_steps_are_named_and_what_follows_is_read(nodes: list[Any], why: str) -> None:
    following = node("Conv", ["a", "w"], ["y"], name="after")
    nodes = [node("Relu", ["x"], ["h"]), *nodes]
    arrays = {
        "w": W,
        "one": I64([1, -1]),
        "v": integers(1),
        "s": I64([0]),
        "e": I64([4]),
        "a0": I64([2]),
        "st": I64([2]),
    }
    graph = read(model([*nodes, following], [None, 3, 6, 7], arrays, domains=("my.domain",)))
    assert any(why in each for each in opaque(graph)), opaque(graph)
    assert "after" in convolutions(graph)


def test_the_examples_of_a_batch_are_not_joined() -> None:
    joining = [node("Reshape", ["x", "s"], ["y"])]
    graphs = (read(model(joining, [n, 3, 4, 5], {"s": I64([1, -1])}, rank=2)) for n in (1, 2, "batch"))
    assert [graph.nodes[0].operation.kind for graph in graphs] == ["flattening", "opaque", "opaque"]


def test_an_output_with_another_order_of_axes_is_named() -> None:
    nodes = [node("Conv", ["x", "w"], ["c"]), node("Transpose", ["c"], ["y"], perm=[0, 2, 3, 1])]
    assert "unlike the input's" in opaque(read(model(nodes, [1, 3, 8, 8], {"w": W})))[0]


def test_subgraphs_are_opaque() -> None:
    inner = helper.make_graph(
        [node("Conv", ["x", "w"], ["z"])], "then", [], [helper.make_tensor_value_info("z", 1, None)]
    )
    choice = node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    graph = read(model([choice], [1, 3, 8, 8], {"w": W, "c": np.array([1], np.bool_)}))
    assert len(opaque(graph)) == 1


def test_names_are_the_models_own_and_never_twice() -> None:
    nodes = [
        node("Relu", ["x"], ["a"], name="same"),
        node("Relu", ["a"], ["b"], name="same"),
        node("Conv", ["b", "w"], ["c"], name="enc/conv1"),
        node("Relu", ["c"], ["y"]),
    ]
    graph = read(model(nodes, [None, 3, None, None], {"w": W}))
    assert [each.name for each in graph.nodes] == ["a", "b", "enc/conv1", "y"]
    assert graph.outputs == ("y",)


def test_channels_that_the_input_leaves_open_are_those_of_its_convolution() -> None:
    graph = read(model([node("Conv", ["x", "w"], ["y"], group=2)], [None] * 4, {"w": integers(4, 3, 3, 3)}))
    assert graph.inputs[0].channels == 6


def test_the_old_exporter_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="its exporter writes the file")
    import io

    layers = torch.nn
    network = layers.Sequential(
        layers.Conv2d(3, 4, 3, padding=1),
        layers.BatchNorm2d(4),
        layers.ReLU6(),
        layers.MaxPool2d(3, 2, 1, ceil_mode=True),
        layers.ConvTranspose2d(4, 4, 4, 2, 1),
        layers.Upsample(scale_factor=2),
        layers.AvgPool2d(2, count_include_pad=False),
        layers.SiLU(),
        layers.ReflectionPad2d(1),
        layers.ZeroPad2d((-1, 0, -1, 2)),
        layers.InstanceNorm2d(4, affine=True),
        layers.AdaptiveAvgPool2d(1),
        layers.Flatten(),
        layers.Linear(4, 5),
    ).eval()
    x, file = torch.randn(4, 3, 9, 10), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, x, file, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "n"}})
    graph = read(file.getvalue())
    with torch.no_grad():
        wanted = network(x).numpy()
    assert opaque(graph) == []
    np.testing.assert_allclose(evaluate.run(graph, x.numpy()), wanted, rtol=1e-4, atol=1e-5)


def test_a_file(tmp_path: Path) -> None:
    made = model([node("Conv", ["x", "w"], ["y"])], [None, 3, None, None], {"w": W})
    path = tmp_path / "model.onnx"
    path.write_bytes(made.SerializeToString())
    x = integers(1, 3, 5, 5)
    for source in (path, str(path), made, made.SerializeToString()):
        np.testing.assert_array_equal(evaluate.run(read(source), x), answer(made, x))
