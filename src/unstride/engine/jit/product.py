"""A layer computed by ``kernels_product``: its tables, and its weights and bias in the order of the code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import prod

import numpy as np

from ...geometry import Axis, Layer
from . import binary, kernels_product
from .calls import Late
from .kernels_product import Form
from .memory import ALIGNMENT, Array, Tables, address, empty, table
from .packing import Packing
from .records import HEADER, WORD
from .storage import SIZES
from .tables import AXES, CACHED, Chunk, Strides, Weights, boxes_within, chunks, packed, runs, to_pack
from .target import Target

TASKS = 32
"""tasks that a layer is cut into where its columns allow it: enough to share evenly among a few workers"""
LARGE = 2**21
"""bytes of input that a chunk may span where the weights are as many: within a common third-level cache"""
RANGES = 4
"""ranges of columns that a chunk's inputs are read for, where they are more than the weights"""


@dataclass(frozen=True)
class Shape:
    """How a layer's arrays lie in memory and are cut into columns."""

    real: Layer
    batch: int
    form: Form
    target: Target
    wide: bool = False
    """whether the phases of the last axis are columns"""

    @cached_property
    def layer(self) -> Layer:
        """The layer as the code computes it: each column an output channel."""
        return widened(self.real) if self.wide else self.real

    @cached_property
    def phases(self) -> int:
        """Neighbours on the last axis that are computed as columns of one position."""
        return self.real.stride[-1] if self.wide else 1

    @property
    def cropped(self) -> tuple[int, int]:
        """Columns of the first and of the last position of the last axis that are not written."""
        if not self.wide:
            return 0, 0
        axis, channels = self.real.axes[-1], self.real.out_channels
        return axis.before % axis.stride * channels, -(axis.before + axis.large) % axis.stride * channels

    @property
    def item(self) -> int:
        return np.dtype(self.form.dtype).itemsize

    @cached_property
    def width(self) -> int:
        """Columns in a block."""
        return self.form.vectors * self.target.lanes(self.item)

    @property
    def stored(self) -> int:
        """Bytes of an element of the arrays that are given and returned."""
        return SIZES[self.form.end.stored or self.form.dtype]

    @property
    def step(self) -> int:
        """Bytes between neighbouring positions of the inputs that are given."""
        return self.stored * (1 if self.form.transposes else self.layer.in_channels)

    @cached_property
    def group_columns(self) -> int:
        """Columns of one group: its output channels; of a depthwise layer all channels."""
        return self.layer.out_channels // self.column_groups

    @cached_property
    def group_inputs(self) -> int:
        """Input channels that a column sums over."""
        return self.layer.in_channels // self.layer.groups

    @cached_property
    def column_groups(self) -> int:
        return 1 if self.form.flavour == "lanewise" else self.layer.groups

    @cached_property
    def blocks(self) -> int:
        """Blocks of columns in a group."""
        return -(-self.group_columns // self.width)

    @property
    def packed_width(self) -> int:
        """Columns whose weights are packed side by side; those of a dot product are apart."""
        return 1 if self.form.flavour == "dot" else self.width

    @property
    def packed_blocks(self) -> int:
        """Blocks of so many columns in a group."""
        return -(-self.group_columns // self.packed_width)

    @property
    def tap_bytes(self) -> int:
        """Bytes of one tap's packed weights in a block of columns packed side by side."""
        return self.group_inputs * self.packed_width * self.item


@lru_cache(maxsize=512)
def widened(layer: Layer) -> Layer:
    """The layer with the last axis's phases as output channels, phase by phase, where all have as many taps.

    The phases of one position are ``stride`` neighbours of the full extent.
    """
    *outer, axis = layer.axes
    first, last = axis.before // axis.stride, (axis.before + axis.large - 1) // axis.stride
    grouped = Axis(axis.small, last - first + 1, axis.kernel // axis.stride, before=first)
    return replace(layer, axes=(*outer, grouped), large_channels=layer.large_channels * axis.stride)


def can_widen(layer: Layer) -> bool:
    """Whether all phases of the last axis have as many taps, at the same distances."""
    axis = layer.axes[-1]
    stepped = layer.transposed and layer.groups == 1 and axis.stride > 1
    return stepped and axis.dilation == 1 and axis.kernel % axis.stride == 0


def packing(shape: Shape, strides: tuple[int, ...]) -> Packing:
    """How weights with these strides are packed."""
    layer, order = shape.layer, Weights(shape.layer)
    small, large, *outer, step = strides
    group = small * (layer.small_channels // layer.groups)
    inputs, channel = (small, large) if layer.transposed else (large, small)
    if shape.form.flavour == "lanewise":
        inputs, channel = 0, group
    taps = table(order.offsets((*outer, step * shape.phases)))
    channels = range(shape.group_columns // shape.phases)
    columns = [phase * step + number * channel for phase in range(shape.phases) for number in channels]
    width, groups = shape.packed_width, (shape.column_groups, group)
    return Packing.of(shape.form.dtype, shape.target, width, taps, columns, (shape.group_inputs, inputs), groups)


def pack_bias(shape: Shape, bias: Array) -> Array:
    """One number for each packed column."""
    dtype, groups, columns = np.dtype(shape.form.dtype), shape.column_groups, shape.group_columns
    if shape.phases == 1 and shape.blocks * shape.width == columns:
        return np.ascontiguousarray(bias, dtype)
    packed = np.zeros((groups, shape.blocks * shape.width), dtype)
    packed[:, :columns] = bias.reshape(groups, -1) if shape.phases == 1 else np.tile(bias, shape.phases)
    return packed


def tables(shape: Shape) -> Tables:
    """The tables of a layer, and the plan that points to them."""
    layer, form, item = shape.layer, shape.form, shape.item
    position = layer.in_channels * item
    pieces = _pieces(shape, position)
    writer = _Parts(shape)
    rows = [writer.chunk(piece) for piece in pieces]
    columns = list(_columns(shape))
    tasks = _tasks(len(rows), len(columns))
    kept = tuple(table(part) for part in (tasks, rows, writer.parts, writer.runs, columns))
    most = max((len(piece.images) * piece.positions for piece in pieces), default=0)
    inputs = max((packed([piece]) for piece in pieces), default=0)
    x_tile = _rounded(HEADER + 16 * most)
    y_tile = _rounded(x_tile + inputs * position + shape.target.vector_bytes)
    end = _rounded(y_tile + most * shape.width * item)
    x_channel, y_channel = (prod(size) * shape.stored for size in (layer.input_size, shape.real.output_size))
    leads = (*Strides.packed(layer.input_size, shape.step).axes, 0, 0)[:2]
    x_image, y_image = x_channel * layer.in_channels, y_channel * shape.real.out_channels
    strides = (layer.in_channels, x_channel, x_image, *leads, y_channel, y_image)
    scratch = end if form.unpacks else y_tile if form.packs else x_tile
    fields = (scratch, x_tile, y_tile, *strides, Weights(layer).taps * shape.tap_bytes)
    plan = np.array([*(table.ctypes.data for table in kept), *fields], np.int64)
    return Tables(plan, len(tasks), scratch, kept, once=len(rows) == 1)


def _pieces(shape: Shape, position: int) -> list[Chunk]:
    """The chunks."""
    layer, wanted = shape.layer, -(-TASKS // _ranges(shape))
    # each chunk reads all weights: it is worth as much cache
    most = max(CACHED, min(Weights(layer).taps * shape.tap_bytes * shape.column_groups * shape.packed_blocks, LARGE))
    tile = shape.form.positions(shape.target)
    if shape.form.transposes:
        return to_pack(layer, shape.batch, position, wanted, most, tile, shape.column_groups * shape.blocks)
    return list(chunks(layer, shape.batch, position, wanted, most, tile))


def _ranges(shape: Shape) -> int:
    """Ranges of columns that a chunk is cut into before it is itself cut smaller.

    Each range reads, and may pack, the chunk's inputs; each chunk reads the weights: the lesser of them is read again.
    """
    count = shape.column_groups * shape.blocks
    weights = count * Weights(shape.layer).taps * shape.tap_bytes
    inputs = shape.batch * prod(shape.layer.input_size) * shape.layer.in_channels * shape.item
    return min(count, TASKS if weights > inputs else RANGES)


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
    block_bytes = Weights(layer).taps * shape.tap_bytes * shape.packed_blocks // shape.blocks
    channel = shape.stored * (prod(layer.output_size) if shape.form.unpacks else 1)
    for group in range(shape.column_groups):
        for block in range(shape.blocks):
            number = group * shape.blocks + block
            first = group * shape.group_columns + block * width
            x = (first if shape.form.flavour == "lanewise" else group * shape.group_inputs) * item
            count = min(width, shape.group_columns - block * width)
            yield x, number * block_bytes, number * width * item, first * channel, block * width, count


class _Parts:
    """Collects the records of parts and runs; what two chunks share is written once."""

    def __init__(self, shape: Shape) -> None:
        self.shape, self.weights = shape, Weights(shape.layer)
        self.parts: list[tuple[int, ...]] = []
        self.runs: list[tuple[int, ...]] = []
        self.at: dict[tuple[int, ...], int] = {}
        self.length = 0
        self.blocks: dict[tuple[tuple[range, ...], tuple[range, ...]], tuple[int, int]] = {}

    def chunk(self, piece: Chunk) -> tuple[int, ...]:
        """The record of a chunk, its parts written."""
        shape, first_image = self.shape, piece.images.start
        layer, stored = shape.layer, shape.stored
        key = (piece.outputs, piece.inputs)
        if key not in self.blocks:
            begin = len(self.parts)
            self.parts += self._parts(piece)
            self.blocks[key] = (begin, len(self.parts))
        leads = [len(window) for window in piece.inputs[: piece.cut]]
        window = prod(map(len, piece.inputs[piece.cut :]))
        x = first_image * layer.in_channels * prod(layer.input_size) * stored
        y = first_image * shape.real.out_channels * prod(shape.real.output_size) * stored
        if shape.form.packs:
            x += Strides.packed(layer.input_size, shape.step).at(0, _starts(piece.inputs))
        if shape.form.unpacks:
            y += Strides.packed(layer.output_size, stored).at(0, _starts(piece.outputs))
        lengths = (*leads, *[1] * (2 - len(leads)), window)
        return (*self.blocks[key], len(piece.images), x, *lengths, y, piece.positions)

    def _parts(self, piece: Chunk) -> Iterable[tuple[int, ...]]:
        """The records of a chunk's parts."""
        shape = self.shape
        layer = shape.layer
        (x, x_first), (y, y_first) = self._inputs(piece), self._outputs(piece)
        low, high = shape.cropped
        # where a position holds more channels than a column sums over, taps do not follow one another
        neighbour = layer.in_channels * shape.item if layer.in_channels == shape.group_inputs else 0
        lead = [0] * (AXES - layer.rank)
        size = layer.output_size[-1]
        for box in boxes_within(layer, piece.outputs, (low > 0, high > 0)):
            strips, written = box.strips, box.strips[-1].output
            offsets, taps = runs(box, self.weights, x, neighbour, shape.tap_bytes)
            x_at = x.at(0, tuple(s.first for s in strips)) - x_first if box.products else 0
            y_at = y.at(0, tuple(s.output.start for s in strips)) - y_first
            x_steps = (x.image, *lead, *(s.along * step for s, step in zip(strips, x.axes, strict=True)))
            y_steps = (y.image, *lead, *(s.output.step * step for s, step in zip(strips, y.axes, strict=True)))
            columns = (low * (0 in written), shape.group_columns - high * (size - 1 in written))
            work = (self._run(offsets), len(offsets) // 2, taps * shape.group_inputs)
            yield (*[1] * len(lead), *box.counts, *x_steps, *y_steps, x_at, y_at, *work, *columns)

    def _inputs(self, piece: Chunk) -> tuple[Strides, int]:
        """How a chunk's inputs lie, and the bytes before the first of them."""
        layer, position = self.shape.layer, self.shape.layer.in_channels * self.shape.item
        if not self.shape.form.packs:
            return Strides.packed(layer.input_size, position), 0
        packed = Strides.packed(tuple(map(len, piece.inputs)), position)
        return packed, packed.at(0, _starts(piece.inputs))

    def _outputs(self, piece: Chunk) -> tuple[Strides, int]:
        """How a chunk's outputs lie, and the bytes before the first of them."""
        shape = self.shape
        if shape.form.unpacks:
            packed = Strides.packed(tuple(map(len, piece.outputs)), shape.width * shape.item)
            return packed, packed.at(0, _starts(piece.outputs))
        real = Strides.packed(shape.real.output_size, shape.real.out_channels * shape.stored)
        return Strides(real.image, (*real.axes[:-1], real.axes[-1] * shape.phases)), shape.cropped[0] * shape.stored

    def _run(self, offsets: tuple[int, ...]) -> int:
        """Bytes before a list of runs, written once."""
        if offsets not in self.at:
            self.at[offsets] = self.length
            self.length += len(offsets) * WORD
            self.runs.append(offsets)
        return self.at[offsets]


def _starts(ranges: tuple[range, ...]) -> tuple[int, ...]:
    return tuple(each.start for each in ranges)


class Product:
    """The family: how a layer is bound to the code."""

    def __init__(self, shape: Shape) -> None:
        form = shape.form
        self.shape, self.dtype, self.tables = shape, np.dtype(form.dtype), tables(shape)
        code = binary.load(form.key, lambda target: kernels_product.emit(form, target), shape.target)
        self.task = code.address("task")
        self.order: tuple[object, ...] = ("product", shape.packed_width, shape.wide, form.dtype)
        self.header = 0
        self.packings: dict[tuple[int, ...], Packing] = {}

    def pack_weights(self, weights: Array) -> Array:
        """Weights in the order in which the code reads them."""
        source = weights.astype(self.dtype, copy=False)
        made = self._packing(source.strides)
        packed = empty(made.shape, self.dtype)
        made.pack(source, packed)
        return packed

    def late(self, weights: Array) -> Late | None:
        """How workers pack the weights themselves, where none packs what another does."""
        if not self.tables.once or self.shape.form.flavour == "dot" or weights.dtype != self.dtype:
            return None
        made = self._packing(weights.strides)
        if not made.block:
            return None
        record = made.record.copy()
        record[0] = address(weights)
        return Late(weights, record, made.block, made.size)

    def _packing(self, strides: tuple[int, ...]) -> Packing:
        made = self.packings.get(strides)
        if made is None:
            made = self.packings[strides] = packing(self.shape, strides)
        return made

    def pack_bias(self, bias: Array) -> Array:
        """One number for each column in the order of the code."""
        return pack_bias(self.shape, bias)
