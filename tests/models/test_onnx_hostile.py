"""Damaged and hostile ONNX files: an UnstrideError or a graph, in bounded time, and no file outside touched."""

from __future__ import annotations

import os
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto, helper

from unstride import UnstrideError
from unstride.models import onnx_wire
from unstride.models.onnx import read
from unstride.models.onnx_wire import check_records
from unstride.network import Convolution, Graph, Opaque
from unstride.network.sizes import shapes
from unstride.testing.networks import networks

from .onnx_models import integers, model, node

pytestmark = pytest.mark.parity
KERNEL = integers(4, 3, 3, 3)


def small() -> ModelProto:
    nodes = [
        node("Transpose", ["k"], ["w"], perm=[3, 2, 0, 1]),
        node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("BatchNormalization", ["c", *"bbbb"], ["n"]),
        node("Pad", ["n", "p"], ["q"]),
        node("AveragePool", ["q"], ["a"], kernel_shape=[2, 2]),
        node("Slice", ["a", "s", "e", "i"], ["l"]),
        node("Flatten", ["l"], ["f"]),
        node("Softmax", ["f"], ["y"]),
    ]
    arrays = {"k": integers(3, 3, 3, 4), "b": integers(4), "p": np.array([0, 0, 1, 1, 0, 0, 1, 1])}
    arrays |= {"s": np.array([1]), "e": np.array([-1]), "i": np.array([2])}
    return model(nodes, ["n", 3, 8, 8], arrays, rank=2)


WHOLE = small().SerializeToString()


def used(graph: Graph) -> None:
    """What a reader of the graph does: the weights are fetched, the network is run."""
    with suppress(UnstrideError):
        for each in graph.nodes:
            for array in each.operation.weights.values():
                if array.count < 10**6:
                    np.asarray(array.array)
        (first,) = graph.inputs
        shape = (1, first.channels, *(length or 4 for length in first.size))
        if np.prod(shape, dtype=object) < 10**5:
            shapes(graph, {first.name: shape[2:]})


def test_the_whole_file_is_sound() -> None:
    graph = read(WHOLE)
    assert not any(isinstance(each.operation, Opaque) for each in graph.nodes)
    used(graph)


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=6), st.integers(0, len(WHOLE)))
@settings(max_examples=200)
def test_mutated_bytes(changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(WHOLE)
    for place, byte in changes:
        data[place] = byte
    cut = data if length % 2 else data[:length]
    with suppress(UnstrideError):
        used(read(bytes(cut)))


@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    with suppress(UnstrideError):
        read(data)


@given(st.data())
@settings(max_examples=100)
def test_mutated_models(data: st.DataObject) -> None:
    """Attributes of another type or length, inputs swapped, shapes changed."""
    made = ModelProto()
    made.CopyFrom(small())
    number = st.sampled_from([-(2**63), -1, 0, 1, 2, 3, 7, 2**31, 2**63 - 1])
    for each in made.graph.node:
        for attribute in each.attribute:
            if data.draw(st.booleans()):
                attribute.type = data.draw(st.integers(0, 14))
                attribute.ints[:] = data.draw(st.lists(number, max_size=9))
                attribute.i = data.draw(number)
        if data.draw(st.integers(0, 5)) == 0:
            names = [name for other in made.graph.node for name in other.output] + ["x", "k", "b", "p", ""]
            each.input[:] = data.draw(st.lists(st.sampled_from(names), max_size=5))
    for tensor in made.graph.initializer:
        if data.draw(st.integers(0, 3)) == 0:
            tensor.dims[:] = data.draw(st.lists(number, max_size=5))
            tensor.data_type = data.draw(st.integers(0, 24))
    with suppress(UnstrideError):
        used(read(made.SerializeToString()))


@given(networks(dialect="onnx", levels=1), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4))
@settings(max_examples=12)
def test_mutated_written_networks(sized: object, changes: list[tuple[int, int]]) -> None:
    from unstride.porting.writing.onnx import write
    from unstride.testing.networks import Sized

    assert isinstance(sized, Sized)
    data = bytearray(write(sized.graph, size=sized.size).SerializeToString())
    for place, byte in changes:
        data[place % len(data)] = byte
    with suppress(UnstrideError):
        used(read(bytes(data)))


