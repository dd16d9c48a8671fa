"""Rows of channels-first arrays: exact on integers, at every edge, for every end, on every CPU that runs here."""

from __future__ import annotations

import math
from array import array
from dataclasses import replace
from functools import partial
from hashlib import sha256
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unstride.engine import execute
from unstride.engine.jit import cache, plans, pool, rows, rows_pieces, rows_shape, rows_weights
from unstride.engine.jit.activations import BOUNDS
from unstride.engine.jit.ends import End
from unstride.engine.jit.product import Product
from unstride.engine.jit.records import HEADER, WORD, size
from unstride.engine.jit.rows_records import Task
from unstride.engine.jit.target import Target, host
from unstride.engine.threads import sharing
from unstride.geometry import Axis, Layer

from .drawn import Draw, beside, runnable

Array = NDArray[Any]


@pytest.fixture(autouse=True)
def _nothing_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled is what the modules say now."""
    monkeypatch.setenv(cache.FOLDER_VARIABLE, "off")


def computed(
    layer: Layer,
    x: Array,
    weights: Array,
    bias: Array | None = None,
    residual: Array | None = None,
    *,
    end: End | None = None,
    target: Target | None = None,
    threads: int = 1,
    last: bool = False,
) -> Array:
    """The family's answer, in an output that held NaN, with a scratch that held garbage."""
    end = end or End(bias=bias is not None, residual=residual is not None)
    family = rows.Rows(layer, len(x), x.dtype.name, end, target or host(), last=last)
    packed, addend = family.pack_weights(weights), None if bias is None else family.pack_bias(bias)
    y = np.full((len(x), layer.out_channels, *layer.output_size), np.nan, x.dtype)
    if last:
        x, y = beside(x), beside(y)
        residual = None if residual is None else beside(residual)
    made = family.tables
    scratch = np.full((threads, made.scratch), 0xFF, np.uint8)
    scratch[:, :HEADER] = 0
    others = (0 if array is None else array.ctypes.data for array in (addend, y, residual))
    call = array("q", (made.plan.ctypes.data, x.ctypes.data, packed.ctypes.data, *others, scratch.ctypes.data, 0, 0))
    pool.run(family.task, call.buffer_info()[0], made.task_count, threads)
    return np.moveaxis(y, -1, 1) if last else y


def layouts(layer: Layer, target: Target | None = None) -> list[bool]:
    """Channels first; and last, where that can be."""
    return [False, True] if rows.can_last(layer, (target or host()).registers) else [False]


def defined(layer: Layer, x: Array, weights: Array, bias: Array | None = None, residual: Array | None = None) -> Array:
    with np.errstate(all="ignore"):
        found = execute.run(layer, x, weights, bias, engine="blas")
        return found if residual is None else found + residual


