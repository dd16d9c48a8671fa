"""Tiles partition the output, need no more than they must, and equal the whole bit for bit."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st
from numpy.typing import NDArray

import unstride
from unstride import UnstrideError, parse
from unstride.geometry import Axis
from unstride.network import Features, GlobalPool, Graph, Input, Node, Pad, Resize, evaluate
from unstride.scale.parts import Parts
from unstride.scale.source import network
from unstride.scale.tiles import Tiling, cut
from unstride.scale.windows import windows
from unstride.testing.networks import Sized, networks
from unstride.testing.strategies import axes

Array = NDArray[Any]


def tiled(tiling: Tiling, x: Array) -> Array:
    """The output put together from its tiles; every element is written once."""
    last = tiling.graph.channels_last
    name, parts = tiling.graph.inputs[0].name, Parts(last)
    canonical = np.moveaxis(x, -1, 1) if last else x
    y: Array | None = None
    written = np.zeros(tiling.output_shape, int)
    for tile in tiling:
        window = tuple(slice(run.start, run.stop) for run in tile.windows[name])
        part = canonical[(slice(tile.batch.start, tile.batch.stop), slice(None), *window)]
        made = parts.tile(tiling, tile, {name: part})
        y = np.empty(tiling.output_shape, made.dtype) if y is None else y
        y[tile.place(last)] = np.moveaxis(made, 1, -1) if last else made
        written[tile.place(last)] += 1
    assert y is not None
    assert (written == 1).all()
    return y


def tileable(found: Sized, batch: int = 1) -> Tiling:
    """The network cut into single elements; networks that need all of their input are not asked about."""
    graph, size = found
    try:
        tiling = Tiling(graph, {graph.inputs[0].name: size}, batch, (1,) * (len(size) + 1))
        tiling.regions(tuple(range(1) for _ in size))
    except UnstrideError:
        reject()
    return tiling


@given(st.booleans().flatmap(lambda exact: networks(exact=exact)), st.data())
def test_tiles_of_a_network_are_the_whole_bit_for_bit(found: Sized, data: st.DataObject) -> None:
    single = tileable(found, batch=2)
    shape = tuple(data.draw(st.integers(1, length)) for length in single.whole)
    x = found.input(2)
    if data.draw(st.booleans()):
        x = (x + np.random.default_rng(0).standard_normal(x.shape)).astype(np.float32)
    y = tiled(Tiling(found.graph, single.sizes, 2, shape), x)
    whole = evaluate.run(found.graph, x)
    assert isinstance(whole, np.ndarray)
    assert y.dtype == whole.dtype
    np.testing.assert_array_equal(y, whole)


LAYERS = [
    "torch.nn.ConvTranspose2d(5, 3, 3, stride=2, padding=1, output_padding=1)",
    "torch.nn.ConvTranspose2d(8, 16, (4, 2), stride=(3, 5), dilation=2, bias=False)",
    "torch.nn.ConvTranspose2d(6, 6, 3, stride=2, groups=6)",
    "torch.nn.Conv2d(5, 40, 3, padding=1)",
    "keras.layers.Conv2DTranspose(3, 4, strides=2, padding='same', activation='tanh')",
    "keras.layers.Conv2DTranspose(70, 3, strides=2, padding='same')",
    "keras.layers.Conv2D(9, 5, strides=2, padding='same')",
]


@pytest.mark.parametrize(
    ("code", "dtype"),
    [
        (code, dtype)
        for code in LAYERS
        for dtype in ("float32", "float64", "int32")
        if dtype != "int32" or "activation" not in code
    ],
)
def test_tiles_of_a_layer_have_the_bits_of_run(code: str, dtype: str) -> None:
    spec, random = parse(code), np.random.default_rng(0)
    channels = getattr(spec, "in_channels", 4)
    layer = spec.read(spec.data_layout(4).join(2, channels, (45, 67)))
    sizes = spec.data_layout(4).join(2, channels, (45, 67)), spec.weight_layout(2).shape(layer), (layer.out_channels,)
    draw = random.integers(-9, 9, sizes[0]) if dtype == "int32" else random.standard_normal(sizes[0])
    x, kernel, bias = draw.astype(dtype), *((9 * random.standard_normal(s)).astype(dtype) for s in sizes[1:])
    given_bias = bias if layer.bias else None
    graph = network(spec, kernel, given_bias)
    whole = unstride.run(spec, x, kernel, given_bias)
    for shape in ((1, 7, 13), (2, 64, 16), (1, 1, 200)):
        y = tiled(Tiling(graph, {"x": (45, 67)}, 2, shape, dtype), x)
        assert y.dtype == whole.dtype
        np.testing.assert_array_equal(y, whole)


@given(axes(), st.data())
def test_windows_of_an_axis_are_tight(axis: Axis, data: st.DataObject) -> None:
    """No index outside is met, and both ends are."""
    smalls = [[each.small for each in axis.taps(at)] for at in range(axis.large)]
    larges = [[each.large for each in axis.stamp(at)] for at in range(axis.small)]
    for met, windowed in ((smalls, axis.small_window), (larges, axis.large_window)):
        start = data.draw(st.integers(0, len(met)))
        stop = data.draw(st.integers(start, len(met)))
        needed = [index for indices in met[start:stop] for index in indices]
        assert windowed(start, stop) == (range(min(needed), max(needed) + 1) if needed else range(0))


@given(axes(), st.data())
def test_a_part_of_an_axis_has_the_products_of_the_whole(axis: Axis, data: st.DataObject) -> None:
    assume(axis.small and axis.large)
    small, large = (range(*sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2)))) for n in (axis.small, axis.large))
    part = axis.part(small, large)
    made = {(c.small + small.start, c.tap, c.large + large.start) for at in range(part.large) for c in part.taps(at)}
    whole = {(c.small, c.tap, c.large) for at in large for c in axis.taps(at) if c.small in small}
    assert made == whole


@given(
    st.integers(1, 9),
    st.tuples(st.integers(-2, 6), st.integers(-2, 6)),
    st.sampled_from(["constant", "reflect", "edge"]),
    st.data(),
)
def test_windows_of_a_margin_hold_what_it_holds(
    length: int, margins: tuple[int, int], mode: Any, data: st.DataObject
) -> None:
    operation = Pad((margins,), mode)
    try:
        size = operation.output(Features(1, (length,))).size[0]
    except UnstrideError:
        reject()
    start = data.draw(st.integers(0, size - 1))
    out = range(start, data.draw(st.integers(start + 1, size)))
    (window,) = windows(operation, (Features(1, (length,)),))[0](out)
    x = np.arange(1, length + 1).reshape(1, 1, -1)
    held = evaluate.compute(operation, x)[0, 0, out.start : out.stop]
    needed = sorted({int(each) - 1 for each in held if each})
    if needed:
        assert (window.start, window.stop - 1) == (needed[0], needed[-1])
    else:
        assert len(window) == 1


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("factor", [1, 2, 3, 5])
def test_windows_of_a_resize_are_what_changes_it(mode: Any, factor: int) -> None:
    operation, length = Resize((factor,), mode), 6
    x = np.zeros((1, 1, length))
    before = evaluate.compute(operation, x)
    for start, stop in product(range(length * factor), repeat=2):
        if start >= stop:
            continue
        (window,) = windows(operation, (Features(1, (length,)),))[0](range(start, stop))
        changed = []
        for at in range(length):
            x[0, 0, at] = 1
            changed += [at] * bool((evaluate.compute(operation, x) != before)[0, 0, start:stop].any())
            x[0, 0, at] = 0
        assert window.start <= changed[0]
        assert window.stop > changed[-1]
        assert len(window) <= len(changed) + 1  # a centre's far neighbour may have no share


def test_tiles_are_told_before_anything_is_computed() -> None:
    graph = network(parse("torch.nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1, bias=False)"), np.ones((1, 1, 4, 4)))
    tiling = cut(graph, {"x": (8, 10)}, tile=(1, 8, 8))
    facts = tiling.facts(tiling[1])
    assert facts["output"] == [[0, 8], [8, 16]]
    assert facts["inputs"] == {"x": [[0, 5], [3, 9]]}
    assert facts["missing_edges"] == {"x": [[False, True], [True, True]]}
    assert facts["phase"] == [1, 1]
    assert str(tiling).splitlines() == [
        "output (1, 1, 16, 20), float32: 6 tiles of (1, 8, 8), grid (1, 2, 3)",
        "input (1, 1, 8, 10), read 1.75 times in all",
        f"{tiling.bytes:,} bytes a tile, {tiling.weight_bytes:,} for weights",
        "  [0:8, 0:8] <- [0:5, 0:5]",
        "  [0:8, 8:16] <- [0:5, 3:9]",
        "  [0:8, 16:20] <- [0:5, 7:10]",
        "  [8:16, 0:8] <- [3:8, 0:5]",
        "  … 2 more",
    ]


def test_tiles_keep_to_the_memory_and_to_chunks() -> None:
    graph = network(parse("torch.nn.Conv3d(4, 8, 3, padding=1)"), np.ones((8, 4, 3, 3, 3)), np.ones(8))
    sizes = {"x": (64, 64, 64)}
    for memory in (2**22, 2**24, 2**26):
        tiling = cut(graph, sizes, memory=memory, align=(1, 8, 8, 8), workers=2)
        assert 2 * tiling.bytes + tiling.weight_bytes <= memory
        assert all(own % 8 == 0 for own in tiling.shape[1:])
    assert cut(graph, sizes, memory=2**26).read_share < cut(graph, sizes, memory=2**22).read_share
    with pytest.raises(UnstrideError, match="allow more memory") as caught:
        cut(graph, sizes, memory=10_000, align=(1, 8, 8, 8))
    assert caught.value.reason is unstride.Reason.TOO_LARGE
    with pytest.raises(UnstrideError, match="whole chunks"):
        cut(graph, sizes, tile=(1, 12, 8, 8), align=(1, 8, 8, 8))


def test_the_share_read_is_counted_right() -> None:
    graph = network(parse("torch.nn.Conv2d(2, 3, 3, padding=1)"), np.ones((3, 2, 3, 3)), np.ones(3))
    tiling = cut(graph, {"x": (17, 23)}, tile=(1, 5, 6))
    read = sum(len(a) * len(b) for a, b in (tile.windows["x"] for tile in tiling))
    assert tiling.read_share == read / (17 * 23)


def test_what_needs_its_whole_input_is_named() -> None:
    graph = Graph(
        "g", (Input("x", 1, (None, None)),), (Node("squeeze", GlobalPool("average", keep=True), ("x",)),), ("squeeze",)
    )
    with pytest.raises(UnstrideError, match="squeeze") as caught:
        cut(graph, {"x": (8, 8)})
    assert "needs the whole of its input" in caught.value.rule
