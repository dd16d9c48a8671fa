"""A call of compiled code: its record filled in, its tasks done by the caller alone or with the pool."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable
from enum import IntEnum
from functools import cache
from typing import NamedTuple, Protocol

import numpy as np

from ..threads import num_threads
from . import binary, ir, pool
from .emit import INT, TASK, Code
from .memory import Array, Table, Tables, address, address_offset, give, take
from .records import WORD, Call, size

PRODUCTS = 2**19
"""multiply-accumulates up to which sharing a call costs more than it saves"""


class Job(NamedTuple):
    """Tasks that have nothing to do with a layer's, to be done among them."""

    task: int
    context: int
    tasks: int


class Starter(Protocol):
    """Computes an output from an input."""

    def __call__(self, x: Array, y: Array, residual: Array | None) -> None:
        """The second from the first, and a residual if there is one: arrays as the code wants them."""

    def at(self, x: int, y: int, beside: Job | None = None) -> None:
        """The same by the arrays' addresses, without a residual."""


Caller = Callable[[Array, Array, int, int], None]
"""the same, with the addresses of packed weights and bias"""


class Late(NamedTuple):
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


class Both(IntEnum):
    """Two jobs done in one turn."""

    TASK = 0
    CONTEXT = 1
    COUNT = 2
    NEXT_TASK = 3
    NEXT_CONTEXT = 4
    NEXT_COUNT = 5


def starter(task: int, tables: Tables, weights: int, bias: int, products: int) -> Starter:
    """How a layer of so many ``products`` is called, with the addresses of its packed weights and bias."""
    if address_offset() is None:
        return _Shared(task, tables, weights, bias, products)
    alone = _Alone(task, tables, weights, bias)
    return alone if products <= PRODUCTS else _Either(alone, _Shared(task, tables, weights, bias, products))


def late_starter(task: int, tables: Tables, late: Late, bias: int, products: int) -> Starter:
    """How a layer is called whose weights are yet to be packed."""
    return _Shared(task, tables, late, bias, products)