# --- sizes ----------------------------------------------------------------------------------------------------


def test_a_huge_declared_shape_is_refused_before_anything_is_allocated() -> None:
    made = small()
    made.graph.initializer[0].dims[:] = [2**40, 2**20]
    tracemalloc.start()
    with pytest.raises(UnstrideError, match=r"its shape needs|declares a shape"):
        read(made.SerializeToString())
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


def test_negative_and_mismatched_shapes() -> None:
    for shape in ([-1, 3, 3, 3], [4, 3, 3, 4], []):
        made = small()
        made.graph.initializer[0].dims[:] = shape
        with pytest.raises(UnstrideError):
            read(made.SerializeToString())


def test_many_nodes() -> None:
    nodes = [
        NodeProto(op_type="Relu", input=[f"v{i}" if i else "x"], output=[f"v{i + 1}"], name="same")
        for i in range(99_999)
    ]
    made = model([*nodes, node("Relu", ["v99999"], ["y"])], [1, 3, None, None])
    start = time.process_time()
    assert len(read(made.SerializeToString()).nodes) == 100_000
    assert time.process_time() - start < 30
    made.graph.node.append(node("Relu", ["y"], ["z"]))
    with pytest.raises(UnstrideError, match="more than 100000"):
        read(made.SerializeToString())


def test_many_consumers_of_one_value() -> None:
    """Looking for the order of axes must not look at everything for everyone."""
    nodes = [node("Reshape", ["x", "s"], [f"r{i}"]) for i in range(2000)]
    nodes += [node("Concat", [f"r{i}" for i in range(2000)], ["c"], axis=1)]
    nodes += [node("Sigmoid", ["c"], [f"y{i}"]) for i in range(2000)]
    made = model(nodes, ["n", 12], {"s": np.array([0, 3, 2, 2])}, outputs=["y0"], rank=4)
    start = time.process_time()
    read(made.SerializeToString())
    assert time.process_time() - start < 20


def test_deep_subgraphs() -> None:
    graph = helper.make_graph([node("Relu", ["x"], ["z"])], "inner", [], [helper.make_tensor_value_info("z", 1, None)])
    for _ in range(30):
        inner = node("If", ["c"], ["z"], then_branch=graph)
        graph = helper.make_graph([inner], "g", [], [helper.make_tensor_value_info("z", 1, None)])
    made = model([node("If", ["c"], ["y"], then_branch=graph)], [1, 3, 4, 4], {"c": np.array([1], np.bool_)})
    with suppress(UnstrideError):
        assert [each.operation.kind for each in read(made.SerializeToString()).nodes] == ["opaque"]


def nested(depth: int) -> bytes:
    """A model of graphs in attributes of nodes, one within the other."""
    data = b""
    for _ in range(depth):
        for key in (0x32, 0x2A, 0x0A):  # attribute.g, node.attribute, graph.node
            data = bytes([key]) + _varint(len(data)) + data
    return b"\x3a" + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    made = b""
    while number > 127:
        made += bytes([number & 127 | 128])
        number >>= 7
    return made + bytes([number])


@pytest.mark.parametrize("depth", [60, 5000])
def test_deep_nesting(depth: int) -> None:
    with pytest.raises(UnstrideError):
        read(nested(depth))


def test_many_empty_records_are_counted_before_they_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_wire, "RECORD_LIMIT", 40_000)
    body = b"\x0a\x00" * 41_000  # nodes without anything in them
    with pytest.raises(UnstrideError, match="records"):
        check_records(b"\x3a" + _varint(len(body)) + body)


