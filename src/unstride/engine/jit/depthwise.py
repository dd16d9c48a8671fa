"""A depthwise layer whose channels lie side by side, computed by ``kernels_depthwise``: its tables, and its weights."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np

from ...geometry import Layer
from . import binary, kernels_depthwise
from .depthwise_records import Task
from .depthwise_shape import MOST, Shape, is_depthwise, sums
from .ends import End
from .memory import Array, Table, Tables, empty, table
from .packing import Packing
from .records import HEADER, WORD, size
from .rows import CODE
from .rows_pieces import TASKS, cuts
from .rows_tiles import by_row
from .tables import Strides
from .target import Target

ROWS = 2**16
"""output rows of an image, each of which has a record, beyond which these take more memory than they are worth"""


def suits(layer: Layer, registers: int) -> bool:
    """Whether the family computes a layer whose channels lie side by side."""
    outputs = layer.axes[-1].stride if layer.transposed else 1
    code = outputs <= sums(registers) and layer.kernel[-1] <= min(CODE * outputs, MOST)
    return is_depthwise(layer) and code and prod(layer.output_size[:-1]) <= ROWS


def tables(shape: Shape) -> Tables:
    """The tables of a layer, and the plan that points to them."""
    layer, step = shape.layer, shape.step
    x, y = Strides.packed(layer.input_size, step), Strides.packed(layer.output_size, step)
    records, runs = by_row(layer, x, y)
    tasks = _tasks(shape, x.image, y.image)
    kept = (tasks.reshape(-1), records.reshape(-1), runs)
    sizes = (step, layer.input_size[-1], layer.output_size[-1], *shape.inner)
    taps = prod(layer.kernel[:-1]) * len(shape.taps)
    weights = (shape.tap_bytes, shape.width * shape.item, shape.blocks, taps, shape.least)
    plan = np.array([*(part.ctypes.data for part in kept), *sizes, *weights], np.int64)
    return Tables(plan, len(tasks), HEADER, kept)


def _tasks(shape: Shape, x_image: int, y_image: int) -> Table:
    """All images, in ranges of rows, then of places, then of blocks, until there are enough to share."""
    wanted = -(-TASKS // max(1, shape.batch))
    ranges: list[list[range]] = []
    rows = prod(shape.layer.output_size[:-1]) if shape.places else 0
    for count, most in ((rows, rows), (shape.places, shape.places // shape.tile[1]), (shape.blocks, shape.blocks)):
        ranges.append(list(cuts(count, max(1, min(most, wanted)))))
        wanted = -(-wanted // len(ranges[-1]))
    parts = [
        (row.start, row.stop, place.start, place.stop, block.start, block.stop)
        for row, place, block in product(*ranges)
    ]
    tasks = table((image * x_image, image * y_image, *part) for image in range(shape.batch) for part in parts)
    return tasks.reshape(-1, size(Task) // WORD)


def packing(shape: Shape, strides: tuple[int, ...]) -> Packing:
    """How weights with these strides are packed."""
    channel, _, *outer, step = strides
    before = [sum(map(int.__mul__, index, outer)) for index in np.ndindex(*shape.layer.kernel[:-1])]
    taps = table((offset + tap.number * step,) for offset in before for tap in shape.taps)
    columns = [number * channel for number in range(shape.channels)]
    return Packing.of(shape.dtype, shape.target, shape.width, taps, columns, (1, 0), (1, 0))


class Depthwise:
    """The family: how a layer is bound to the code."""

    def __init__(self, layer: Layer, batch: int, dtype: str, end: End, target: Target) -> None:
        self.shape = shape = Shape(layer, batch, dtype, end, target)
        form = shape.form
        self.tables = tables(shape)
        self.task = binary.load(form.key, lambda fitted: kernels_depthwise.emit(form, fitted), target).address("task")
        self.order: tuple[object, ...] = ("depthwise", dtype, shape.width)
        self.header = 0
        self.packings: dict[tuple[int, ...], Packing] = {}

    def pack_weights(self, weights: Array) -> Array:
        """Weights by blocks of channels, taps, channels."""
        source = weights.astype(self.shape.dtype, copy=False)
        made = self.packings.get(source.strides)
        if made is None:
            made = self.packings[source.strides] = packing(self.shape, source.strides)
        packed = empty(made.shape, source.dtype)
        made.pack(source, packed)
        return packed

    def late(self, _: Array) -> None:
        """No block is packed when it is needed: all are before."""

    def pack_bias(self, bias: Array) -> Array:
        """One number for each channel of each block."""
        packed = np.zeros(self.shape.blocks * self.shape.width, self.shape.dtype)
        packed[: len(bias)] = bias
        return packed