class _Shared:
    """The tasks done by the pool, or by the caller where they are few."""

    __slots__ = ("_bias", "_held", "_most", "_pack", "_plan", "_step", "_tables", "_task", "_tasks", "_weights")

    def __init__(self, task: int, tables: Tables, weights: int | Late, bias: int, products: int) -> None:
        self._task, self._tables, self._bias, self._held = task, tables, bias, weights
        self._plan, self._tasks, self._step = address(tables.plan), tables.task_count, tables.scratch
        self._most = tables.task_count if products > PRODUCTS else 1
        if isinstance(weights, Late):
            self._weights, self._pack = address(weights.record), (weights.pack, weights.step)
        else:
            self._weights, self._pack = weights, (0, 0)

    def __call__(self, x: Array, y: Array, residual: Array | None) -> None:
        self._start(address(x), address(y), 0 if residual is None else address(residual), None)

    def at(self, x: int, y: int, beside: Job | None = None) -> None:
        self._start(x, y, 0, beside)

    def _start(self, x: int, y: int, residual: int, beside: Job | None) -> None:
        threads, step = min(num_threads(), self._most), self._step
        pack, block = self._pack
        scratch = take(threads * (step + block))
        scratch.words[: threads * step // WORD : step // WORD] = 0
        arrays = (self._plan, x, self._weights, self._bias, y, residual, scratch.address)
        fields = array("q", (*arrays, pack, scratch.address + threads * step))
        task, context, count = self._task, fields.buffer_info()[0], self._tasks
        if beside is not None:
            both = array("q", (task, context, count, *beside))
            task, context, count = _code().address("both"), both.buffer_info()[0], count + beside.tasks
        pool.run(task, context, count, threads)
        give(scratch, threads * (step + block))


def caller(task: int, tables: Tables, products: int) -> Caller:
    """How a layer of so many ``products`` is called with other weights each time."""
    plan, tasks, step, offset = tables.plan.ctypes.data, tables.task_count, tables.scratch, address_offset()
    if products > PRODUCTS or offset is None:
        return lambda x, y, weights, bias: _Shared(task, tables, weights, bias, products)(x, y, None)
    code, nothing, at = _errands(), np.zeros(1, np.int64), offset
    none = nothing.ctypes.data

    def call(x: Array, y: Array, weights: int, bias: int, _kept: tuple[Tables, Array] = (tables, nothing)) -> None:
        errand = array("q", (task, tasks, plan, weights, bias))
        scratch = take(step)
        code(errand.buffer_info()[0], id(x) + at, id(y) + at, none, scratch.address)
        give(scratch, step)

    return call


class _Alone:
    """One compiled call for all tasks, which reads the arrays' addresses itself: NumPy takes longer to tell them."""

    __slots__ = ("_address", "_code", "_errand", "_none", "_nothing", "_offset", "_step", "_tables")

    def __init__(self, task: int, tables: Tables, weights: int, bias: int) -> None:
        self._errand = np.array([task, tables.task_count, tables.plan.ctypes.data, weights, bias], np.int64)
        self._nothing, self._tables, self._step = np.zeros(1, np.int64), tables, tables.scratch
        self._address, self._none = self._errand.ctypes.data, self._nothing.ctypes.data
        self._code, self._offset = _errands(), address_offset() or 0

    def __call__(self, x: Array, y: Array, residual: Array | None) -> None:
        scratch, offset = take(self._step), self._offset
        added = self._none if residual is None else id(residual) + offset
        self._code(self._address, id(x) + offset, id(y) + offset, added, scratch.address)
        give(scratch, self._step)

    def at(self, x: int, y: int, beside: Job | None = None) -> None:
        if beside is not None:
            pool.run(*beside, 1)
        scratch, places = take(self._step), array("q", (x, y))
        place = places.buffer_info()[0]
        self._code(self._address, place, place + WORD, self._none, scratch.address)
        give(scratch, self._step)


class _Either:
    """Alone where a call may use one thread."""

    __slots__ = ("_alone", "_shared")

    def __init__(self, alone: _Alone, shared: _Shared) -> None:
        self._alone, self._shared = alone, shared

    def __call__(self, x: Array, y: Array, residual: Array | None) -> None:
        (self._alone if num_threads() == 1 else self._shared)(x, y, residual)

    def at(self, x: int, y: int, beside: Job | None = None) -> None:
        self._shared.at(x, y, beside)


@cache
def _code() -> binary.Binary:
    return binary.load("calls", lambda _: _emit())


@cache
def _errands() -> Callable[[int, int, int, int, int], None]:
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 5)(_code().address("errand"))


def _emit() -> ir.Module:
    """``errand`` and the task ``both``."""
    module = ir.Module("calls")
    _emit_errand(Code(module, "errand", 5))
    _emit_both(Code(module, "both", 3))
    return module


def _emit_errand(c: Code) -> None:
    """``errand(record, x, y, residual, scratch)``: all tasks; the arrays by the addresses of their addresses."""
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


def _emit_both(c: Code) -> None:
    """The tasks of two jobs, the second's spread evenly among the first's: any range of indices has its share."""
    record, index, worker = c.arguments

    def get(field: Both) -> ir.Value:
        return c.load(record, INT, field * WORD)

    def do(task: Both, context: Both, number: ir.Value) -> None:
        c.builder.call(c.builder.inttoptr(get(task), TASK.as_pointer()), [get(context), number, worker])

    count = c.add(get(Both.COUNT), get(Both.NEXT_COUNT))
    before, after = (c.div(c.mul(at, get(Both.NEXT_COUNT)), count) for at in (index, c.add(index, 1)))
    c.either(
        c.less(before, after),
        lambda: do(Both.NEXT_TASK, Both.NEXT_CONTEXT, before),
        lambda: do(Both.TASK, Both.CONTEXT, c.sub(index, before)),
    )
    c.done()
