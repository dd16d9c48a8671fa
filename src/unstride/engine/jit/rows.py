"""A channels-first layer computed by ``kernels_rows``: its tables, and its weights in the order of the code."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from ...geometry import Layer
from ..boxes import by_output
from . import binary, kernels_rows
from .ends import End
from .memory import ALIGNMENT, Array, Table, Tables, empty, table
from .records import WORD, size
from .rows_pieces import TASKS, Piece, Pieces, cuts
from .rows_records import Task
from .rows_shape import Shape, again, free
from .rows_tiles import Tiles
from .rows_weights import Packing
from .tables import Strides
from .target import FEW_REGISTERS, Target

CODE = 16
"""taps for each output along the last axis beyond which the code, which has each of them, takes long to compile"""
FAR = 16
"""stride beyond which outputs are written in pieces too small"""
INPUT, OUTPUT, WRITE = 1.0, 1.2, 0.3
"""vectors of multiply-adds: to bring the channels of an input and of an output side by side, as the other family must;
to write an output here, where lanes are full"""
TILE, PART, WEIGHT = 50, 100, 4.0
"""the same for each of the other family's tiles, for the outputs that meet the same taps, however few, and for a weight
here, where the other family brings them into order by vectors"""
TILE_LAST, SHUFFLE, SLOWER_LAST = 20, 0.52, 1.2
"""where channels lie side by side: the same for such a tile, which packs nothing; for a shuffle here; a product's time
"""
POSITIONS, COLUMNS = 8, 2
"""positions, and vectors of columns, of most of the other family's tiles"""
SCARCE = 1.05
"""time of a product in a tile of rows over that in a tile of channels, where registers are few"""
LENGTH = 0.96
"""part of the lanes that rows fill where their length may not choose: a stream of one axis has none"""
WIDE = 6
"""vectors of a row from which on a depthwise layer runs along it rather than along its channels"""
LONG = 2**16
"""outputs of a long row"""


