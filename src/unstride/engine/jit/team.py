"""A job done by OpenMP's threads, where the framework that calls has them.

Between its parallel regions OpenMP lets its threads spin, so that the next region finds them awake: workers of another
pool would wait for their cores. A region of our own is done by the very threads that the framework uses, through the
entry that compilers call for ``#pragma omp parallel``: ``void GOMP_parallel(void (*fn)(void *), void *data, unsigned
num_threads, unsigned flags)``, https://gcc.gnu.org/onlinedocs/libgomp/Implementing-PARALLEL-construct.html.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from enum import IntEnum
from functools import cache

from llvmlite import ir

from ..threads import Team
from . import binary
from .sharing import BYTES, I64, TASK, VOID, emit_begin, emit_parts
from .target import Target
from .words import ALIGNMENT

REGION = ir.FunctionType(VOID, [BYTES])
NUMBER = ir.FunctionType(ir.IntType(32), []).as_pointer()
PARALLEL = ir.FunctionType(VOID, [REGION.as_pointer(), BYTES, ir.IntType(32), ir.IntType(32)]).as_pointer()


class Field(IntEnum):
    """The words of a job."""

    TASK = 0
    CONTEXT = 1
    COUNT = 2
    PLACES = 3
    """threads that may take part: memory is there for so many"""
    NUMBER = 4
    """address of OpenMP's function that tells a thread's number"""
    COUNTERS = 5


def run(team: Team, task: int, context: int, count: int, places: int, threads: int) -> None:
    """Call ``task(context, index, worker)`` once for every index below ``count``, on OpenMP's threads.

    OpenMP gives ``threads`` of them; at most ``places`` take part, and have different numbers below that.
    """
    _compiled()(*team, task, context, count, places, threads)


def emit(target: Target) -> ir.Module:
    """The module of ``together``: the arguments of ``run``."""
    del target
    module = ir.Module("team")
    share = _emit_share(module)
    together = ir.Function(module, ir.FunctionType(VOID, [I64] * 7), "together")
    parallel, number, task, context, count, places, threads = together.args
    code = ir.IRBuilder(together.append_basic_block("entry"))
    job = code.alloca(I64, len(Field))
    counters = code.alloca(I64, code.mul(places, I64(ALIGNMENT // 8)))
    fields = (task, context, count, places, number, code.ptrtoint(counters, I64))
    for field, value in zip(Field, fields, strict=True):
        code.store(value, code.gep(job, [I64(int(field))]))
    emit_begin(code, counters, places)
    region = code.inttoptr(parallel, PARALLEL)
    code.call(region, [share, code.bitcast(job, BYTES), code.trunc(threads, ir.IntType(32)), ir.IntType(32)(0)])
    code.ret_void()
    return module


def _emit_share(module: ir.Module) -> ir.Function:
    """``share(job)``: do indices until none is left, if there is a place for the thread's number."""
    share = ir.Function(module, REGION, "share")
    entry, work, done = (share.append_basic_block(name) for name in ("entry", "work", "done"))
    code = ir.IRBuilder(entry)
    job = code.bitcast(share.args[0], I64.as_pointer())

    def get(field: Field) -> ir.Value:
        return code.load(code.gep(job, [I64(int(field))]))

    worker = code.zext(code.call(code.inttoptr(get(Field.NUMBER), NUMBER), []), I64)
    places = get(Field.PLACES)
    code.cbranch(code.icmp_signed("<", worker, places), work, done)
    code.position_at_end(work)
    task, context = code.inttoptr(get(Field.TASK), TASK), code.inttoptr(get(Field.CONTEXT), BYTES)
    counters = code.inttoptr(get(Field.COUNTERS), I64.as_pointer())
    emit_parts(
        code, counters, worker, places, get(Field.COUNT), lambda index: code.call(task, [context, index, worker])
    )
    code.branch(done)
    code.position_at_end(done)
    code.ret_void()
    return share


@cache
def _compiled() -> Callable[[int, int, int, int, int, int, int], None]:
    code = binary.load("team", emit)
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 7)(code.address("together"))
