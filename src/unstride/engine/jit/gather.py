"""A layer of few weights in one compiled call: they and its bias fetched element by element, then all its tasks.

How a family packs weights is found by letting it pack their numbers, so that any family and any strides will do.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from enum import IntEnum
from functools import cache
from typing import Protocol

import numpy as np

from . import binary, ir
from .emit import FLOATS, INT, TASK, Code
from .memory import ALIGNMENT, Array, Table, Tables, address_offset, give, take
from .records import WORD, Call, size

ELEMENTS = 2**14
"""packed weights up to which fetching each by itself takes less time than starting a kernel for them"""

MISSING = -(2**63)

Gathered = Callable[[Array, Array, Array, Array | None], None]
"""computes its second argument from its first, the weights and the bias"""


class Packer(Protocol):
    """What packs a layer's weights, such as ``plans.Family``."""

    tables: Tables
    task: int
    header: int
    """bytes before the packed weights, of which the first eight say whether all are finite"""

    def pack_weights(self, weights: Array) -> Array:
        """Canonical weights in the order in which the code reads them."""

    def pack_bias(self, bias: Array) -> Array:
        """The bias as the code reads it."""


class Small(IntEnum):
    """What does not change from call to call."""

    TASK = 0
    COUNT = 1
    PLAN = 2
    OFFSETS = 3
    """address of the weights' offsets in their array, in the order in which they are packed; ``MISSING``: a zero"""
    ELEMENTS = 4
    HEADER = 5
    WEIGHTS = 6
    """bytes before the packed weights in the scratch"""
    BIAS_OFFSETS = 7
    BIAS_ELEMENTS = 8
    BIAS = 9


def gathered(family: Packer, weights: Array, bias: Array | None) -> Gathered | None:
    """How a layer is called with weights and a bias like these; none where that is not the fastest way."""
    at = address_offset()
    if at is None or weights.size > ELEMENTS:
        return None
    offsets = _offsets(family.pack_weights(_numbers(weights)), weights, family.header)
    if len(offsets) > 2 * ELEMENTS:
        return None
    beside = np.zeros(0, np.int64) if bias is None else _offsets(family.pack_bias(_numbers(bias)), bias, 0)
    made, item = family.tables, weights.itemsize
    first = -(-made.scratch // ALIGNMENT) * ALIGNMENT + ALIGNMENT
    second = -(-(first + family.header + item * len(offsets)) // ALIGNMENT) * ALIGNMENT
    step = second + item * len(beside) + ALIGNMENT
    tables = [family.task, made.task_count, made.plan.ctypes.data, offsets.ctypes.data, len(offsets), family.header]
    record = np.array([*tables, first, beside.ctypes.data, len(beside), second], np.int64)
    code, address = _gather(weights.dtype.name), record.ctypes.data
    kept = (record, offsets, beside, family)

    def call(x: Array, y: Array, weights: Array, bias: Array | None, _kept: object = kept) -> None:
        scratch = take(step)
        code(address, id(x) + at, id(y) + at, id(weights) + at, id(bias) + at, scratch.address)
        give(scratch, step)

    return call


def _numbers(array: Array) -> Array:
    """An array of the same shape whose elements are their own numbers, from 1; all of them exact."""
    return np.arange(1, array.size + 1, dtype=array.dtype).reshape(array.shape)


def _offsets(packed: Array, source: Array, header: int) -> Table:
    """For each packed number the bytes before its element in the source, or ``MISSING`` for a zero."""
    numbers = packed.ravel()[header // packed.itemsize :].astype(np.int64) - 1
    index = np.unravel_index(np.maximum(numbers, 0), source.shape)
    offsets = sum((at * step for at, step in zip(index, source.strides, strict=True)), np.zeros(len(numbers), np.int64))
    return np.where(numbers < 0, MISSING, offsets)


@cache
def _code(dtype: str) -> binary.Binary:
    return binary.load(f"gather {dtype}", lambda _: _emit(dtype))


@cache
def _gather(dtype: str) -> Callable[..., None]:
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 6)(_code(dtype).address("gather"))


def _emit(dtype: str) -> ir.Module:
    """``gather(record, x, y, weights, bias, scratch)``: the arrays by the addresses of their addresses."""
    module = ir.Module("gather")
    fetch = _emit_fetch(module, FLOATS[dtype], 8 if dtype == "float64" else 4)
    c = Code(module, "gather", 6)
    record, x, y, weights, bias, scratch = c.arguments

    def field(number: int) -> ir.Value:
        return c.load(record, INT, number * WORD)

    packed = c.add(scratch, field(Small.WEIGHTS))
    call = c.builder.ptrtoint(c.builder.alloca(ir.ArrayType(INT, size(Call) // WORD)), INT)
    target = c.add(packed, field(Small.HEADER))
    c.call(fetch, c.load(weights), field(Small.OFFSETS), field(Small.ELEMENTS), target, call)
    with c.builder.if_then(c.less(0, field(Small.HEADER))):
        c.store(c.load(call), packed)
    addend = c.add(scratch, field(Small.BIAS))
    with c.builder.if_then(c.less(0, field(Small.BIAS_ELEMENTS))):
        c.call(fetch, c.load(bias), field(Small.BIAS_OFFSETS), field(Small.BIAS_ELEMENTS), addend, call)
    values = {Call.PLAN: field(Small.PLAN), Call.X: c.load(x), Call.Y: c.load(y), Call.RESIDUAL: c.constant(0)}
    values |= {Call.WEIGHTS: packed, Call.BIAS: addend, Call.SCRATCH: scratch}
    for number, value in (values | {Call.PACK: c.constant(0), Call.PACKED: c.constant(0)}).items():
        c.store(value, call, number * WORD)
    c.store(c.constant(0), scratch)
    task = c.builder.inttoptr(field(Small.TASK), TASK.as_pointer())
    with c.loop(field(Small.COUNT)) as loop:
        c.builder.call(task, [call, loop.index, c.constant(0)])
    c.done()
    return module


def _emit_fetch(module: ir.Module, kind: ir.Type, item: int) -> ir.Function:
    """Element by element; the product with zero is a number where the element is finite."""
    c = Code(module, "fetch", 5)
    source, offsets, count, target, finite = c.arguments
    zero, no = ir.Constant(kind, 0.0), ir.Constant(ir.IntType(1), 0)
    with c.loop(count, [no]) as loop:
        offset = c.load(c.add(offsets, c.mul(loop.index, WORD)))
        missing = c.builder.icmp_signed("==", offset, c.constant(MISSING))
        value = c.load(c.add(source, c.builder.select(missing, c.constant(0), offset)), kind)
        value = c.builder.select(missing, zero, value)
        c.store(value, c.add(target, c.mul(loop.index, item)))
        product = c.builder.fmul(value, zero)
        loop.next = [c.builder.or_(loop.values[0], c.builder.unordered(product, product))]
    c.store(c.builder.zext(c.builder.not_(loop.values[0]), INT), finite)
    return c.done()
