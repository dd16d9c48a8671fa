"""A channels-first layer computed by ``kernels_rows``: its tables, and its weights in the order of the code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod

import numpy as np

from ...geometry import Axis, Layer
from ..boxes import Strip, by_output, families
from . import binary, kernels_rows
from .ends import End
from .kernels_rows import Form, Shifts
from .memory import ALIGNMENT, Array, Table, Tables, empty, table
from .records import WORD
from .tables import Strides
from .target import Target

TASKS = 24
"""tasks that a layer is cut into where it has the rows: enough to share evenly among a few workers"""
SMALLEST = 16
"""vectors of a piece of a row that is worth a task"""
CODE = 400
"""multiply-adds in the code of a tile beyond which it takes long to compile"""
SHAPES = 2
"""kinds of passes, the same"""


@dataclass(frozen=True, slots=True)
class Pass:
    """Neighbouring phases of the last axis that one tile computes, with their taps."""

    first: int
    shift: int
    """the least of their taps' shifts"""
    shifts: Shifts
    taps: tuple[int, ...]
    """the taps in the order of the code: by shift, then by phase"""

    @classmethod
    def of(cls, first: int, phases: list[tuple[tuple[int, int], ...]]) -> Pass:
        """From each phase's pairs of shift and tap."""
        least = min((shift for pairs in phases for shift, _ in pairs), default=0)
        order = sorted((shift, number, tap) for number, pairs in enumerate(phases) for shift, tap in pairs)
        shifts = tuple(tuple(sorted(shift - least for shift, _ in pairs)) for pairs in phases)
        return cls(first, least, shifts, tuple(tap for _, _, tap in order))


def phases(axis: Axis, transposed: bool) -> dict[int, tuple[tuple[int, int], ...]]:
    """For each phase ``p`` that has taps their pairs ``(q, tap)``: output ``stride·m + p`` meets it at input ``m + q``.

    >>> phases(Axis(small=4, large=8, kernel=4, stride=2, before=1), transposed=True)
    {1: ((1, 0), (0, 2)), 0: ((0, 1), (-1, 3))}
    """
    if not transposed:
        return {0: tuple((axis.dilation * tap - axis.before, tap) for tap in range(axis.kernel))}
    return {
        phase.first: tuple((phase.start - offset, tap) for tap, offset in zip(phase.taps, phase.offsets, strict=True))
        for phase in axis.tapped_phases()
    }


@dataclass(frozen=True)
class Tile:
    """Channels, phases and vectors whose sums are in registers at once."""

    channels: int
    phases: int
    vectors: int


