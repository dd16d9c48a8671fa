"""Depthwise layers whose channels lie side by side: exact on integers, at every edge, on every CPU that runs here."""

from __future__ import annotations

from array import array
from dataclasses import replace
from hashlib import sha256
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unstride.engine import execute
from unstride.engine.jit import cache, depthwise, depthwise_shape, plans, pool
from unstride.engine.jit.depthwise_records import Task
from unstride.engine.jit.ends import End
from unstride.engine.jit.records import HEADER, WORD, size
from unstride.engine.jit.target import Target, host, named
from unstride.geometry import Axis, Layer

from .drawn import Draw, beside, runnable
from .product import Numbers, defined

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
) -> Array:
    """The family's answer, in an output that held NaN."""
    end = end or End(bias=bias is not None, residual=residual is not None)
    family = depthwise.Depthwise(layer, len(x), x.dtype.name, end, target or host())
    packed, addend = family.pack_weights(weights), None if bias is None else family.pack_bias(bias)
    y = beside(np.full((len(x), layer.out_channels, *layer.output_size), np.nan, x.dtype))
    given, added = beside(x), None if residual is None else beside(residual)
    scratch, made = np.zeros(threads * HEADER, np.uint8), family.tables
    arrays = (made.plan, given, packed, addend, y, added, scratch)
    call = array("q", (*(0 if each is None else each.ctypes.data for each in arrays), 0, 0))
    pool.run(family.task, call.buffer_info()[0], made.task_count, threads)
    return np.moveaxis(y, -1, 1)


