"""A channels-first layer computed by ``kernels_rows``: its tables, and its weights in the order of the code."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod

import numpy as np

from ...geometry import Layer
from ..boxes import Strip, by_output, families
from . import binary, kernels_rows
from .ends import End
from .gather import MISSING, fetcher
from .memory import ALIGNMENT, Array, Table, Tables, empty, table
from .records import WORD, size
from .rows_pieces import TASKS, Piece, Pieces, cuts
from .rows_records import Row, Task
from .rows_shape import Shape
from .tables import CACHED, Strides
from .target import Target

CODE = 16
"""taps for each output along the last axis beyond which the code, which has each of them, takes long to compile"""
FAR = 16
"""stride beyond which outputs are written in pieces too small"""
SHALLOW, FULL = 64, 0.9
"""products of an output up to which packing its channels, as the product family does, costs more than it brings; twice
as many where channels fill less than that part of the lanes"""
MOSTLY = 0.75
"""part of the lanes that channels fill, beyond which rows whose inputs are far away are not worth it"""
WIDE = 6
"""vectors of a row from which on a depthwise layer runs along it rather than along its channels"""
LONG = 2**16
"""outputs of a long row"""


def suits(layer: Layer, channels_first: bool, lanes: int) -> bool:
    """Whether the family is the faster one for a layer: rows fill more lanes, or packing does not pay."""
    axis = layer.axes[-1]
    stride = axis.stride if layer.transposed else 1
    if not channels_first or not (layer.transposed or axis.stride == 1) or stride > FAR or axis.kernel > CODE * stride:
        return False
    row, outputs, inputs = _row(layer), layer.out_channels // layer.groups, layer.in_channels // layer.groups
    if layer.groups > 1 and inputs == outputs == 1:
        return row >= WIDE * min(lanes, layer.groups)
    if outputs <= lanes and not (_filled(outputs, lanes) > MOSTLY and _streams(layer)):
        return _filled(-(-row // stride), lanes) >= _filled(outputs, lanes)
    products = inputs * prod(layer.kernel) / (prod(layer.stride) if layer.transposed else 1)
    return row >= WIDE * lanes and products <= SHALLOW * (1 if _filled(outputs, lanes) >= FULL else 2)


def _streams(layer: Layer) -> bool:
    """Whether a row's inputs do not fit the cache: each block of channels would read them from farther away.

    Not of one axis: see ``_row``.
    """
    rows = prod(layer.kernel[:-1]) / (prod(layer.stride[:-1]) if layer.transposed else 1)
    inputs = layer.in_channels // layer.groups * rows * layer.input_size[-1]
    return layer.rank > 1 and inputs > CACHED // 4


def _row(layer: Layer) -> int:
    """Outputs of a row. A layer of one axis is taken for a long one: a stream of it has no length to choose by."""
    return layer.output_size[-1] if layer.rank > 1 else LONG


def can_last(layer: Layer, registers: int) -> bool:
    """Whether the code computes the layer where a position's channels lie side by side: in one tile, if few enough."""
    stride = layer.axes[-1].stride if layer.transposed else 1
    steps = layer.transposed or layer.axes[-1].stride == 1
    return layer.groups == 1 and steps and 0 < layer.out_channels * stride <= registers - 4


def suits_last(layer: Layer, lanes: int, registers: int) -> bool:
    """Whether the family is the faster one there: the channels would leave lanes idle, and rows fill them."""
    axis, stride = layer.axes[-1], layer.axes[-1].stride if layer.transposed else 1
    if not can_last(layer, registers) or axis.kernel > CODE * stride:
        return False
    return 2 * layer.out_channels <= lanes and _row(layer) >= 2 * lanes * stride


