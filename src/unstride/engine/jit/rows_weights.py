"""Weights in the order in which ``kernels_rows`` reads them.

That is by groups, blocks of channels, passes, taps of the axes before the last, inputs, taps of the pass, channels.

What a block takes of one input is the same for all inputs but for a step: a table of a few elements says where each of
them comes from and goes to, and is short enough to stay in cache.
"""

from __future__ import annotations

from array import array
from enum import IntEnum
from functools import partial, reduce
from math import prod

import numpy as np

from . import binary, ir, kernels_dot, pool
from .emit import FLOATS, INT, Code
from .memory import ALIGNMENT, Array, Table, address, empty
from .records import WORD, size
from .rows_shape import Pass, Shape
from .target import Target

SHARED = 2**14
"""weights from which on threads share them"""
UNROLL = 4
"""elements between two tests of their count"""


class Order(IntEnum):
    """How weights lie, and where they go: counts, and steps in bytes."""

    GROUP = 0
    BLOCKS = 1
    BLOCK = 2
    INPUTS = 3
    INPUT = 4
    PASSES = 5
    TABLE = 6
    """address of the passes' records"""
    ELEMENTS = 7
    """of a packed block"""
    PIECES = 8
    """in which a block's weights lie"""
    PIECE = 9
    """from one to the next"""
    SPAN = 10
    """bytes of each"""
    SOURCE = 11
    """address of the weights"""
    TARGET = 12
    """address of the packed ones"""
    FINITE = 13
    """address of what says whether all are finite: 1 until one is not"""


class Part(IntEnum):
    """A pass's part of a packed block."""

    AT = 0
    ROW = 1
    """bytes from one input's weights to the next one's"""
    ELEMENTS = 2
    """address of its elements: bytes before the weight, and before its place"""
    COUNT = 3
    LAST = 4
    """those of the last block"""