class Drawn(Draw):
    """Random depthwise layers."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.numbers = Numbers(seed)

    def layer(self) -> Layer:
        outer = [self.axis(6, 8) for _ in range(self.random.randint(0, 2))]
        channels = self.random.choice([2, 3, 16, 17, 32, 48, self.random.randint(2, 200)])
        axes = (*outer, self.axis(self.random.choice([4, 9, 40]), 8))
        return Layer(axes, channels, channels, channels, self.random.random() < 0.6)


def force(monkeypatch: pytest.MonkeyPatch, drawn: Drawn) -> None:
    """Any tile that there is, any number of tasks, inputs near or far."""
    seed = drawn.random.random()
    if drawn.random.random() < 0.7:
        monkeypatch.setattr(depthwise_shape.Shape, "cost", lambda _, *tile: sha256(f"{seed} {tile}".encode()).digest())
    monkeypatch.setattr(depthwise, "TASKS", drawn.random.choice([1, 24, 1000]))
    monkeypatch.setattr(depthwise_shape, "NEXT", drawn.random.choice([0, 2**20]))
    monkeypatch.setattr(depthwise_shape, "LAST", drawn.random.choice([0, 2**22]))
    monkeypatch.setattr(depthwise_shape, "NEAR", drawn.random.choice([0, 2**16]))


@pytest.mark.parametrize("seed", range(32))
def test_depthwise_layers_are_exact(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn(seed)
    force(monkeypatch, drawn)
    layer = drawn.layer()
    x, weights, *added = drawn.numbers.arrays(layer, drawn.random.choice(["float32", "float64"]))
    bias, residual = (each if drawn.random.random() < 0.5 else None for each in added)
    found = computed(layer, x, weights, bias, residual)
    np.testing.assert_array_equal(found, defined(layer, x, weights, bias, residual), str(layer))


@pytest.mark.parametrize("seed", range(100, 116))
def test_what_is_no_product_is_not_multiplied(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn(seed)
    force(monkeypatch, drawn)
    layer = drawn.layer()
    x, weights, *_ = drawn.numbers.arrays(layer)
    for each, value in ((weights, drawn.random.choice([np.inf, -np.inf, np.nan])), (x, np.inf)):
        if each.size and drawn.random.random() < 0.7:
            each.flat[drawn.random.randrange(each.size)] = value
    np.testing.assert_array_equal(computed(layer, x, weights), defined(layer, x, weights), str(layer))


@pytest.mark.parametrize("cpu", ["haswell", "x86-64"])
@pytest.mark.parametrize("seed", range(200, 206))
def test_depthwise_layers_are_exact_on_another_cpu(seed: int, cpu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target, drawn = runnable(cpu), Drawn(seed)
    force(monkeypatch, drawn)
    layer = drawn.layer()
    x, weights, bias, residual = drawn.numbers.arrays(layer, drawn.random.choice(["float32", "float64"]))
    found = computed(layer, x, weights, bias, residual, target=target)
    np.testing.assert_array_equal(found, defined(layer, x, weights, bias, residual), str(layer))


def image(size: int, kernel: int, stride: int, before: int, channels: int, *, transposed: bool = True) -> Layer:
    large = (size - 1) * stride + kernel - 2 * before
    return Layer((Axis(size, large, kernel, stride, 1, before),) * 2, channels, channels, channels, transposed)


KNOWN = {
    "twice as large": image(17, 4, 2, 1, 21),
    "half as large": image(17, 4, 2, 1, 21, transposed=False),
    "as large": image(14, 3, 1, 1, 70, transposed=False),
    "all edge": image(3, 7, 1, 3, 40, transposed=False),
    "phases without taps": image(9, 2, 5, 0, 3),
    "no input": Layer((Axis(0, 7, 3, 2),) * 2, 2, 2, 2),
    "no output": Layer((Axis(3, 0, 3, 2), Axis(3, 7, 3, 2)), 2, 2, 2),
    "no taps": Layer((Axis(2, 1, 1, 2, 1, 1),), 8, 8, 8),
    "fewer outputs than phases": Layer((Axis(1, 2, 5, 5),), 19, 19, 19),
    "a long row": Layer((Axis(300, 601, 3, 2, 1, 0),), 4, 4, 4),
}


@pytest.mark.parametrize("layer", KNOWN.values(), ids=KNOWN)
@pytest.mark.parametrize("name", [None, "leaky_relu"])
def test_ends(layer: Layer, name: str | None) -> None:
    x, weights, bias, residual = Numbers(7).arrays(layer)
    end = End(bias=True, residual=True, activation=name, parameters=(0.25,) if name else ())
    sums = defined(layer, x, weights, bias, residual)
    slope = 0.25 if name else 1.0
    found = computed(layer, x, weights, bias, residual, end=end)
    np.testing.assert_array_equal(found, np.where(sums < 0, slope * sums, sums))


@pytest.mark.parametrize("layer", KNOWN.values(), ids=KNOWN)
def test_neither_threads_nor_tiles_change_a_bit(layer: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = np.random.RandomState(3)
    x = numbers.standard_normal((2, layer.in_channels, *layer.input_size)).astype(np.float32)
    weights = numbers.standard_normal((layer.small_channels, 1, *layer.kernel)).astype(np.float32)
    one = computed(layer, x, weights).tobytes()
    assert all(computed(layer, x, weights, threads=threads).tobytes() == one for threads in (2, 8))
    for seed in range(3):
        force(monkeypatch, Drawn(seed))
        assert computed(layer, x, weights).tobytes() == one


@pytest.mark.parametrize("layer", KNOWN.values(), ids=KNOWN)
@pytest.mark.parametrize("count", [1, 32, 1000])
def test_tasks_cover_every_output_once(layer: Layer, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depthwise, "TASKS", count)
    family = depthwise.Depthwise(layer, 2, "float32", End(), host())
    shape, width = family.shape, size(Task) // WORD
    outputs = np.prod(layer.output_size[:-1], dtype=int) if shape.places else 0
    image_bytes = int(np.prod(layer.output_size)) * shape.step
    met = np.zeros((2, outputs, shape.places, shape.blocks), int)
    for task in family.tables.kept[0].reshape(-1, width).tolist():
        row, place, block = (slice(task[field], task[field + 1]) for field in (Task.ROW, Task.PLACE, Task.BLOCK))
        met[task[Task.Y] // max(1, image_bytes), row, place, block] += 1
    assert (met == 1).all() or not image_bytes


@pytest.mark.parametrize("cpu", ["skylake-avx512", "haswell", "x86-64"])
@pytest.mark.parametrize("kernel", [1, 3, 9, 40])
@pytest.mark.parametrize("stride", [1, 2, 8])
def test_every_layer_that_suits_has_a_tile(cpu: str, kernel: int, stride: int) -> None:
    target = named("x86_64-unknown-linux-gnu", cpu)
    for channels, transposed in product([2, 17, 64, 500], [False, True]):
        layer = image(30, kernel, stride, 0, channels, transposed=transposed)
        if depthwise.suits(layer, target.registers):
            vectors, places = depthwise_shape.Shape(layer, 1, "float32", End(), target).tile
            outputs = stride if transposed else 1
            assert vectors * places * outputs <= depthwise_shape.sums(target.registers) or places == 1


def test_depthwise_layers_are_bound_to_it() -> None:
    """Where channels lie side by side, with one product for each channel, and in no other case."""
    layer = KNOWN["twice as large"]
    bound = plans.bind(layer, 1, "float32", End(), channels_first=False)
    assert isinstance(bound.family, depthwise.Depthwise)
    rows = Layer((Axis(70_000, 70_000, 3, 1, 1, 1), Axis(2, 2, 1)), 2, 2, 2)
    others = [rows, replace(layer, groups=7), replace(layer, groups=1), image(3, 80, 2, 0, 8), image(3, 40, 40, 0, 8)]
    for other, first in [(layer, True), *((each, False) for each in others)]:
        assert not isinstance(plans.bind(other, 1, "float32", End(), channels_first=first).family, depthwise.Depthwise)
    half = End(stored="float16")
    assert not isinstance(plans.bind(layer, 1, "float32", half, channels_first=False).family, depthwise.Depthwise)


def test_weights_in_any_strides() -> None:
    layer, numbers = KNOWN["twice as large"], Numbers(5)
    x, weights, *_ = numbers.arrays(layer)
    family = depthwise.Depthwise(layer, 2, "float32", End(), host())

    def packed(source: Array) -> Array:
        """Of the columns that exist."""
        blocks = np.moveaxis(family.pack_weights(source), 0, -2)
        return blocks.reshape(*blocks.shape[:-2], -1)[..., : layer.in_channels]

    usual = packed(weights)
    moved = np.ascontiguousarray(weights.transpose(3, 2, 1, 0)).transpose(3, 2, 1, 0)
    for other in (moved, weights[:, :, ::-1].copy()[:, :, ::-1], weights.astype(np.float64)):
        np.testing.assert_array_equal(packed(other), usual)
    np.testing.assert_array_equal(execute.run(layer, np.moveaxis(beside(x), -1, 1), moved), defined(layer, x, weights))
