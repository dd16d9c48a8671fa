"""A layer computed by ``kernels_product``: its tables, and its weights and bias in the order of the code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np

from ...geometry import Layer
from . import binary, kernels_product, kernels_weights, pool
from .kernels_product import Form
from .memory import ALIGNMENT, Array, Tables, empty, table
from .records import HEADER, WORD
from .tables import AXES, Chunk, Strides, Weights, boxes_within, chunks, runs
from .target import Target

TASKS = 24
"""tasks that a layer is cut into where its columns allow it: enough to share evenly among a few workers"""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a layer's arrays lie in memory and are cut into columns."""

    layer: Layer
    batch: int
    form: Form
    target: Target

    @property
    def item(self) -> int:
        return np.dtype(self.form.dtype).itemsize

    @property
    def width(self) -> int:
        """Columns in a block."""
        return self.form.vectors * self.target.lanes(self.item)

    @property
    def group_columns(self) -> int:
        """Columns of one group: its output channels; of a depthwise layer all channels."""
        return self.layer.out_channels // (1 if self.form.lanewise else self.layer.groups)

    @property
    def group_inputs(self) -> int:
        """Input channels that a column sums over."""
        return self.layer.in_channels // self.layer.groups

    @property
    def column_groups(self) -> int:
        return 1 if self.form.lanewise else self.layer.groups

    @property
    def blocks(self) -> int:
        """Blocks of columns in a group."""
        return -(-self.group_columns // self.width)

    @property
    def tap_bytes(self) -> int:
        """Bytes of one tap's packed weights in a block of columns."""
        return self.group_inputs * self.width * self.item


def pack_weights(shape: Shape, weights: Array) -> Array:
    """Weights as ``(blocks of columns, taps, input channels, columns)``, zeros where a column does not exist."""
    layer, form, order = shape.layer, shape.form, Weights(shape.layer)
    dtype = np.dtype(form.dtype)
    blocks = shape.column_groups * shape.blocks
    packed = empty((blocks, order.taps, shape.group_inputs, shape.width), dtype)
    source = weights.astype(dtype, copy=False)
    small, large, *steps = source.strides
    per_group = small * (layer.small_channels // layer.groups)
    inputs, columns = (small, large) if layer.transposed else (large, small)
    if form.lanewise:
        inputs, columns = 0, per_group
    offsets = table(order.offsets(tuple(steps)))
    fields = (source.ctypes.data, packed.ctypes.data, offsets.ctypes.data, order.taps, shape.group_inputs, inputs)
    record = np.array([*fields, shape.group_columns, columns, per_group, shape.blocks], np.int64)
    code = binary.load(f"weights {form.dtype} {shape.width}", lambda _: kernels_weights.emit(form.dtype, shape.width))
    pool.run(code.address("task"), record.ctypes.data, blocks)
    return packed


def pack_bias(shape: Shape, bias: Array) -> Array:
    """One number for each packed column."""
    packed = empty((shape.column_groups, shape.blocks * shape.width), np.dtype(shape.form.dtype))
    packed[:, shape.group_columns :] = 0
    packed[:, : shape.group_columns] = bias.reshape(shape.column_groups, shape.group_columns)
    return packed


def tables(shape: Shape) -> Tables:
    """The tables of a layer, and the plan that points to them."""
    layer, form, item = shape.layer, shape.form, shape.item
    position = layer.in_channels * item
    pieces = list(chunks(layer, shape.batch, position))
    writer = _Parts(shape)
    rows = [writer.chunk(piece) for piece in pieces]
    columns = list(_columns(shape))
    tasks = _tasks(len(rows), len(columns))
    kept = tuple(table(part) for part in (tasks, rows, writer.parts, writer.runs, columns))
    most = max(len(piece.images) * piece.positions for piece in pieces)
    inputs = max(len(piece.images) * prod(map(len, piece.inputs)) for piece in pieces)
    x_tile = _rounded(HEADER + 16 * most)
    y_tile = _rounded(x_tile + inputs * position)
    end = _rounded(y_tile + most * shape.width * item)
    x_channel, y_channel = prod(layer.input_size) * item, prod(layer.output_size) * item
    leads = (*Strides.packed(layer.input_size, item).axes, 0, 0)[:2]
    strides = (
        layer.in_channels,
        x_channel,
        x_channel * layer.in_channels,
        *leads,
        y_channel,
        y_channel * layer.out_channels,
    )
    scratch = end if form.channels_first else x_tile
    plan = np.array([*(table.ctypes.data for table in kept), scratch, x_tile, y_tile, *strides], np.int64)
    return Tables(plan, len(tasks), scratch, kept)


def _rounded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _tasks(chunk_count: int, column_count: int) -> list[tuple[int, int, int]]:
    """Every chunk with every range of column blocks."""
    ranges = min(column_count, -(-TASKS // max(1, chunk_count)))
    cuts = [number * column_count // ranges for number in range(ranges + 1)]
    return [(chunk, cuts[i], cuts[i + 1]) for chunk in range(chunk_count) for i in range(ranges)]


def _columns(shape: Shape) -> Iterable[tuple[int, ...]]:
    """The records of all blocks of columns."""
    layer, item, width = shape.layer, shape.item, shape.width
    block_bytes = Weights(layer).taps * shape.tap_bytes
    channel = prod(layer.output_size) * item if shape.form.channels_first else item
    for group in range(shape.column_groups):
        for block in range(shape.blocks):
            number = group * shape.blocks + block
            first = group * shape.group_columns + block * width
            x = (first if shape.form.lanewise else group * shape.group_inputs) * item
            count = min(width, shape.group_columns - block * width)
            yield x, number * block_bytes, number * width * item, first * channel, count


class _Parts:
    """Collects the records of parts and runs; what two chunks share is written once."""

    def __init__(self, shape: Shape) -> None:
        self.shape, self.weights = shape, Weights(shape.layer)
        self.parts: list[tuple[int, ...]] = []
        self.runs: list[tuple[int, ...]] = []
        self.at: dict[tuple[int, ...], int] = {}
        self.blocks: dict[tuple[tuple[range, ...], tuple[range, ...]], tuple[int, int]] = {}

    def chunk(self, piece: Chunk) -> tuple[int, ...]:
        """The record of a chunk, its parts written."""
        shape, first_image = self.shape, piece.images.start
        layer, item = shape.layer, shape.item
        key = (piece.outputs, piece.inputs)
        if key not in self.blocks:
            begin = len(self.parts)
            self._write(piece)
            self.blocks[key] = (begin, len(self.parts))
        x_size, y_size = prod(layer.input_size), prod(layer.output_size)
        leads = [len(window) for window in piece.inputs[: piece.cut]]
        window = prod(map(len, piece.inputs[piece.cut :]))
        x, y = first_image * layer.in_channels * x_size * item, first_image * layer.out_channels * y_size * item
        if shape.form.channels_first:
            x += Strides.packed(layer.input_size, item).at(0, tuple(r.start for r in piece.inputs))
            y += Strides.packed(layer.output_size, item).at(0, tuple(r.start for r in piece.outputs))
        return (*self.blocks[key], len(piece.images), x, *leads, *[1] * (2 - len(leads)), window, y, piece.positions)

    def _write(self, piece: Chunk) -> None:
        shape = self.shape
        layer, item = shape.layer, shape.item
        if shape.form.channels_first:
            out = tuple(map(len, piece.outputs))
            y, y_first = Strides.packed(out, shape.width * item), tuple(r.start for r in piece.outputs)
            x_first = tuple(r.start for r in piece.inputs)
            x = Strides.packed(tuple(map(len, piece.inputs)), layer.in_channels * item)
        else:
            y, y_first = Strides.packed(layer.output_size, layer.out_channels * item), (0,) * layer.rank
            x, x_first = Strides.packed(layer.input_size, layer.in_channels * item), (0,) * layer.rank
        # where a position holds more channels than a column sums over, taps do not follow one another
        neighbour = layer.in_channels * item if layer.in_channels == shape.group_inputs else 0
        lead = AXES - layer.rank
        for box in boxes_within(layer, piece.outputs):
            offsets, taps = runs(box, self.weights, x, neighbour, shape.tap_bytes)
            x_at = x.at(0, tuple(s.first - f for s, f in zip(box.strips, x_first, strict=True))) if box.products else 0
            y_at = y.at(0, tuple(s.output.start - f for s, f in zip(box.strips, y_first, strict=True)))
            x_steps = (x.image, *[0] * lead, *(s.along * b for s, b in zip(box.strips, x.axes, strict=True)))
            y_steps = (y.image, *[0] * lead, *(s.output.step * b for s, b in zip(box.strips, y.axes, strict=True)))
            counts = (*[1] * lead, *box.counts)
            length = taps * shape.group_inputs
            self.parts.append((*counts, *x_steps, *y_steps, x_at, y_at, self._runs(offsets), len(offsets) // 2, length))

    def _runs(self, offsets: tuple[int, ...]) -> int:
        """Bytes before a list of runs, written once."""
        if offsets not in self.at:
            self.at[offsets] = sum(map(len, self.runs)) * WORD
            self.runs.append(offsets)
        return self.at[offsets]


class Product:
    """The family: how a layer is bound to the code."""

    def __init__(self, shape: Shape) -> None:
        self.shape, self.tables = shape, tables(shape)

    @property
    def task(self) -> int:
        """Address of the code."""
        form = self.shape.form
        return binary.load(form.key, lambda target: kernels_product.emit(form, target)).address("task")

    @property
    def order(self) -> tuple[object, ...]:
        """How the weights are packed: what else than the layer it depends on."""
        return ("product", self.shape.width, self.shape.form.dtype)

    def pack_weights(self, weights: Array) -> Array:
        """Weights in the order in which the code reads them."""
        return pack_weights(self.shape, weights)

    def pack_bias(self, bias: Array) -> Array:
        """One number for each column in the order of the code."""
        return pack_bias(self.shape, bias)
