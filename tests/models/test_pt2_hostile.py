"""Broken and hostile archives: an UnstrideError, in bounded memory and time."""

import io
import struct
import time
import tracemalloc
import zipfile
from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.pt2_builders import WEIGHT, archive, call, changed, config, named, program, tensor
from unstride.errors import Reason, UnstrideError
from unstride.models.pt2 import read_archive
from unstride.models.torch_constants import FOLDS
from unstride.models.torch_graph import READERS, build
from unstride.network.sizes import propagate


def everything(data: bytes) -> None:
    """Read it, find its shapes, load its weights."""
    graph = build(read_archive(data))
    propagate(graph, {given.name: tuple(length or 9 for length in given.size) for given in graph.inputs})
    for node in graph.nodes:
        for stored in node.operation.weights.values():
            if stored.known:
                assert stored.array.shape == stored.shape


def refused(data: bytes) -> UnstrideError:
    with pytest.raises(UnstrideError) as caught:
        everything(data)
    assert caught.value.reason in (Reason.FILE, Reason.TOO_LARGE)
    return caught.value


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


HOSTILE = {
    "no zip": b"PK\3\4 and then nothing",
    "empty": b"",
    "another schema": archive(changed("schema_version.major", 9)),
    "no schema": archive(b"{}"),
    "no JSON": archive(b"{"),
    "a list": archive(b"[1]"),
    "deep nesting": archive(changed("graph_module.graph.nodes", deep(300))),
    "a number of 10,000 digits": archive(b'{"schema_version": {"major": ' + b"9" * 10_000 + b"}}"),
    "a name used before it is made": archive(changed("graph_module.graph.nodes.0.inputs.0.arg", named("relu"))),
    "an input without a shape": archive(changed("graph_module.graph.tensor_values", {})),
    "a name that cannot be printed": archive(changed("graph_module.graph.nodes.1.outputs", [named("\x1b[2J")])),
    "an argument with two kinds": archive(changed("graph_module.graph.nodes.1.outputs", [{**named("y"), "as_int": 1}])),
    "a larger shape than its bytes": archive(weights=config(tensor_meta=tensor(2, 3, 3, 4))),
    "an enormous shape": archive(
        changed("graph_module.graph.tensor_values.p_w", tensor(2**40, 3, 3, 3)),
        config(tensor_meta=tensor(2**40, 3, 3, 3, strides=(0, 0, 0, 0))),
    ),
    "a negative stride": archive(weights=config(tensor_meta=tensor(2, 3, 3, 3, strides=(-27, 9, 3, 1), offset=27))),
    "a negative offset": archive(weights=config(tensor_meta=tensor(2, 3, 3, 3, offset=-1))),
    "an offset behind the end": archive(weights=config(tensor_meta=tensor(2, 3, 3, 3, offset=1))),
    "a stride behind the end": archive(weights=config(tensor_meta=tensor(2, 3, 3, 3, strides=(2**50, 9, 3, 1)))),
    "a symbolic shape": archive(weights=config(tensor_meta=tensor("s0", 3, 3, 3))),
    "another shape than the program's": archive(weights=config(tensor_meta=tensor(3, 2, 3, 3))),
    "a missing payload": archive(weights=config(path_name="weight_1")),
    "a payload elsewhere": archive(weights=config(path_name="../../../../etc/passwd")),
    "compressed weights": archive(payload=bytes(WEIGHT.nbytes), compression=zipfile.ZIP_DEFLATED),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused(name: str) -> None:
    refused(HOSTILE[name])


def test_an_archive_with_no_program_says_so() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr("a/archive_format", "pt2")
        made.writestr("a/data/aotinductor/model/x.so", b"")
    assert "no program" in str(refused(stream.getvalue()))
    assert "torch.export.save" in str(refused(b"".join([b"PK\5\6", bytes(18)])))


def test_a_bomb_of_text_is_not_unpacked() -> None:
    data = archive(b" " * (80 * 2**20), compression=zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    assert refused(data).reason is Reason.TOO_LARGE
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22


def test_a_payload_longer_than_the_file_allocates_nothing() -> None:
    data = bytearray(archive())
    entry = data.rindex(b"PK\1\2")  # the last one of the directory: the weights'
    struct.pack_into("<II", data, entry + 20, 2**31, 2**31)  # compressed and uncompressed size
    tracemalloc.start()
    refused(bytes(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22


def chained(calls: int) -> bytes:
    """A program of that many calls in place, one after the other."""
    root = program()
    graph = root["graph_module"]["graph"]
    for index in range(calls - 2):
        graph["nodes"].append(call("relu_.default", f"y{index}", self=named(f"y{index - 1}" if index else "relu")))
        graph["tensor_values"][f"y{index}"] = graph["tensor_values"]["relu"]
    root["graph_module"]["signature"]["output_specs"] = [{"user_output": {"arg": named(f"y{calls - 3}")}}]
    return archive(root)


def test_many_calls_take_time_in_proportion() -> None:
    times = {}
    for calls in (1000, 8000):
        data = chained(calls)
        start = time.process_time()
        assert len(build(read_archive(data)).nodes) == calls
        times[calls] = time.process_time() - start
    assert times[8000] < 30 * max(times[1000], 0.01)


def test_more_than_a_hundred_thousand_calls_are_refused_before_they_are_read() -> None:
    data = archive(changed("graph_module.graph.nodes", [1] * 100_001))
    start = time.process_time()
    assert refused(data).reason is Reason.TOO_LARGE
    assert time.process_time() - start < 2


WORDS = st.sampled_from([
    *(None, True, -1, 0, 3, 2**62, 2**80, 1e308, float("inf"), "", "x", "conv2d", "p_w", [], {}, [[]], [1, 2]),
    *(named("x"), named("p_w"), {"as_int": -3}, {"as_ints": [0, -1, 2**61]}, {"as_tensors": [{"name": "x"}]}),
    *({"as_sym_ints": [{"as_name": "n"}, {"as_int": 2}]}, {"as_float": "NaN"}, {"as_none": True}),
    {"as_string": "same"},
])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_entry_may_be_another(data: st.DataObject) -> None:
    """Entries of the program and of the weights' configuration are replaced, deleted, or given to other operators."""
    root: Any = {"program": program(), "config": config()}
    for _ in range(data.draw(st.integers(1, 3))):
        place: Any = root
        key: Any = None
        parent: Any = None
        while isinstance(place, (dict, list)) and place and data.draw(st.integers(0, 12)):
            keys = sorted(place) if isinstance(place, dict) else range(len(place))
            parent, key = place, data.draw(st.sampled_from(keys))
            place = place[key]
        if parent is not None:
            parent[key] = deepcopy(data.draw(WORDS))
    nodes = root["program"]["graph_module"]["graph"]["nodes"] if _whole(root) else []
    for node in nodes if isinstance(nodes, list) else []:
        if isinstance(node, dict) and data.draw(st.booleans()):
            name = data.draw(st.sampled_from(sorted({*READERS, *FOLDS})))
            node["target"] = f"torch.ops.aten.{name}{data.draw(st.sampled_from(['', '_']))}.default"
    with suppress(UnstrideError):
        everything(archive(root["program"], root["config"]))


def _whole(root: Any) -> bool:
    try:
        return bool(root["program"]["graph_module"]["graph"]["nodes"])
    except (KeyError, TypeError):
        return False