def test_a_value_that_is_made_twice_or_never() -> None:
    twice = model([node("Relu", ["x"], ["y"]), node("Relu", ["x"], ["y"])], [1, 3, 4, 4])
    never = model([node("Relu", ["q"], ["y"])], [1, 3, 4, 4])
    for made in (twice, never):
        with pytest.raises(UnstrideError):
            read(made)


def test_files_that_are_none(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.onnx", Path("/dev/zero")):
        with pytest.raises(UnstrideError):
            read(path)
    with pytest.raises(UnstrideError):
        read(3)
    with pytest.raises(UnstrideError):
        read(b"")


# --- external data --------------------------------------------------------------------------------------------


def external(folder: Path, **entries: str) -> Path:
    made = model([node("Conv", ["x", "w"], ["y"])], [None, 3, None, None], {"w": KERNEL})
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    path = folder / "model.onnx"
    path.write_bytes(made.SerializeToString())
    return path


def kernel_of(graph: Graph) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    operation = graph.nodes[0].operation
    assert isinstance(operation, Convolution)
    found: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = operation.kernel.array
    return found


@pytest.mark.parametrize("location", ["weights.bin", "sub/weights.bin", "./weights.bin"])
def test_external_data_under_the_folder_is_read_when_asked(tmp_path: Path, location: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / location).write_bytes(b"1234" + KERNEL.tobytes())
    path = external(tmp_path, location=location, offset="4", length=str(KERNEL.nbytes))
    np.testing.assert_array_equal(kernel_of(read(path, external_data=True)), KERNEL)
    with pytest.raises(UnstrideError, match="only the shape"):
        kernel_of(read(path))


def test_external_data_needs_a_path(tmp_path: Path) -> None:
    path = external(tmp_path, location="w")
    with pytest.raises(UnstrideError, match="beside a model"):
        read(path.read_bytes(), external_data=True)


@pytest.mark.parametrize(
    "location",
    [
        "../canary",
        "/etc/passwd",
        "a/../../canary",
        "",
        ".",
        "..",
        "C:\\canary",
        "\\\\host\\canary",
        "can\0ary",
        "a\\..\\b",
    ],
)
def test_external_data_outside_is_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "canary").write_bytes(KERNEL.tobytes())
    (tmp_path / "models").mkdir()
    path = external(tmp_path / "models", location=location)
    before = (tmp_path / "canary").stat().st_atime_ns
    with pytest.raises(UnstrideError):
        kernel_of(read(path, external_data=True))
    assert (tmp_path / "canary").stat().st_atime_ns == before


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "canary").write_bytes(KERNEL.tobytes())
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "symbolic").symlink_to("../canary")
    (folder / "up").symlink_to("..")
    os.link(tmp_path / "canary", folder / "hard")
    os.mkfifo(folder / "pipe")
    for location in ("symbolic", "up/canary", "hard", "pipe"):
        with pytest.raises(UnstrideError, match=r"link|regular"):
            read(external(folder, location=location), external_data=True)


def test_a_link_put_there_after_the_model_was_read(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(KERNEL.tobytes())
    graph = read(external(tmp_path, location="weights"), external_data=True)
    (tmp_path / "canary").write_bytes(KERNEL.tobytes())
    (tmp_path / "weights").unlink()
    (tmp_path / "weights").symlink_to("canary")
    with pytest.raises(UnstrideError):
        kernel_of(graph)


@pytest.mark.parametrize(
    "entries",
    [
        {"offset": "-1"},
        {"offset": "1e3"},
        {"offset": str(2**63)},
        {"length": "3"},
        {"length": str(10**30)},
        {"offset": "1"},
        {"strange": "1"},
    ],
)
def test_offsets_and_lengths_are_bounded(tmp_path: Path, entries: dict[str, str]) -> None:
    (tmp_path / "weights").write_bytes(KERNEL.tobytes())
    with pytest.raises(UnstrideError):
        read(external(tmp_path, location="weights", **entries), external_data=True)
