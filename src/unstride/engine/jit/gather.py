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

UNROLL = 4
"""elements between two tests of their count"""

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
    PLACES = 3
    """address of the weights' places: for each, bytes before it in its array and where it is packed"""
    ELEMENTS = 4
    BLANK = 5
    """bytes that are zeros first, where not all of them are filled"""
    HEADER = 6
    WEIGHTS = 7
    """bytes before the packed weights in the scratch"""
    BIAS_PLACES = 8
    BIAS_ELEMENTS = 9
    BIAS_BLANK = 10
    BIAS = 11


def gathered(family: Packer, weights: Array, bias: Array | None) -> Gathered | None:
    """How a layer is called with weights and a bias like these; none where that is not the fastest way."""
    at = address_offset()
    if at is None or weights.size > ELEMENTS:
        return None
    packed = _once(family.pack_weights(_numbers(weights)).ravel()[family.header // weights.itemsize :])
    if len(packed) > 2 * ELEMENTS:
        return None
    added = np.zeros(0, weights.dtype) if bias is None else family.pack_bias(_numbers(bias)).ravel()
    places, beside = _places(packed, weights), _places(added, weights if bias is None else bias)
    made = family.tables
    first = -(-made.scratch // ALIGNMENT) * ALIGNMENT + ALIGNMENT
    second = -(-(first + family.header + packed.nbytes) // ALIGNMENT) * ALIGNMENT
    step = second + added.nbytes + ALIGNMENT
    blanks = [0 if len(own) == len(each) else each.nbytes for own, each in ((places, packed), (beside, added))]
    fields = [family.task, made.task_count, made.plan.ctypes.data, places.ctypes.data, len(places), blanks[0]]
    fields += [family.header, first, beside.ctypes.data, len(beside), blanks[1], second]
    record = np.array(fields, np.int64)
    code, address = _gather(weights.dtype.name), record.ctypes.data
    kept = (record, places, beside, family)

    def call(x: Array, y: Array, weights: Array, bias: Array | None, _kept: object = kept) -> None:
        scratch = take(step)
        code(address, id(x) + at, id(y) + at, id(weights) + at, id(bias) + at, scratch.address)
        give(scratch, step)

    return call


def _numbers(array: Array) -> Array:
    """An array of the same shape whose elements are their own numbers, from 1; all of them exact."""
    return np.arange(1, array.size + 1, dtype=array.dtype).reshape(array.shape)


def _places(packed: Array, source: Array) -> Table:
    """For each packed number but zero: bytes before its element in the source, and before where it is packed."""
    places = np.flatnonzero(packed)
    index = np.unravel_index(packed[places].astype(np.int64) - 1, source.shape)
    offsets = sum((at * step for at, step in zip(index, source.strides, strict=True)), np.zeros(len(places), np.int64))
    return np.ascontiguousarray(np.stack([offsets, places * packed.itemsize], axis=1), np.int64)


def _once(packed: Array) -> Array:
    """Zeros where a number was packed before: lanes that are not written, which had better be quick to compute with."""
    _, first = np.unique(packed, return_index=True)
    found = np.zeros_like(packed)
    found[first] = packed[first]
    return found


@cache
def _code(dtype: str) -> binary.Binary:
    return binary.load(f"gather {dtype}", lambda _: _emit(dtype))


@cache
def _gather(dtype: str) -> Callable[..., None]:
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 6)(_code(dtype).address("gather"))


def _emit(dtype: str) -> ir.Module:
    """``gather(record, x, y, weights, bias, scratch)``: the arrays by the addresses of their addresses."""
    module = ir.Module("gather")
    kind = ir.VectorType(FLOATS[dtype], ALIGNMENT // (8 if dtype == "float64" else 4))
    fetch, check = (_emit_fetch(module, kind, checks=checks) for checks in (False, True))
    c = Code(module, "gather", 6)
    record, x, y, weights, bias, scratch = c.arguments

    def field(number: int) -> ir.Value:
        return c.load(record, INT, number * WORD)

    packed, header = c.add(scratch, field(Small.WEIGHTS)), field(Small.HEADER)
    call = c.builder.ptrtoint(c.builder.alloca(ir.ArrayType(INT, size(Call) // WORD)), INT)
    given = (c.load(weights), field(Small.PLACES), field(Small.ELEMENTS), field(Small.BLANK), c.add(packed, header))
    c.either(c.less(0, header), lambda: c.call(check, *given, packed), lambda: c.call(fetch, *given, packed))
    addend = c.add(scratch, field(Small.BIAS))
    with c.builder.if_then(c.less(0, field(Small.BIAS_ELEMENTS))):
        own = (field(Small.BIAS_PLACES), field(Small.BIAS_ELEMENTS), field(Small.BIAS_BLANK))
        c.call(fetch, c.load(bias), *own, addend, addend)
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


def _emit_fetch(module: ir.Module, kind: ir.VectorType, *, checks: bool) -> ir.Function:
    """``fetch(source, places, count, blank, target, finite)``: element by element, zeros where there is none.

    Where it checks, it says whether all are finite: an element's product with zero is a number then.
    """
    c = Code(module, "check" if checks else "fetch", 6, internal=True)
    source, places, count, blank, target, finite = c.arguments
    zero, no = ir.Constant(kind.element, 0.0), ir.Constant(ir.IntType(1), 0)
    with c.loop(blank, step=ALIGNMENT) as loop:
        c.store(ir.Constant(kind, None), c.add(target, loop.index))

    def some(first: ir.Value, many: int, found: ir.Value) -> ir.Value:
        for number in range(many):
            place = c.add(places, c.mul(first, 2 * WORD), 2 * WORD * number)
            value = c.load(c.add(source, c.load(place)), kind.element)
            c.store(value, c.add(target, c.load(place, INT, WORD)))
            if checks:
                product = c.builder.fmul(value, zero)
                found = c.builder.or_(found, c.builder.unordered(product, product))
        return found

    whole = c.builder.and_(count, c.constant(-UNROLL))
    with c.loop(whole, [no], step=UNROLL) as loop:
        loop.next = [some(loop.index, UNROLL, loop.values[0])]
    with c.loop(count, loop.values, whole) as rest:
        rest.next = [some(rest.index, 1, rest.values[0])]
    if checks:
        c.store(c.builder.zext(c.builder.not_(rest.values[0]), INT), finite)
    return c.done()
