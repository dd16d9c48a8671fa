"""A call of compiled code: its record filled in, its tasks done by the caller alone or with the pool."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

import numpy as np

from ..threads import num_threads
from . import binary, ir, pool
from .emit import INT, TASK, Code
from .memory import Array, Table, Tables, give, take
from .records import WORD, Call, size

PRODUCTS = 2**19
"""multiply-accumulates up to which sharing a call costs more than it saves"""

Starter = Callable[[Array, Array, Array | None], None]
"""computes its second argument from its first, and a residual if there is one: arrays as the code wants them"""

Caller = Callable[[Array, Array, int, int], None]
"""the same, with the addresses of packed weights and bias"""


@dataclass(frozen=True, slots=True, eq=False)
class Late:
    """Weights that each worker packs block by block, when it needs them."""

    weights: Array
    record: Table
    """how they lie"""
    pack: int
    """address of the function that packs a block"""
    step: int
    """bytes of a block"""


class Errand(IntEnum):
    """All tasks of a layer for one thread: what does not change from call to call."""

    TASK = 0
    COUNT = 1
    PLAN = 2
    WEIGHTS = 3
    BIAS = 4


def starter(task: int, tables: Tables, weights: int, bias: int, products: int) -> Starter:
    """How a layer of so many ``products`` is called, with the addresses of its packed weights and bias."""
    if products <= PRODUCTS and address_offset() is not None:
        return _alone(task, tables, weights, bias)
    return _shared(task, tables, weights, bias, products)


def late_starter(task: int, tables: Tables, late: Late, bias: int, products: int) -> Starter:
    """How a layer is called whose weights are yet to be packed."""
    return _shared(task, tables, late, bias, products)


def _shared(task: int, tables: Tables, weights: int | Late, bias: int, products: int) -> Starter:
    """The tasks done by the pool, or by the caller where they are few."""
    plan, tasks, step = tables.plan.ctypes.data, tables.task_count, tables.scratch
    if isinstance(weights, Late):
        given, pack, block = int(weights.record.ctypes.data), weights.pack, weights.step
    else:
        given, pack, block = weights, 0, 0

    def start(x: Array, y: Array, residual: Array | None) -> None:
        threads = min(num_threads(), tasks) if products > PRODUCTS else 1
        scratch = take(threads * (step + block))
        scratch.words[: threads * step // WORD : step // WORD] = 0
        added = 0 if residual is None else residual.ctypes.data
        arrays = (plan, x.ctypes.data, given, bias, y.ctypes.data, added, scratch.address)
        fields = array("q", (*arrays, pack, scratch.address + threads * step))
        pool.run(task, fields.buffer_info()[0], tasks, threads)
        give(scratch, threads * (step + block))

    return start


def caller(task: int, tables: Tables, products: int) -> Caller:
    """How a layer of so many ``products`` is called with other weights each time."""
    plan, tasks, step, offset = tables.plan.ctypes.data, tables.task_count, tables.scratch, address_offset()
    if products > PRODUCTS or offset is None:
        return lambda x, y, weights, bias: starter(task, tables, weights, bias, products)(x, y, None)
    code, nothing, at = _errands(), np.zeros(1, np.int64), offset
    none = nothing.ctypes.data

    def call(x: Array, y: Array, weights: int, bias: int, _kept: tuple[Tables, Array] = (tables, nothing)) -> None:
        errand = array("q", (task, tasks, plan, weights, bias))
        scratch = take(step)
        code(errand.buffer_info()[0], id(x) + at, id(y) + at, none, scratch.address)
        give(scratch, step)

    return call


def _alone(task: int, tables: Tables, weights: int, bias: int) -> Starter:
    """One compiled call for all tasks, which reads the arrays' addresses itself: NumPy takes longer to tell them."""
    errand = np.array([task, tables.task_count, tables.plan.ctypes.data, weights, bias], np.int64)
    nothing = np.zeros(1, np.int64)
    address, none, step = errand.ctypes.data, nothing.ctypes.data, tables.scratch
    code, offset = _errands(), address_offset() or 0

    def start(
        x: Array, y: Array, residual: Array | None, _kept: tuple[Array, Tables, Array] = (errand, tables, nothing)
    ) -> None:
        scratch = take(step)
        added = none if residual is None else id(residual) + offset
        code(address, id(x) + offset, id(y) + offset, added, scratch.address)
        give(scratch, step)

    return start


@cache
def address_offset() -> int | None:
    """Bytes in an array object before its elements' address; none where arrays are not built as CPython's are.

    NumPy's C API: in ``PyArrayObject_fields`` the address follows the object's head.
    """
    probe, offset = np.zeros(1), object.__basicsize__
    if np.ndarray.__basicsize__ < offset + WORD:
        return None
    found = ctypes.c_void_p.from_address(id(probe) + offset).value
    return offset if found == probe.ctypes.data else None


@cache
def _errands() -> Callable[[int, int, int, int, int], None]:
    code = binary.load("errand", lambda _: _emit())
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 5)(code.address("errand"))
    function.code = code  # type: ignore[attr-defined] # keeps the code in memory
    return function


def _emit() -> ir.Module:
    """``errand(record, x, y, residual, scratch)``: all tasks; the arrays by the addresses of their addresses."""
    module = ir.Module("errand")
    c = Code(module, "errand", 5)
    record, x, y, residual, scratch = c.arguments

    def field(number: int) -> ir.Value:
        return c.load(record, INT, number * WORD)

    call = c.builder.ptrtoint(c.builder.alloca(ir.ArrayType(INT, size(Call) // WORD)), INT)
    fields = {Call.PLAN: field(Errand.PLAN), Call.WEIGHTS: field(Errand.WEIGHTS), Call.BIAS: field(Errand.BIAS)}
    fields |= {Call.X: c.load(x), Call.Y: c.load(y), Call.RESIDUAL: c.load(residual), Call.SCRATCH: scratch}
    fields |= {Call.PACK: c.constant(0), Call.PACKED: c.constant(0)}
    for number, value in fields.items():
        c.store(value, call, number * WORD)
    c.store(c.constant(0), scratch)
    task = c.builder.inttoptr(field(Errand.TASK), TASK.as_pointer())
    with c.loop(field(Errand.COUNT)) as loop:
        c.builder.call(task, [call, loop.index, c.constant(0)])
    c.done()
    return module