def _filled(count: int, lanes: int) -> float:
    """The part of the lanes of as many vectors as it takes that hold something."""
    return count / (-(-count // lanes) * lanes) if count else 0.0


def packing(shape: Shape) -> Table:
    """For each packed weight the bytes before it in canonical order, or ``MISSING``.

    They are packed as ``(groups, blocks, passes, taps of the other axes, input channels, taps of the pass, channels)``.
    """
    layer, width = shape.layer, shape.tile.channels
    sides = (shape.group_inputs, shape.group_outputs)
    given = (layer.groups, *(sides if layer.transposed else sides[::-1]), shape.outer_taps, layer.kernel[-1])
    canonical = np.arange(prod(given)).reshape(given)
    split = canonical if layer.transposed else canonical.swapaxes(1, 2)
    whole = np.full((layer.groups, shape.group_inputs, shape.blocks * width, shape.outer_taps, layer.kernel[-1]), -1)
    whole[:, :, : shape.group_outputs] = split
    parts = whole.reshape(layer.groups, shape.group_inputs, shape.blocks, width, shape.outer_taps, -1)
    ordered = parts.transpose(0, 2, 4, 1, 5, 3)
    passes = [ordered[..., list(each.taps), :].reshape(layer.groups, shape.blocks, -1) for each in shape.passes]
    none = np.empty((layer.groups, shape.blocks, 0), np.intp)
    found = np.concatenate([none, *passes], axis=-1).ravel()
    return np.where(found < 0, MISSING, found * shape.item).astype(np.int64)


def pack_weights(shape: Shape, weights: Array, order: Table) -> Array:
    """Whether all weights are finite, in a cache line; then weights as the code reads them, zeros where none is."""
    dtype, source = np.dtype(shape.dtype), np.ascontiguousarray(weights, shape.dtype)
    packed = empty((ALIGNMENT // dtype.itemsize + order.size,), dtype)
    begin = packed.ctypes.data
    fetcher(shape.dtype)(source.ctypes.data, order.ctypes.data, order.size, begin + ALIGNMENT, begin)
    return packed


def pack_bias(shape: Shape, bias: Array) -> Array:
    """One number for each channel of each block."""
    packed = empty((shape.layer.groups, shape.blocks * shape.tile.channels), np.dtype(shape.dtype))
    packed[:, shape.group_outputs :] = 0
    packed[:, : shape.group_outputs] = bias.reshape(shape.layer.groups, shape.group_outputs)
    return packed


def tables(shape: Shape) -> Tables:
    """The tables of a layer, and the plan that points to them."""
    layer, item, pieces = shape.layer, shape.item, Pieces.of(shape)
    rows, runs = _rows(shape, pieces.strides)
    tasks, passes = _tasks(shape, pieces), table(_pass_records(shape))
    kept = (tasks.reshape(-1), rows, runs, passes)
    steps = [item * count for count in shape.beside]
    source, to = Strides.packed(layer.input_size, steps[0]), Strides.packed(layer.output_size, steps[1])
    x_channel = pieces.length * item if shape.packs else source.image
    between = item if shape.last else source.image
    leads = (0, 0, *source.axes[:-1])[-2:]
    plane = (0, 0, *pieces.strides.axes[:-1])[-2]
    sizes = (layer.input_size[-1], layer.output_size[-1], pieces.scratch, between)
    addresses = (part.ctypes.data for part in kept)
    numbers = (*addresses, shape.group_inputs, x_channel, to.image, *sizes, *leads, plane, pieces.left * item, steps[0])
    return Tables(np.array(numbers, np.int64), len(tasks), pieces.scratch, kept)


def _pass_records(shape: Shape) -> Iterator[tuple[int, ...]]:
    at = 0
    for each in shape.passes:
        size = shape.pass_bytes(each)
        yield each.first, each.shift, at, size, shape.form.shapes.index(each.shifts)
        at += shape.outer_taps * size


def _rows(shape: Shape, x: Strides) -> tuple[Table, Table]:
    """The records of all output rows, and the runs that they share."""
    layer = shape.layer
    y = Strides.packed(layer.output_size, shape.item * shape.beside[1])
    strips = [by_output(axis, layer.transposed) for axis in layer.axes[:-1]]
    runs, firsts = _runs(layer, strips, x)
    record = np.zeros((*layer.output_size[:-1], size(Row) // WORD), np.int64)
    choice = np.zeros(record.shape[:-1], np.int64)
    for axis, own in enumerate(strips):
        along = [-1 if other == axis else 1 for other in range(len(strips))]
        numbers, starts = (part.reshape(along) for part in _along(layer.output_size[axis], own))
        record[..., Row.X] += starts * x.axes[axis]
        record[..., Row.Y] += np.arange(layer.output_size[axis]).reshape(along) * y.axes[axis]
        choice = choice * len(own) + numbers
    record[..., Row.RUNS :] = firsts[choice]
    return record.reshape(-1), runs


def _along(size: int, strips: tuple[Strip, ...]) -> tuple[Table, Table]:
    """For each output index of an axis: the number of its strip, and the input index at its first tap."""
    numbers, starts = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for number, strip in enumerate(strips):
        own = slice(strip.output.start, strip.output.stop, strip.output.step)
        numbers[own] = number
        if strip.taps:
            starts[own] = strip.first + strip.along * np.arange(len(strip.output))
    return numbers, starts


def _runs(layer: Layer, strips: list[tuple[Strip, ...]], x: Strides) -> tuple[Table, Table]:
    """For each choice of strips its taps, as bytes before the inputs and number; where they begin, and how many."""
    found: list[tuple[int, int]] = []
    firsts: list[tuple[int, int]] = []
    order = [families(axis, layer.transposed) for axis in layer.axes[: len(strips)]]
    for choice in product(*strips):
        begin = len(found)
        taps = [_met(own, each) for own, each in zip(order, choice, strict=True)]
        for index in product(*(range(len(own)) for own in taps)):
            at, number = 0, 0
            for axis, each in enumerate(index):
                at += choice[axis].across * x.axes[axis] * each
                number = number * layer.kernel[axis] + taps[axis][each]
            found.append((at, number))
        firsts.append((2 * begin * WORD, len(found) - begin))
    return table(found), np.array(firsts, np.int64).reshape(-1, 2)


def _met(order: tuple[range, ...], strip: Strip) -> range:
    """The taps of a strip."""
    return order[strip.family][strip.at : strip.at + len(strip.taps)] if strip.taps else range(0)


def _tasks(shape: Shape, pieces: Pieces) -> Table:
    """All pieces of all images and groups, for all blocks of channels, in ranges of passes."""
    layer, item, width = shape.layer, shape.item, shape.tile.channels
    inputs = shape.beside[0]
    source, back = Strides.packed(layer.input_size, item * inputs), pieces.strides
    parts = [_part(piece, source, back) for piece in pieces.all]
    units, blocks = shape.batch * layer.groups, shape.blocks
    least = -(-TASKS // max(1, units * blocks * len(parts)))
    ranges = [(own.start, own.stop) for own in cuts(len(shape.passes), min(len(shape.passes), least))]
    passes = np.array(ranges, np.int64).reshape(-1, 2)
    unit, part, block, each = np.indices((units, len(parts), blocks, len(passes))).reshape(4, -1)
    field = np.array(parts, np.int64).reshape(len(parts), _PART)[part]
    group, channel = unit % layer.groups, block * width
    number = group * blocks + block
    x = unit * (shape.group_inputs // inputs) * source.image
    y = unit * shape.group_outputs + channel
    tasks = np.zeros((len(unit), size(Task) // WORD), np.int64)
    tasks[:, Task.X], tasks[:, Task.Y] = x, y * (prod(layer.output_size) * item)
    tasks[:, Task.WEIGHTS], tasks[:, Task.BIAS] = ALIGNMENT + number * shape.block_bytes, number * width * item
    tasks[:, Task.COUNT] = np.minimum(width, shape.group_outputs - channel)
    tasks[:, Task.ROW : Task.PASS] = field[:, :4]
    tasks[:, Task.PASS : Task.WINDOW] = passes[each]
    tasks[:, Task.WINDOW], tasks[:, Task.FROM] = unit * len(parts) + part + 1, x + field[:, 4]
    tasks[:, Task.ROWS :] = field[:, 5:]
    return tasks


_PART = 9


def _part(piece: Piece, source: Strides, packed: Strides) -> tuple[int, ...]:
    """What a piece's tasks share: rows, places; its inputs in the array, their counts, where they go."""
    begin = tuple(own.start for own in piece.inputs)
    counts = (1, 1, *map(len, piece.inputs))[-3:]
    ranges = (piece.rows.start, piece.rows.stop, piece.places.start, piece.places.stop)
    return (*ranges, source.at(0, begin), *counts, packed.at(0, begin))


class Rows:
    """The family: how a layer is bound to the code."""

    def __init__(self, layer: Layer, batch: int, dtype: str, end: End, target: Target, *, last: bool = False) -> None:
        self.shape = shape = Shape(layer, batch, dtype, end, target, last)
        form = shape.form
        self.tables = tables(shape)
        self.task = binary.load(form.key, lambda fitted: kernels_rows.emit(form, fitted), target).address("task")
        self.order: tuple[object, ...] = ("rows", dtype, shape.tile)
        self.packing, self.header = packing(shape), ALIGNMENT

    def pack_weights(self, weights: Array) -> Array:
        """Weights in the order in which the code reads them."""
        return pack_weights(self.shape, weights, self.packing)

    def late(self, _: Array) -> None:
        """Weights are few here: they are packed before."""

    def pack_bias(self, bias: Array) -> Array:
        """One number for each channel in the order of the code."""
        return pack_bias(self.shape, bias)
