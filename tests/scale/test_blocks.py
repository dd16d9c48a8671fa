"""What a model is fed for a block gives it the very numbers that the whole has there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from unstride import UnstrideError, parse
from unstride.network import Convolution, Features, Graph, Input, Merge, Node, Pad, Pool, Resize, Stored, evaluate
from unstride.network.sizes import freed
from unstride.scale.blocks import Blocks, function
from unstride.scale.source import network
from unstride.scale.tiles import Tiling
from unstride.testing.networks import Sized, networks

Array = NDArray[Any]


def whole(graph: Graph, x: Array) -> Array:
    y = evaluate.run(graph, x)
    assert isinstance(y, np.ndarray)
    return y


def spatial(graph: Graph, place: tuple[slice, ...]) -> tuple[slice, ...]:
    every = slice(None)
    return (every, *place, every) if graph.channels_last else (every, every, *place)


def tiled(graph: Graph, size: tuple[int, ...]) -> Tiling:
    """The network's tiling; networks that need all of their input are not asked about."""
    try:
        tiling = Tiling(graph, {graph.inputs[0].name: size}, 1, (1,) * (len(size) + 1))
        tiling.regions(tuple(range(1) for _ in size))
    except UnstrideError:
        reject()
    return tiling


def check(tiling: Tiling, x: Array, output: tuple[range, ...]) -> None:
    """The model fed with the block's window has the whole's numbers where the block says."""
    graph, block = tiling.graph, Blocks(tiling)(output)
    window = tuple(slice(run.start, run.stop) for run in block.window)
    made = whole(graph, x[spatial(graph, window)])[spatial(graph, block.place)]
    place = tuple(slice(run.start, run.stop) for run in output)
    wanted = whole(graph, x)[spatial(graph, place)]
    assert made.shape == wanted.shape
    np.testing.assert_array_equal(made, wanted)


