"""Networks written as ONNX models: sound, exactly what they were in ONNX Runtime, and the same when they are read."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
from hypothesis import given, settings

from tests.models.onnx_models import answer, integers
from unstride import UnstrideError
from unstride.computation import run as run_spec
from unstride.dialects import keras
from unstride.dialects import onnx as dialect
from unstride.dialects.spec import Source
from unstride.models.onnx import read
from unstride.network import (
    Activation,
    Convolution,
    Features,
    Graph,
    GroupNorm,
    Input,
    Merge,
    Node,
    Opaque,
    Operation,
    Pad,
    Pool,
    Resize,
    Stored,
    Unflatten,
    evaluate,
)
from unstride.porting.writing.onnx import save, write
from unstride.testing.networks import Sized, networks

pytestmark = pytest.mark.parity
BATCH = 3


@pytest.fixture(autouse=True, scope="module")
def quick_engine() -> Any:
    """Hundreds of small layers are not worth compiling."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "run_spec", partial(run_spec, engine="blas"))
        yield


def run(graph: Graph, x: NDArray[Any]) -> NDArray[Any]:
    found = evaluate.run(graph, x)
    assert not isinstance(found, tuple)
    return found


def first(array: NDArray[Any], *, moved: bool) -> NDArray[Any]:
    """Channels moved to the front, where they lie behind spatial axes."""
    return np.ascontiguousarray(np.moveaxis(array, -1, 1)) if moved and array.ndim > 2 else array


def check(sized: Sized, *, keep_layout: bool, tolerance: float = 0.0) -> None:
    made = write(sized.graph, size=sized.size, keep_layout=keep_layout)
    onnx.checker.check_model(made, full_check=True)
    x = sized.input(BATCH)
    moved = sized.graph.channels_last and not keep_layout
    wanted, given_ = first(run(sized.graph, x), moved=moved), first(x, moved=moved)
    bound = tolerance * max(1.0, float(np.abs(wanted).max(initial=0)))
    np.testing.assert_allclose(answer(made, given_), wanted, rtol=tolerance, atol=bound)
    back = read(made.SerializeToString())
    assert not any(isinstance(each.operation, Opaque) for each in back.nodes)
    assert back.channels_last == (keep_layout and sized.graph.channels_last)
    np.testing.assert_allclose(run(back, given_), wanted, rtol=tolerance, atol=bound)
    for each in made.graph.node:
        assert not {attribute.name for attribute in each.attribute} & {"auto_pad", "output_shape"}


@given(networks())
@settings(max_examples=15)
def test_the_strategys_networks_do_not_round(sized: Sized) -> None:
    x = sized.input(BATCH)
    single_precision, double = run(sized.graph, x), run(sized.graph, x.astype(np.float64))
    np.testing.assert_array_equal(single_precision, double)
    assert np.abs(double).max(initial=0) < 2**20


@given(networks())
@settings(max_examples=25)
def test_random_networks_are_exact_there_and_back(sized: Sized) -> None:
    check(sized, keep_layout=False)


@given(networks(dialect="keras"))
@settings(max_examples=15)
def test_the_layout_may_be_kept(sized: Sized) -> None:
    check(sized, keep_layout=True)


@given(networks(exact=False))
@settings(max_examples=15)
def test_networks_that_round(sized: Sized) -> None:
    check(sized, keep_layout=False, tolerance=1e-5)


def single(operation: Operation, channels: int, size: tuple[int | None, ...], *, last: bool = False) -> Graph:
    return Graph("single", (Input("x", channels, size),), (Node("step", operation, ("x",)),), ("step",), last)


def same_convolution(stride: int) -> Convolution:
    spec = keras.Conv2D(4, 3, strides=stride, padding="same", use_bias=False)
    return Convolution(spec, Stored.of(integers(3, 3, 2, 4)))


def dims(made: onnx.ModelProto) -> list[str | int]:
    shape = made.graph.input[0].type.tensor_type.shape.dim
    return [each.dim_param or each.dim_value for each in shape]


def test_sizes_are_open_where_the_layer_is_the_same_at_every_size() -> None:
    graph = single(same_convolution(1), 2, (None, None), last=True)
    assert dims(write(graph)) == ["batch", 2, "height", "width"]
    assert dims(write(graph, keep_layout=True)) == ["batch", "height", "width", 2]


def test_sizes_are_fixed_where_the_padding_depends_on_them() -> None:
    graph = single(same_convolution(2), 2, (None, None), last=True)
    for size in ((7, 8), (8, 7), (5, 5)):
        made = write(graph, size=size)
        assert dims(made) == ["batch", 2, *size]
        x = integers(2, *size, 2)
        np.testing.assert_array_equal(answer(made, first(x, moved=True)), first(run(graph, x), moved=True))
    assert "odd" in write(graph, size=(5, 5)).doc_string


def test_one_open_axis_beside_a_fixed_one() -> None:
    spec = keras.Conv2D(4, 3, strides=(2, 1), padding="same", use_bias=False)
    graph = single(Convolution(spec, Stored.of(integers(3, 3, 2, 4))), 2, (None, None), last=True)
    assert dims(write(graph, size=(6, 9))) == ["batch", 2, 6, "width"]