class Drawn(Draw):
    """Random layers, all of whose sums are exact."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.numbers = np.random.RandomState(seed)

    def layer(self) -> Layer:
        draw, choice = self.random.randint, self.random.choice
        transposed, groups = self.random.random() < 0.7, choice([1, 1, 2, 3, 7])
        ins, outs = (1, 1) if self.random.random() < 0.3 else (choice([1, 3, draw(1, 20)]), choice([1, 3, draw(1, 9)]))
        sides = (ins, outs) if transposed else (outs, ins)
        outer = [self.axis(6, 4) for _ in range(draw(0, 2))]
        last = self.axis(choice([9, 40, 150]), 9 if transposed else 1)
        while not (transposed or last.stride == 1):
            last = self.axis(40, 1)
        return Layer((*outer, last), sides[0] * groups, sides[1] * groups, groups, transposed)

    def integers(self, *shape: int, dtype: str) -> Array:
        return self.numbers.randint(-3, 4, shape).astype(dtype)

    def arrays(self, layer: Layer, dtype: str) -> tuple[Array, Array, Array, Array]:
        """Input, weights, bias, residual."""
        batch = self.random.randint(1, 3)
        x = self.integers(batch, layer.in_channels, *layer.input_size, dtype=dtype)
        factors = (layer.small_channels, layer.large_channels // layer.groups, *layer.kernel)
        weights, bias = self.integers(*factors, dtype=dtype), self.integers(layer.out_channels, dtype=dtype)
        return x, weights, bias, self.integers(batch, layer.out_channels, *layer.output_size, dtype=dtype)


def force_tile(monkeypatch: pytest.MonkeyPatch, seed: float) -> None:
    """Any tile that there is."""
    monkeypatch.setattr(rows_shape.Shape, "cost", lambda _, tile, __: sha256(f"{seed} {tile}".encode()).digest())


def force(monkeypatch: pytest.MonkeyPatch, drawn: Drawn) -> None:
    """Any tile, small pieces, packed inputs or not: what large layers would meet."""
    choice, seed = drawn.random.choice, drawn.random.random()
    if choice([True, False]):
        force_tile(monkeypatch, seed)
    monkeypatch.setattr(rows_pieces, "TASKS", choice([1, 24, 1000]))
    monkeypatch.setattr(rows, "TASKS", choice([1, 24, 1000]))
    monkeypatch.setattr(rows_pieces, "SMALLEST", choice([1, 2, 16]))
    monkeypatch.setattr(rows_pieces, "CACHED", choice([300, 3000, 1 << 20]))
    monkeypatch.setattr(rows_shape, "PACKED_INPUTS", choice([1, 10**6]))
    monkeypatch.setattr(rows_shape, "PACKED_PRODUCTS", 0)


@pytest.mark.parametrize("seed", range(32))
def test_rows_are_exact(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn(seed)
    force(monkeypatch, drawn)
    layer, dtype = drawn.layer(), drawn.random.choice(["float32", "float64"])
    x, weights, *added = drawn.arrays(layer, dtype)
    bias, residual = (each if drawn.random.random() < 0.5 else None for each in added)
    for last in layouts(layer):
        found = computed(layer, x, weights, bias, residual, last=last)
        np.testing.assert_array_equal(found, defined(layer, x, weights, bias, residual), str(layer))


@pytest.mark.parametrize("seed", range(100, 116))
def test_what_is_no_product_is_not_multiplied(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn(seed)
    force(monkeypatch, drawn)
    layer = drawn.layer()
    x, weights, *_ = drawn.arrays(layer, "float32")
    for array_, value in ((weights, drawn.random.choice([np.inf, -np.inf, np.nan])), (x, np.inf)):
        if array_.size and drawn.random.random() < 0.7:
            array_.flat[drawn.random.randrange(array_.size)] = value
    for last in layouts(layer):
        np.testing.assert_array_equal(computed(layer, x, weights, last=last), defined(layer, x, weights), str(layer))


CPUS = ("haswell", "x86-64")


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("seed", range(200, 205))
def test_rows_are_exact_on_another_cpu(seed: int, cpu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target, drawn = runnable(cpu), Drawn(seed)
    force(monkeypatch, drawn)
    layer, dtype = drawn.layer(), drawn.random.choice(["float32", "float64"])
    x, weights, bias, residual = drawn.arrays(layer, dtype)
    for last in layouts(layer, target):
        found = computed(layer, x, weights, bias, residual, target=target, last=last)
        np.testing.assert_array_equal(found, defined(layer, x, weights, bias, residual), str(layer))


def square(size: int, kernel: int, stride: int, before: int, ins: int, outs: int, groups: int = 1) -> Layer:
    large = (size - 1) * stride + kernel - 2 * before
    return Layer((Axis(size, large, kernel, stride, 1, before),) * 2, ins, outs, groups)


KNOWN = {
    "to three channels": square(16, 4, 2, 1, 16, 3),
    "depthwise": square(37, 4, 2, 1, 5, 5, 5),
    "phases without taps": square(9, 2, 5, 0, 3, 2),
    "more phases than registers": square(11, 40, 20, 3, 2, 1),
    "no input": Layer((Axis(0, 7, 3, 2),) * 2, 2, 2),
    "no output": Layer((Axis(3, 0, 3, 2), Axis(3, 7, 3, 2)), 2, 2),
    "a long row": Layer((Axis(3000, 6001, 3, 2, 1, 0),), 4, 1),
    "no taps": Layer((Axis(2, 1, 1, 2, 1, 1),), 8, 31),
    "short rows": Layer((Axis(9, 17, 3, 2, 1, 1), Axis(7, 14, 4, 2, 1, 1)), 6, 5),
}


BOTH = [(layer, last) for layer in KNOWN.values() for last in layouts(layer)]


@pytest.mark.parametrize(("layer", "last"), BOTH)
@pytest.mark.parametrize("name", [None, "leaky_relu", "gelu"])
def test_ends(layer: Layer, last: bool, name: str | None) -> None:
    x, weights, bias, residual = Drawn(7).arrays(layer, "float32")
    end = End(bias=True, residual=True, activation=name, parameters=(0.25,) if name == "leaky_relu" else ())
    found = computed(layer, x, weights, bias, residual, end=end, last=last)
    sums = defined(layer, x, weights, bias, residual)
    if name == "gelu":
        double = sums.astype(np.float64)
        exact = 0.5 * double * np.vectorize(math.erfc, otypes=[float])(double / -math.sqrt(2))
        limits = np.finfo(np.float32)
        np.testing.assert_allclose(found, exact, BOUNDS[name] * float(limits.eps), float(limits.smallest_subnormal))
        return
    slope = 1.0 if name is None else 0.25
    np.testing.assert_array_equal(found, np.where(sums < 0, slope * sums, sums))


@pytest.mark.parametrize("name", ["to three channels", "depthwise", "a long row"])
def test_threads_do_not_change_a_bit(name: str) -> None:
    layer, numbers = KNOWN[name], np.random.RandomState(3)
    x = numbers.standard_normal((2, layer.in_channels, *layer.input_size)).astype(np.float32)
    factors = (layer.small_channels, layer.large_channels // layer.groups, *layer.kernel)
    weights = numbers.standard_normal(factors).astype(np.float32)
    one = computed(layer, x, weights)
    for threads in (2, 3, 8):
        assert computed(layer, x, weights, threads=threads).tobytes() == one.tobytes()


@pytest.mark.parametrize("name", ["to three channels", "depthwise", "short rows", "a long row"])
def test_tiles_do_not_change_a_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, numbers = KNOWN[name], np.random.RandomState(4)
    x = numbers.standard_normal((2, layer.in_channels, *layer.input_size)).astype(np.float32)
    factors = (layer.small_channels, layer.large_channels // layer.groups, *layer.kernel)
    weights = numbers.standard_normal(factors).astype(np.float32)
    usual, tiles = computed(layer, x, weights), set[rows_shape.Block]()
    for seed in range(4):
        force_tile(monkeypatch, seed)
        tiles.add(rows_shape.Shape(layer, 2, "float32", End(), host()).tile)
        assert computed(layer, x, weights).tobytes() == usual.tobytes()
    assert len(tiles) > 1


@pytest.mark.parametrize("registers", [16, 32])
@pytest.mark.parametrize("stride", range(1, 17))
def test_what_lies_side_by_side_has_a_tile(stride: int, registers: int) -> None:
    target = replace(host(), registers=registers)
    for outputs in range(1, registers):
        layer = Layer((Axis(64, 64 * stride, stride, stride),), 8, outputs)
        if rows.can_last(layer, registers):
            tile = rows_shape.Shape(layer, 1, "float32", End(), target, last=True).tile
            assert tile.channels == outputs


def test_pieces_cover_every_output_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(300, 340):
        drawn = Drawn(seed)
        force(monkeypatch, drawn)
        layer = drawn.layer()
        shape = rows_shape.Shape(layer, 1, "float32", End(), host())
        size = int(np.prod(layer.output_size[:-1], dtype=int)), shape.places
        met = np.zeros(size, int)
        for piece in rows_pieces.Pieces(shape).all:
            met[piece.rows.start : piece.rows.stop, piece.places.start : piece.places.stop] += 1
        np.testing.assert_array_equal(met, 1)


def test_the_inputs_to_pack_next_are_known_to_the_tasks_before() -> None:
    layer = Layer((Axis(8, 16, 2, 2), *square(24, 4, 2, 1, 64, 9).axes), 64, 9)
    family = rows.Rows(layer, 2, "float32", End(), host())
    tasks = family.tables.kept[0].reshape(-1, size(Task) // WORD).tolist()
    pieces = rows_pieces.Pieces.of(family.shape).all
    shape = (2, layer.in_channels, *layer.input_size)
    assert len(pieces) > 1
    windows = [list(own) for _, own in groupby(tasks, key=itemgetter(Task.WINDOW))]
    assert len(windows) == 2 * len(pieces)
    for before, later in pairwise(windows):
        image, number = divmod(later[0][Task.WINDOW] - 1, len(pieces))
        first, last = zip(*((each.start, each.stop - 1) for each in pieces[number].inputs), strict=True)
        begin, end = (4 * int(np.ravel_multi_index((image, 0, *at), shape)) for at in (first, last))
        shares = [(task[Task.NEXT], task[Task.NEXT_END]) for task in before]
        assert (shares[0][0], shares[-1][1]) == (begin, end + 4)
        assert all(stop == start for (_, stop), (start, _) in pairwise(shares))
    assert all(task[Task.NEXT] >= task[Task.NEXT_END] for task in windows[-1])


def test_neighbouring_pieces_share_few_inputs() -> None:
    conv = replace(square(96, 3, 1, 1, 32, 64), transposed=False)
    shape = rows_shape.Shape(conv, 1, "float32", End(), replace(host(), vector_bytes=64, registers=32))
    assert shape.packs
    alone, found = rows_pieces.Pieces(shape), rows_pieces.Pieces.of(shape)
    inputs = 96 * 96
    assert alone.packed > rows_pieces.OFTEN * inputs > found.packed >= inputs


@pytest.mark.parametrize("transposed", [True, False])
def test_any_number_of_threads_packs_the_same_weights(transposed: bool) -> None:
    layer = replace(square(32, 3, 1, 1, 70, 67), transposed=transposed)
    weights = np.random.RandomState(5).standard_normal((70, 67, 3, 3)).astype(np.float32)
    assert weights.size > rows_weights.SHARED
    family = rows.Rows(layer, 1, "float32", End(), host())
    begin = family.header // weights.itemsize
    with sharing(1):
        alone = family.pack_weights(weights)
    with sharing(4):
        together = family.pack_weights(weights)
        assert together[begin:].tobytes() == alone[begin:].tobytes()
        assert together.view(np.int64)[0] == alone.view(np.int64)[0] == 1
        for place in ((0, 0, 0, 0), (69, 66, 2, 2), (35, 30, 1, 0)):
            for odd in (math.nan, -math.inf):
                spoilt = weights.copy()
                spoilt[place] = odd
                assert family.pack_weights(spoilt).view(np.int64)[0] == 0


def test_tiles_fit_the_registers() -> None:
    for registers in (16, 32):
        target = replace(host(), registers=registers)
        for layer in KNOWN.values():
            shape = rows_shape.Shape(layer, 1, "float32", End(), target)
            tapped = max(each.tapped for each in shape.passes)
            assert shape.tile.sums(tapped) + shape.tile.inputs + 1 <= registers


def suits(layer: Layer, lanes: int, registers: int, *, first: bool = True) -> bool:
    """Whether rows are faster than lanes of columns, of which some may be idle."""
    columns = layer.out_channels // layer.groups
    return rows.suits(layer, first, lanes, registers, -(-columns // lanes) * lanes / columns)


def test_what_suits() -> None:
    few = partial(suits, lanes=8, registers=16)
    for layer, other, chosen in ((square(96, 3, 2, 1, 3, 3), 8 / 3, True), (square(20, 4, 2, 1, 8, 4), 1, False)):
        assert rows.suits_last(layer, 8, 16, other) is chosen
    assert not rows.can_last(square(96, 3, 2, 1, 3, 8), 16)
    # what is interleaved by halves is written sooner than 23 vectors of which each gives to all
    for channels in (16, 23):
        assert rows.suits_last(square(64, 1, 1, 0, 1, channels), 16, 32, 32 / channels) is (channels == 16)
    assert few(square(32, 4, 2, 1, 64, 3))
    assert few(square(128, 4, 2, 1, 21, 21, 21))
    assert not few(square(32, 4, 2, 1, 64, 3), first=False)
    assert not few(square(4, 4, 2, 1, 64, 64))
    assert not few(square(4, 4, 2, 1, 64, 64, 64))
    assert not few(replace(square(32, 4, 2, 1, 3, 64), transposed=False))


def test_full_rows_are_as_fast_as_channels() -> None:
    """Wide layers run along their rows where these fill the lanes, and along their channels where they do not."""
    many = partial(suits, lanes=16, registers=32)
    for wide, chosen in ((64, True), (48, True), (40, False), (20, False), (8, False)):
        assert many(square(wide, 3, 2, 1, 128, 64)) is chosen
    assert not many(square(16, 3, 2, 1, 512, 256))
    assert many(square(40, 3, 2, 1, 128, 20))


@pytest.mark.parametrize("first", [False, True])
def test_many_parts_of_few_outputs_are_rows(first: bool) -> None:
    """The other family has a tile for each; few tiles of many products are its own, however short rows are."""
    steps = ((3, 11, 1, 4, 0), (1, 4, 2, 5, 1), (8, 62, 2, 8, 1))
    parts = Layer(
        tuple(Axis(small, large, kernel, stride, 1, before) for small, large, kernel, stride, before in steps), 1, 2
    )
    short = Layer((Axis(144, 281, 4, 2), Axis(3, 5, 7, 6)), 113, 1)
    few = first or rows.can_last(parts, host().registers)
    for layer, family in ((parts, rows.Rows if few else Product), (short, Product)):
        assert isinstance(plans.bind(layer, 1, "float32", End(), channels_first=first).family, family)


@pytest.mark.parametrize("channels", range(1, 20))
def test_the_length_of_a_single_axis_does_not_choose(channels: int) -> None:
    """Pieces of a stream have the bits of the whole, so the same family."""
    for inputs in (1, 64, 512):
        chosen = {
            suits(Layer((Axis(length, 2 * length, 4, 2, before=1),), inputs, channels), lanes=8, registers=16)
            for length in (1, 20, 1000, 10**6)
        }
        assert len(chosen) == 1