@settings(max_examples=settings().max_examples // 5)
@given(networks(exact=True), st.data())
def test_what_a_block_says_is_right_is_right(found: Sized, data: st.DataObject) -> None:
    graph = freed(found.graph)
    longer = tuple(length + data.draw(st.integers(0, 25 // len(found.size))) for length in found.size)
    try:
        evaluate.run(graph, Sized(graph, longer).input())
    except UnstrideError:
        longer = found.size  # skip connections that fit at few sizes only
    tiling = tiled(graph, longer)
    starts = (data.draw(st.integers(0, length - 1)) for length in tiling.result.size)
    output = tuple(
        range(start, data.draw(st.integers(start + 1, length)))
        for start, length in zip(starts, tiling.result.size, strict=True)
    )
    check(tiling, Sized(graph, longer).input(), output)


@settings(max_examples=settings().max_examples // 3)
@given(networks(exact=True, rank=1, levels=1), st.data())
def test_right_is_told_for_any_window(found: Sized, data: st.DataObject) -> None:
    """Also for one that is not aligned: there, fewer outputs are right, or none."""
    graph = freed(found.graph)
    tiling = tiled(graph, found.size)
    start = data.draw(st.integers(0, found.size[0] - 1))
    window = range(start, data.draw(st.integers(start + 1, found.size[0])))
    made = Blocks(tiling).fed(0, window)
    if made is None:
        return
    x = Sized(graph, found.size).input()
    y = np.moveaxis(whole(graph, x), 1 if graph.channels_last else 2, 0)
    fed = whole(graph, x[spatial(graph, (slice(window.start, window.stop),))])
    fed = np.moveaxis(fed, 1 if graph.channels_last else 2, 0)
    assert len(fed) == len(made.right)
    for at in np.flatnonzero(made.right):
        np.testing.assert_array_equal(fed[at], y[at + made.offset])


def chain(*operations: Any, channels: int = 1) -> Graph:
    names = ["x", *(f"n{at}" for at in range(len(operations)))]
    nodes = tuple(Node(names[at + 1], operation, (names[at],)) for at, operation in enumerate(operations))
    return Graph("chain", (Input("x", channels, (None,)),), nodes, (names[-1],))


def layer(code: str, kernel: int) -> Convolution:
    return Convolution(parse(code), Stored.of(np.arange(1.0, kernel + 1).reshape(1, 1, -1)))


CHAINS = [
    chain(layer("torch.nn.Conv1d(1, 1, 5, padding=2, bias=False)", 5)),
    chain(layer("torch.nn.ConvTranspose1d(1, 1, 2, stride=2, padding=1, bias=False)", 2)),
    chain(
        layer("torch.nn.Conv1d(1, 1, 3, stride=3, padding=1, bias=False)", 3),
        layer("torch.nn.ConvTranspose1d(1, 1, 4, stride=2, padding=1, bias=False)", 4),
    ),
    chain(Pool("average", (3,), (2,), "same_upper"), Pool("average", (3,), (2,), ((1, 1),), counts_padding=True)),
    chain(Pool("max", (2,), (2,), ((0, 0),), ceil=True), Resize((2,), "linear"), Resize((3,))),
    chain(
        Pad(((3, 2),), "reflect"), layer("torch.nn.Conv1d(1, 1, 3, stride=2, bias=False)", 3), Pad(((-1, 4),), "edge")
    ),
]


@pytest.mark.parametrize("graph", CHAINS, ids=lambda graph: " ".join(node.operation.kind for node in graph.nodes))
@pytest.mark.parametrize("length", [96, 97])
def test_blocks_everywhere(graph: Graph, length: int) -> None:
    tiling = Tiling(graph, {"x": (length,)}, 1, (1, 1))
    x = np.random.default_rng(0).integers(-9, 9, (1, 1, length)).astype(np.float64)
    made = tiling.result.size[0]
    for start in range(0, made, 5):
        check(tiling, x, (range(start, min(made, start + 7)),))
    window = Blocks(tiling)((range(made // 2, made // 2 + 4),)).window
    assert len(window[0]) < length // 2


def test_windows_are_no_larger_than_alignment_needs() -> None:
    graph = chain(*[Pool("max", (2,), (2,), ((0, 0),))] * 3, *[Resize((2,))] * 3)
    blocks = Blocks(Tiling(graph, {"x": (100_000,)}, 1, (1, 1)))
    assert blocks.units == (8,)
    assert blocks((range(5000, 5008),)).window == (range(5000, 5008),)
    assert blocks((range(5001, 5009),)).window == (range(5000, 5016),)


def test_a_merge_of_what_lies_apart_is_not_right() -> None:
    nodes = (
        Node("down", Pool("max", (1,), (2,), ((0, 0),)), ("x",)),
        Node("up", Resize((2,)), ("down",)),
        Node("y", Merge("add"), ("x", "up")),
    )
    graph = Graph("g", (Input("x", 1, (None,)),), nodes, ("y",))
    blocks = Blocks(Tiling(graph, {"x": (40,)}, 1, (1, 1)))
    assert blocks.fed(0, range(3, 13)) is None
    made = blocks.fed(0, range(4, 14))
    assert made is not None
    assert made.offset == 4
    assert made.right.all()


def test_inputs_of_several_sizes_are_refused() -> None:
    inputs = Input("a", 1, (None,)), Input("b", 1, (None,))
    graph = Graph("g", inputs, (Node("y", Merge("add"), ("a", "b")),), ("y",))
    with pytest.raises(UnstrideError, match="all its inputs have one size"):
        Blocks(Tiling(graph, {"a": (8,), "b": (1,)}, 1, (1, 1)))
    assert Features(1, (8,)) == Blocks(Tiling(graph, {"a": (8,), "b": (8,)}, 1, (1, 1))).tiling.result


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(UnstrideError, match="function of NumPy arrays"):
        function(3)
    assert network(CHAINS[0]) is CHAINS[0]