def suits(layer: Layer, channels_first: bool, lanes: int, registers: int, other: float) -> bool:
    """Whether the family is the faster one for a layer: its sums take less time than the other's, which packs more.

    ``other`` is how many times as long the other family takes for a product as it would in full lanes.
    """
    if not channels_first or not _can(layer):
        return False
    outputs, inputs = layer.out_channels // layer.groups, layer.in_channels // layer.groups
    if layer.groups > 1 and inputs == outputs == 1:
        return _row(layer) >= WIDE * min(lanes, layer.groups)
    rows = (SCARCE if registers <= FEW_REGISTERS else 1.0) * _slower(layer, lanes)
    ins, outs = _beside(layer)
    products = inputs * outputs * prod(layer.kernel)
    packing = INPUT * inputs * ins + (OUTPUT - WRITE * rows) * outputs * outs
    packing += TILE * -(-outputs // (COLUMNS * lanes)) * _tiles(layer)
    if layer.rank > 1:
        packing += (PART * len(_parts(layer)) - WEIGHT * products) / _places(layer)
    return products * (rows - other) <= lanes * packing


def can_last(layer: Layer, registers: int) -> bool:
    """Whether the code computes the layer where a position's channels lie side by side: in one tile, if few enough."""
    return layer.groups == 1 and _can(layer) and 0 < layer.out_channels * _stride(layer) <= free(registers)[1]


def suits_last(layer: Layer, lanes: int, registers: int, other: float) -> bool:
    """Whether the family is the faster one there, where the other packs nothing."""
    if not can_last(layer, registers):
        return False
    products = layer.in_channels * layer.out_channels * prod(layer.kernel)
    ins, outs = _beside(layer)
    shuffles = SHUFFLE * _shuffles(layer.out_channels * _stride(layer), lanes) * layer.out_channels * outs
    saved = lanes * (TILE_LAST * _tiles(layer) - INPUT * layer.in_channels * ins) - shuffles
    return products * (SLOWER_LAST * _slower(layer, lanes) - other) <= saved


def _shuffles(count: int, lanes: int) -> int:
    """For each of so many vectors that are interleaved: halves while they are even, then one of each to every vector.

    >>> _shuffles(6, 16), _shuffles(16, 16), _shuffles(17, 16)
    (3, 4, 15)
    """
    even = count & -count
    return even.bit_length() - 1 + min(count // even, lanes) - 1


def _can(layer: Layer) -> bool:
    """Whether the code computes the layer, and is compiled soon enough."""
    axis, stride = layer.axes[-1], _stride(layer)
    return (layer.transposed or axis.stride == 1) and stride <= FAR and axis.kernel <= CODE * stride


def _beside(layer: Layer) -> tuple[int, int]:
    """Inputs and outputs for each place of the smaller side."""
    between = prod(layer.stride)
    return (1, between) if layer.transposed else (between, 1)


def _places(layer: Layer) -> int:
    """Places of the smaller side."""
    return max(1, prod(layer.input_size if layer.transposed else layer.output_size))


def _tiles(layer: Layer) -> float:
    """The other family's tiles for each of these places; of a layer of one axis, whose length may not choose, about."""
    if layer.rank == 1:
        return _beside(layer)[1] / POSITIONS
    return int((-(-_parts(layer) // POSITIONS)).sum()) / _places(layer)


def _parts(layer: Layer) -> Table:
    """The numbers of outputs that meet the same taps."""
    counts = np.ones(1, np.int64)
    for axis in layer.axes:
        along = [len(strip.output) for strip in by_output(axis, layer.transposed)]
        counts = np.multiply.outer(counts, np.array(along, np.int64)).ravel()
    return counts


def _slower(layer: Layer, lanes: int) -> float:
    """Time of a product here over that in full lanes: those that are wanted are fewer, and lanes are idle."""
    return _waste(layer, lanes) / _filled_rows(layer, lanes)


def _stride(layer: Layer) -> int:
    """Outputs from one place of a row to the next."""
    return layer.axes[-1].stride if layer.transposed else 1


def _filled_rows(layer: Layer, lanes: int) -> float:
    """The part of the lanes that the places of a row fill."""
    return LENGTH if layer.rank == 1 else filled(-(-layer.output_size[-1] // _stride(layer)), lanes) or 1.0


def _waste(layer: Layer, lanes: int) -> float:
    """Products that are computed for one that is wanted: rows of one vector are computed in twos."""
    return again(layer, 2) if layer.rank > 1 and layer.output_size[-1] <= lanes * _stride(layer) else 1.0


def _row(layer: Layer) -> int:
    """Outputs of a row. A layer of one axis is taken for a long one."""
    return layer.output_size[-1] if layer.rank > 1 else LONG


def filled(count: int, lanes: int) -> float:
    """The part of the lanes of as many vectors as it takes that hold something."""
    return count / (-(-count // lanes) * lanes) if count else 0.0


def pack_bias(shape: Shape, bias: Array) -> Array:
    """One number for each channel of each block."""
    packed = empty((shape.layer.groups, shape.blocks * shape.tile.channels), np.dtype(shape.dtype))
    packed[:, shape.group_outputs :] = 0
    packed[:, : shape.group_outputs] = bias.reshape(shape.layer.groups, shape.group_outputs)
    return packed


def tables(shape: Shape) -> Tables:
    """The tables of a layer, and the plan that points to them."""
    layer, item, pieces = shape.layer, shape.item, Pieces.of(shape)
    tiles = Tiles.of(shape, pieces)
    tasks, passes = _tasks(shape, pieces, tiles.ranges), table(_pass_records(shape))
    kept = (tasks.reshape(-1), tiles.records, tiles.runs, passes)
    steps = [item * count for count in shape.beside]
    source, to = Strides.packed(layer.input_size, steps[0]), Strides.packed(layer.output_size, steps[1])
    x_channel = pieces.length * item if shape.packs else source.image
    between = item if shape.last else source.image
    leads = (0, 0, *source.axes[:-1])[-2:]
    plane = (0, 0, *pieces.strides.axes[:-1])[-2]
    sizes = (layer.input_size[-1], layer.output_size[-1], pieces.scratch, between)
    addresses = (part.ctypes.data for part in kept)
    counts = [_counts(piece) for piece in pieces.all]
    differ = len({length for *_, length in counts}) > 1
    most = [max(rows) for rows in zip(*counts, strict=True)][:2]
    packs = (plane, pieces.left * item, steps[0], (0, *pieces.strides.axes)[-2], differ, *most)
    numbers = (*addresses, shape.group_inputs, x_channel, to.image, *sizes, *leads, *packs)
    return Tables(np.array(numbers, np.int64), len(tasks), pieces.scratch, kept)


def _pass_records(shape: Shape) -> Iterator[tuple[int, ...]]:
    at = 0
    for each in shape.passes:
        size = shape.pass_bytes(each)
        yield each.first, each.shift, at, size, shape.form.shapes.index(each.shifts)
        at += shape.outer_taps * size


def _tasks(shape: Shape, pieces: Pieces, records: dict[range, range]) -> Table:
    """All pieces of all images and groups, for all blocks of channels, in ranges of passes."""
    layer, item, width = shape.layer, shape.item, shape.tile.channels
    inputs = shape.beside[0]
    source, back = Strides.packed(layer.input_size, item * inputs), pieces.strides
    parts = [_part(piece, records[piece.rows], source, back) for piece in pieces.all]
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
    tasks[:, Task.ROWS : Task.NEXT] = field[:, 5:]
    _foresee(tasks, source)
    return tasks


def _foresee(tasks: Table, source: Strides) -> None:
    """Write to each task its share of the inputs that the next window packs of a channel; the last one has none."""
    leads = np.array((0, 0, *source.axes[:-1])[-2:])
    begin, counts = tasks[:, Task.FROM], tasks[:, Task.ROWS : Task.LENGTH]
    size = (counts - 1) @ leads + tasks[:, Task.LENGTH] * source.axes[-1]
    first = np.flatnonzero(np.diff(tasks[:, Task.WINDOW], prepend=0))
    number = np.cumsum(np.diff(tasks[:, Task.WINDOW], prepend=0) != 0) - 1
    length = np.diff(first, append=len(tasks))[number]
    after = first[np.minimum(number + 1, len(first) - 1)]
    share = np.where(after > np.arange(len(tasks)), -(-size[after] // length), 0)
    place = (np.arange(len(tasks)) - first[number]) * share
    tasks[:, Task.NEXT] = begin[after] + place
    tasks[:, Task.NEXT_END] = begin[after] + np.minimum(place + share, size[after])


_PART = 9


def _part(piece: Piece, records: range, source: Strides, packed: Strides) -> tuple[int, ...]:
    """What a piece's tasks share: records of rows, places; its inputs in the array, their counts, where they go."""
    begin = tuple(own.start for own in piece.inputs)
    ranges = (records.start, records.stop, piece.places.start, piece.places.stop)
    return (*ranges, source.at(0, begin), *_counts(piece), packed.at(0, begin))


def _counts(piece: Piece) -> tuple[int, ...]:
    """Input indices of a window on each of three axes."""
    return (1, 1, *map(len, piece.inputs))[-3:]


class Rows:
    """The family: how a layer is bound to the code."""

    def __init__(self, layer: Layer, batch: int, dtype: str, end: End, target: Target, *, last: bool = False) -> None:
        self.shape = shape = Shape(layer, batch, dtype, end, target, last)
        form = shape.form
        self.tables = tables(shape)
        self.task = binary.load(form.key, lambda fitted: kernels_rows.emit(form, fitted), target).address("task")
        self.order: tuple[object, ...] = ("rows", dtype, shape.tile)
        self.packing, self.header = Packing(shape), ALIGNMENT

    def pack_weights(self, weights: Array) -> Array:
        """Weights in the order in which the code reads them."""
        return self.packing(weights)

    def late(self, _: Array) -> None:
        """No block is packed when it is needed: all are before."""

    def pack_bias(self, bias: Array) -> Array:
        """One number for each channel in the order of the code."""
        return pack_bias(self.shape, bias)