@dataclass(frozen=True)
class Shape:
    """How a layer is cut into tiles."""

    layer: Layer
    batch: int
    dtype: str
    end: End
    target: Target

    @property
    def item(self) -> int:
        return np.dtype(self.dtype).itemsize

    @property
    def lanes(self) -> int:
        return self.target.lanes(self.item)

    @property
    def stride(self) -> int:
        """Outputs from one place of a row to the next."""
        return self.layer.axes[-1].stride if self.layer.transposed else 1

    @property
    def row(self) -> int:
        """Outputs of a row."""
        return self.layer.output_size[-1]

    @property
    def places(self) -> int:
        """Places of a row."""
        return -(-self.row // self.stride)

    @property
    def group_inputs(self) -> int:
        return self.layer.in_channels // self.layer.groups

    @property
    def group_outputs(self) -> int:
        return self.layer.out_channels // self.layer.groups

    @property
    def outer_taps(self) -> int:
        """Taps of the axes before the last."""
        return prod(self.layer.kernel[:-1])

    @cached_property
    def tile(self) -> Tile:
        """The tile of the least estimated cost."""
        return min(self._tiles(), key=self.cost)

    def _tiles(self) -> Iterator[Tile]:
        registers = self.target.registers
        needed = -(-self.places // self.lanes)
        for together in {min(self.stride, limit) for limit in (4, 6, 8, registers - 2)}:
            for channels in range(1, min(self.group_outputs, registers) + 1):
                for vectors in range(1, min(4, needed) + 1):
                    # beside the sums: the inputs at one shift, and one weight
                    if channels * together * vectors + vectors + 1 <= registers:
                        yield Tile(channels, together, vectors)

    def cost(self, tile: Tile) -> float:
        """Estimated half cycles of all tiles, for one row of one image and group: loads, multiply-adds, stores."""
        passes = self._passes(tile.phases)
        blocks = -(-self.group_outputs // tile.channels)
        # a vector of places with idle lanes costs as much as a full one
        tiles = -(-self.places // self.lanes) / tile.vectors
        rows = self.group_inputs * self.outer_taps / prod(self.stride_before)
        total = 0.0
        for each in passes:
            taps, met = len(each.taps) * tile.channels, len({q for phase in each.shifts for q in phase})
            sums = tile.channels * len(each.shifts) * tile.vectors
            products = taps * tile.vectors * max(1.0, 8 / sums)
            work = max(products, 1.1 * (taps + met * tile.vectors)) + 2
            if len(each.shifts) == self.stride:
                stores = 3 * sums
            else:
                stores = 2 * sums + 2 * tile.channels * tile.vectors * self.lanes
            total += tiles * blocks * (rows * work + stores + 20)
        return total

    @property
    def stride_before(self) -> tuple[int, ...]:
        """Strides of the axes before the last, of which an output meets one phase."""
        return self.layer.stride[:-1] if self.layer.transposed else (1,)

    @cached_property
    def passes(self) -> tuple[Pass, ...]:
        """The passes over a row."""
        return self._passes(self.tile.phases)

    def _passes(self, together: int) -> tuple[Pass, ...]:
        met = phases(self.layer.axes[-1], self.layer.transposed)
        firsts = range(0, min(self.stride, self.row), together)
        ends = (min(first + together, self.stride) for first in firsts)
        return tuple(
            Pass.of(first, [met.get(phase, ()) for phase in range(first, end)])
            for first, end in zip(firsts, ends, strict=True)
        )

    @cached_property
    def form(self) -> Form:
        """What its code depends on."""
        shapes = tuple(dict.fromkeys(each.shifts for each in self.passes))
        single = self.group_inputs == 1
        return Form(self.dtype, self.tile.channels, self.tile.vectors, self.stride, shapes, single, self.end)

    @property
    def blocks(self) -> int:
        """Blocks of output channels in a group."""
        return -(-self.group_outputs // self.tile.channels)

    def pass_bytes(self, each: Pass) -> int:
        """Bytes of a pass's weights for one tap of the axes before the last, and one block of channels."""
        return self.group_inputs * len(each.taps) * self.tile.channels * self.item

    @property
    def block_bytes(self) -> int:
        """Bytes of the weights of a block of channels."""
        return self.outer_taps * sum(map(self.pass_bytes, self.passes))


def suits(layer: Layer, channels_first: bool, lanes: int) -> bool:
    """Whether the family is the faster one for a layer."""
    if not channels_first or not (layer.transposed or layer.stride[-1] == 1):
        return False
    return True


def pack_weights(shape: Shape, weights: Array) -> Array:
    """Whether all weights are finite, in a cache line; then ``(group, block, pass, tap, input, tap of the pass, channel)``.

    Channels that do not exist have zeros.
    """
    layer, dtype = shape.layer, np.dtype(shape.dtype)
    ins, outs, width = shape.group_inputs, shape.group_outputs, shape.tile.channels
    sides = (ins, outs) if layer.transposed else (outs, ins)
    if layer.transposed:
        split = weights.reshape(layer.groups, *sides, shape.outer_taps, layer.kernel[-1])
    else:
        split = weights.reshape(layer.groups, *sides, shape.outer_taps, layer.kernel[-1]).swapaxes(1, 2)
    total = layer.groups * shape.blocks * shape.block_bytes // dtype.itemsize
    header = ALIGNMENT // dtype.itemsize
    packed = empty((header + total,), dtype)
    packed[:header].view(np.int64)[0] = np.isfinite(weights).all()
    blocks = packed[header:].reshape(layer.groups, shape.blocks, shape.block_bytes // dtype.itemsize)
    at = 0
    for each in shape.passes:
        size = shape.outer_taps * shape.pass_bytes(each) // dtype.itemsize
        part = blocks[:, :, at : at + size].reshape(
            layer.groups, shape.blocks, shape.outer_taps, ins, len(each.taps), width
        )
        for block in range(shape.blocks):
            columns = split[:, :, block * width : (block + 1) * width, :, list(each.taps)]
            part[:, block, ..., columns.shape[2] :] = 0
            part[:, block, ..., : columns.shape[2]] = columns.transpose(0, 3, 1, 4, 2)
        at += size
    return packed


def pack_bias(shape: Shape, bias: Array) -> Array:
    """One number for each channel of each block."""
    packed = empty((shape.layer.groups, shape.blocks * shape.tile.channels), np.dtype(shape.dtype))
    packed[:, shape.group_outputs :] = 0
    packed[:, : shape.group_outputs] = bias.reshape(shape.layer.groups, shape.group_outputs)
    return packed


def tables(shape: Shape) -> Tables:
    """The tables of a layer, and the plan that points to them."""
    layer, item = shape.layer, shape.item
    rows, runs = _rows(shape)
    passes = table(_pass_records(shape))
    tasks = _tasks(shape)
    kept = (tasks.reshape(-1), rows, runs, passes)
    strides = (prod(layer.input_size) * item, prod(layer.output_size) * item)
    sizes = (layer.input_size[-1], layer.output_size[-1])
    addresses = (part.ctypes.data for part in kept)
    plan = np.array([*addresses, shape.group_inputs, *strides, *sizes], np.int64)
    return Tables(plan, len(tasks), 0, kept)


def _pass_records(shape: Shape) -> Iterator[tuple[int, ...]]:
    at = 0
    for each in shape.passes:
        size = shape.pass_bytes(each)
        yield each.first, each.shift, at, size, shape.form.shapes.index(each.shifts)
        at += shape.outer_taps * size


def _rows(shape: Shape) -> tuple[Table, Table]:
    """The records of all output rows, and the runs that they share."""
    layer, item = shape.layer, shape.item
    axes = layer.axes[:-1]
    x, y = Strides.packed(layer.input_size, item), Strides.packed(layer.output_size, item)
    strips = [by_output(axis, layer.transposed) for axis in axes]
    runs, firsts = _runs(shape, strips, x)
    grid = np.zeros(tuple(len(own) for own in strips), np.int64), np.zeros(tuple(map(len, strips)), np.int64)
    for field, values in enumerate(zip(*firsts, strict=True)):
        grid[field][...] = np.reshape(values, grid[field].shape)
    numbers, starts = zip(*(_along(axis, own) for axis, own in zip(layer.output_size, strips)), strict=True) if axes else ((), ())
    size = layer.output_size[:-1]
    record = np.zeros((*size, 4), np.int64)
    for axis, start in enumerate(starts):
        along = [1] * len(size)
        along[axis] = size[axis]
        record[..., 0] += (start * x.axes[axis]).reshape(along)
        record[..., 1] += (np.arange(size[axis]) * y.axes[axis]).reshape(along)
    record[..., 2], record[..., 3] = (part[np.ix_(*numbers)] if axes else part for part in grid)
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


def _runs(shape: Shape, strips: list[tuple[Strip, ...]], x: Strides) -> tuple[Table, list[tuple[int, int]]]:
    """For each choice of strips its taps, as pairs of bytes before the inputs and tap; where they begin, how many."""
    layer = shape.layer
    found: list[int] = []
    firsts: list[tuple[int, int]] = []
    for choice in product(*strips):
        begin = len(found)
        taps = [list(families(axis, layer.transposed)[strip.family][strip.at :])[: len(strip.taps)] for axis, strip in zip(layer.axes, choice)]
        for index in product(*(range(len(own)) for own in taps)):
            at = sum(strip.across * step * number for strip, step, number in zip(choice, x.axes, index))
            tap = 0
            for own, number, kernel in zip(taps, index, layer.kernel):
                tap = tap * kernel + own[number]
            found += [at, tap]
        firsts.append((begin * WORD, (len(found) - begin) // 2))
    return np.array(found, np.int64), firsts


def _tasks(shape: Shape) -> Table:
    """All blocks of channels of all images, in ranges of rows, of passes and of places."""
    layer, item = shape.layer, shape.item
    x_group, y_channel = shape.group_inputs * prod(layer.input_size) * item, prod(layer.output_size) * item
    units = []
    for image, group, block in product(range(shape.batch), range(layer.groups), range(shape.blocks)):
        channel = block * shape.tile.channels
        y = (image * layer.out_channels + group * shape.group_outputs + channel) * y_channel
        x = (image * layer.groups + group) * x_group
        number = group * shape.blocks + block
        weights, bias = ALIGNMENT + number * shape.block_bytes, number * shape.tile.channels * item
        units.append((x, y, weights, bias, min(shape.tile.channels, shape.group_outputs - channel)))
    rows = _ranges(prod(layer.output_size[:-1]), len(units))
    passes = _ranges(len(shape.passes), len(units) * len(rows))
    places = _ranges(shape.places, len(units) * len(rows) * len(passes), shape.lanes * SMALLEST)
    cuts = [(*row, *place, *each) for row in rows for each in passes for place in places]
    return np.concatenate(
        [np.repeat(np.array(units, np.int64), len(cuts), 0), np.tile(np.array(cuts, np.int64), (len(units), 1))], 1
    )


def _ranges(size: int, others: int, step: int = 1) -> list[tuple[int, int]]:
    """A size in as many ranges, of multiples of ``step``, as ``others`` leaves wanted of ``TASKS``."""
    steps = -(-size // step)
    count = max(1, min(steps, -(-TASKS // max(1, others))))
    cuts = [number * steps // count * step for number in range(count)]
    return list(zip(cuts, [*cuts[1:], size], strict=True))


class RowsFamily:
    """The family: how a layer is bound to the code."""

    def __init__(self, layer: Layer, batch: int, dtype: str, end: End, target: Target) -> None:
        self.shape = Shape(layer, batch, dtype, end, target)
        self.tables = tables(self.shape)

    @property
    def task(self) -> int:
        """Address of the code."""
        form = self.shape.form
        return binary.load(form.key, lambda target: kernels_rows.emit(form, target), self.shape.target).address("task")

    @property
    def order(self) -> tuple[object, ...]:
        """How the weights are packed: what else than the layer it depends on."""
        return ("rows", self.shape.dtype, self.shape.tile)

    def pack_weights(self, weights: Array) -> Array:
        """Weights in the order in which the code reads them."""
        return pack_weights(self.shape, weights)

    def pack_bias(self, bias: Array) -> Array:
        """One number for each channel in the order of the code."""
        return pack_bias(self.shape, bias)