class Packing:
    """A layer's weights, brought into the order of the code."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._code = binary.load(f"rows of weights {shape.dtype}", partial(_emit, shape.dtype), shape.target)
        layer, item = shape.layer, shape.item
        inputs, outputs, width = shape.group_inputs, shape.group_outputs, shape.tile.channels
        taps = prod(layer.kernel) * item
        input_step, output_step = (outputs * taps, taps) if layer.transposed else (taps, inputs * taps)
        last = outputs - (shape.blocks - 1) * width
        self._partial = 0 < last < width
        self._tables = [_elements(shape, each, output_step) for each in shape.passes]
        parts, at = [], 0
        for each, table in zip(shape.passes, self._tables, strict=True):
            count = shape.outer_taps * len(each.taps)
            row = len(each.taps) * width * item
            parts.append((at, row, table.ctypes.data, count * width, count * last))
            at += shape.outer_taps * shape.pass_bytes(each)
        self._parts = np.array(parts, np.int64)
        steps = (inputs * outputs * taps, shape.blocks, width * output_step, inputs, input_step)
        # a block's channels lie side by side for each input, or an output channel's inputs
        pieces = (inputs, input_step, width * taps) if layer.transposed else (width, output_step, inputs * taps)
        self._order = (*steps, len(parts), self._parts.ctypes.data, at // item, *pieces)

    def __call__(self, weights: Array) -> Array:
        """Whether all weights are finite, in a cache line; then weights as the code reads them, zeros where none is."""
        shape, dtype = self._shape, np.dtype(self._shape.dtype)
        source = np.ascontiguousarray(weights, dtype)
        elements, tasks = shape.block_bytes // dtype.itemsize, shape.layer.groups * shape.blocks
        packed = empty((ALIGNMENT // dtype.itemsize + tasks * elements,), dtype)
        begin = address(packed)
        packed[: ALIGNMENT // dtype.itemsize].view(np.int64)[0] = 1
        if self._partial:
            packed[ALIGNMENT // dtype.itemsize :].reshape(shape.layer.groups, shape.blocks, elements)[:, -1] = 0
        record = array("q", (*self._order, address(source), begin + ALIGNMENT, begin))
        threads = 1 if source.size < SHARED else None
        pool.run(self._code.address("pack"), record.buffer_info()[0], tasks, threads)
        return packed


def _elements(shape: Shape, each: Pass, output_step: int) -> Table:
    """For each channel of a block and each tap of a pass, where its weight lies and goes to, for the first input."""
    width, taps = shape.tile.channels, np.array(each.taps, np.int64)
    channel, outer, place = np.indices((width, shape.outer_taps, len(taps)))
    source = channel * output_step + (outer * shape.layer.kernel[-1] + taps[place]) * shape.item
    target = outer * shape.pass_bytes(each) + (place * width + channel) * shape.item
    return np.ascontiguousarray(np.stack([source, target], axis=-1), np.int64)


def _emit(dtype: str, target: Target) -> ir.Module:
    """A task for each block of each group."""
    module, item = ir.Module("rows of weights"), 8 if dtype == "float64" else 4
    kind = ir.VectorType(FLOATS[dtype], target.lanes(item))
    check = _emit_check(module, kind)
    c = Code(module, "pack", 3)
    order, index, _ = c.arguments

    def field(record: ir.Value, number: int) -> ir.Value:
        return c.load(record, INT, number * WORD)

    group = c.div(index, field(order, Order.BLOCKS))
    block = c.sub(index, c.mul(group, field(order, Order.BLOCKS)))
    before = c.add(c.mul(group, field(order, Order.GROUP)), c.mul(block, field(order, Order.BLOCK)))
    source, elements = c.add(field(order, Order.SOURCE), before), field(order, Order.ELEMENTS)
    packed = c.add(field(order, Order.TARGET), c.mul(index, c.mul(elements, item)))
    with c.loop(field(order, Order.PIECES), [source]) as pieces:
        with c.loop(field(order, Order.SPAN), step=ALIGNMENT) as lines:
            c.prefetch(c.add(pieces.values[0], lines.index))
        pieces.next = [c.add(pieces.values[0], field(order, Order.PIECE))]
    whole = c.less(block, c.sub(field(order, Order.BLOCKS), 1))
    with c.loop(field(order, Order.PASSES)) as passes:
        part = c.add(field(order, Order.TABLE), c.mul(passes.index, size(Part)))
        count = c.builder.select(whole, field(part, Part.COUNT), field(part, Part.LAST))
        with c.loop(field(order, Order.INPUTS), [source, c.add(packed, field(part, Part.AT))]) as inputs:
            _copy(c, kind.element, field(part, Part.ELEMENTS), count, *inputs.values)
            onward = (field(order, Order.INPUT), field(part, Part.ROW))
            inputs.next = [c.add(at, step) for at, step in zip(inputs.values, onward, strict=True)]
    c.call(check, packed, elements, field(order, Order.FINITE))
    c.done()
    return module


def _copy(c: Code, kind: ir.Type, elements: ir.Value, count: ir.Value, source: ir.Value, target: ir.Value) -> None:
    """Elements of one input, each to its place."""

    def one(number: ir.Value) -> None:
        element = c.add(elements, c.mul(number, 2 * WORD))
        c.store(c.load(c.add(source, c.load(element)), kind), c.add(target, c.load(element, INT, WORD)))

    whole = c.builder.and_(count, c.constant(-UNROLL))
    with c.loop(whole, step=UNROLL) as loop:
        for turn in range(UNROLL):
            one(c.add(loop.index, turn))
    with c.loop(count, start=whole) as rest:
        one(rest.index)


def _emit_check(module: ir.Module, kind: ir.VectorType) -> ir.Function:
    """``check(numbers, count, finite)``: a product with zero is a number where the element is finite."""
    c = Code(module, "check", 3, internal=True)
    numbers, count, finite = c.arguments
    item, element = kernels_dot.size(kind), kind.element
    whole = c.builder.and_(count, c.constant(-kind.count))
    with c.loop(whole, [ir.Constant(kind, None)], step=kind.count) as loop:
        value = c.load(c.add(numbers, c.mul(loop.index, item)), kind)
        loop.next = [c.fma(value, ir.Constant(kind, None), loop.values[0])]
    total = reduce(c.builder.fadd, (c.builder.extract_element(loop.values[0], lane) for lane in range(kind.count)))
    with c.loop(count, [total], start=whole) as rest:
        value = c.load(c.add(numbers, c.mul(rest.index, item)), element)
        rest.next = [c.fma(value, ir.Constant(element, 0.0), rest.values[0])]
    c.either(c.builder.unordered(rest.values[0], rest.values[0]), lambda: c.store(c.constant(0), finite))
    return c.done()