def test_an_automatic_padding_becomes_numbers() -> None:
    spec = dialect.Conv(Source("X"), Source("W"), auto_pad="SAME_LOWER", strides=(2, 2))
    graph = single(Convolution(spec, Stored.of(integers(4, 2, 3, 3))), 2, (8, 7))
    (node,) = write(graph).graph.node
    assert {each.name: list(each.ints) for each in node.attribute if each.ints}["pads"] == [1, 1, 0, 1]


STEPS: dict[str, Operation] = {
    "crop": Pad(((-1, -2), (0, -1))),
    "crop and pad": Pad(((-1, 2), (3, 0)), value=2.0),
    "reflect": Pad(((2, 1), (0, 3)), mode="reflect"),
    "edge": Pad(((2, 1), (0, 3)), mode="edge"),
    "same pool": Pool("max", (3, 3), (2, 2), "same_lower"),
    "counting": Pool("average", (2, 2), (2, 2), ((1, 1), (1, 0)), ceil=True, counts_padding=True),
    "dilated": Pool("max", (2, 2), (1, 1), ((0, 0), (1, 1)), dilation=(2, 3)),
    "triple": Resize((3, 1)),
    "cut": Activation("relu", (("max_value", 2.0),)),
    "slope": Activation("relu", (("negative_slope", 0.5),)),
    "leaky": Activation("leaky_relu", (("negative_slope", 0.25),)),
    "soft": Activation("soft_shrink", (("threshold", 1.0),)),
    "hard": Activation("hard_shrink"),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("size", [(7, 8), (8, 9)])
def test_steps(name: str, size: tuple[int, int]) -> None:
    graph = single(STEPS[name], 3, (None, None))
    check(Sized(graph, size), keep_layout=False)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_group_norms(groups: int) -> None:
    norm = GroupNorm(groups, 1e-3, Stored.of(integers(4, seed=1)), Stored.of(integers(4, seed=2)))
    check(Sized(single(norm, 4, (None, None)), (5, 6)), keep_layout=False, tolerance=1e-5)


@pytest.mark.parametrize("how", ["add", "subtract", "multiply", "average", "maximum", "concat"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_merges(how: Any, count: int) -> None:
    nodes = [Node("r", Activation("relu"), ("x",)), Node("h", Activation("hard_tanh"), ("x",))]
    graph = Graph("m", (Input("x", 3, (None,)),), (*nodes, Node("y", Merge(how), ("x", "r", "h")[:count])), ("y",))
    check(Sized(graph, (6,)), keep_layout=False, tolerance=1e-6 if how == "average" else 0.0)


@pytest.mark.parametrize("last", [False, True])
def test_vectors_unfold(last: bool) -> None:
    unfold = Unflatten(Features(3, (2, 4)), channels_last=last)
    graph = Graph("u", (Input("x", 24),), (Node("y", unfold, ("x",)), Node("z", Activation("relu"), ("y",))), ("z",))
    check(Sized(graph, ()), keep_layout=False)


def test_several_outputs_and_one_that_is_the_input() -> None:
    graph = Graph("o", (Input("x", 2, (None,)),), (Node("y", Activation("relu"), ("x",)),), ("y", "x"))
    made = write(graph)
    onnx.checker.check_model(made, full_check=True)
    assert [each.name for each in made.graph.output] == ["y", "x output 1"]
    assert read(made).outputs == ("y", "x")


def test_what_onnx_cannot_say_is_named() -> None:
    nodes = (
        Node("odd", Activation("squareplus"), ("x",)),
        Node("lambda", Opaque("Lambda", "holds code"), ("odd",)),
    )
    graph = Graph("refused", (Input("x", 2, (4,)),), nodes, ("lambda",))
    with pytest.raises(UnstrideError, match="lambda: Lambda: holds code"):
        write(graph)
    with pytest.raises(UnstrideError, match="odd: the activation squareplus"):
        write(Graph("refused", graph.inputs, nodes[:1], ("odd",)))
    with pytest.raises(UnstrideError, match="of opset 18"):
        write(single(Activation("mish"), 2, (4,)), opset=17)
    with pytest.raises(UnstrideError, match="at least 17"):
        write(single(Activation("relu"), 2, (4,)), opset=9)


def test_unknown_weights_are_an_error() -> None:
    spec = dialect.Conv(Source("X"), Source("W"))
    with pytest.raises(UnstrideError, match="only the shape"):
        write(single(Convolution(spec, Stored((4, 2, 3, 3), "float32")), 2, (8, 7)))


@pytest.mark.parametrize("opset", [17, 22])
def test_other_opsets(opset: int) -> None:
    graph = single(same_convolution(1), 2, (None, None), last=True)
    made = write(graph, opset=opset)
    onnx.checker.check_model(made, full_check=True)
    x = integers(2, 5, 6, 2)
    np.testing.assert_array_equal(answer(made, first(x, moved=True)), first(run(graph, x), moved=True))


def test_a_file_is_whole(tmp_path: Path) -> None:
    made = write(single(same_convolution(1), 2, (None, None), last=True))
    save(made, tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert read(tmp_path / "model.onnx").inputs[0].channels == 2
    with pytest.raises(UnstrideError, match="cannot be written"):
        save(made, tmp_path / "missing" / "model.onnx")
