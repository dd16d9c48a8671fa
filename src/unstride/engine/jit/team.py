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

from . import binary
from .sharing import BYTES, I64, TASK, VOID
from .target import Target

REGION = ir.FunctionType(VOID, [BYTES])
PARALLEL = ir.FunctionType(VOID, [REGION.as_pointer(), BYTES, ir.IntType(32), ir.IntType(32)]).as_pointer()


class Field(IntEnum):
    """The words of a job."""

    TASK = 0
    CONTEXT = 1
    COUNT = 2
    PLACES = 3
    """threads that may take part: memory is there for so many"""
    NEXT = 4
    """the first index that nobody took"""
    ARRIVED = 5
    """threads that have come so far"""


def run(parallel: int, task: int, context: int, count: int, places: int, threads: int) -> None:
    """Call ``task(context, index, worker)`` once for every index below ``count``, on OpenMP's threads.

    ``parallel`` is the address of ``GOMP_parallel``, which gets ``threads`` of them; at most ``places`` take part, and
    have different numbers below that.
    """
    _compiled()(parallel, task, context, count, places, threads)


def emit(target: Target) -> ir.Module:
    """The module of ``together``: the arguments of ``run``."""
    del target
    module = ir.Module("team")
    share = _emit_share(module)
    together = ir.Function(module, ir.FunctionType(VOID, [I64] * 6), "together")
    parallel, task, context, count, places, threads = together.args
    code = ir.IRBuilder(together.append_basic_block("entry"))
    job = code.alloca(I64, len(Field))
    fields = (task, context, count, places, I64(0), I64(0))
    for field, value in zip(Field, fields, strict=True):
        code.store(value, code.gep(job, [I64(int(field))]))
    region = code.inttoptr(parallel, PARALLEL)
    code.call(region, [share, code.bitcast(job, BYTES), code.trunc(threads, ir.IntType(32)), ir.IntType(32)(0)])
    code.ret_void()
    return module


def _emit_share(module: ir.Module) -> ir.Function:
    """``share(job)``: take a number, and do indices until none is left."""
    share = ir.Function(module, REGION, "share")
    entry, more, work, done = (share.append_basic_block(name) for name in ("entry", "more", "work", "done"))
    code = ir.IRBuilder(entry)
    job = code.bitcast(share.args[0], I64.as_pointer())

    def at(field: Field) -> ir.Value:
        return code.gep(job, [I64(int(field))])

    worker = code.atomic_rmw("add", at(Field.ARRIVED), I64(1), "monotonic")
    task = code.inttoptr(code.load(at(Field.TASK)), TASK)
    context = code.inttoptr(code.load(at(Field.CONTEXT)), BYTES)
    count = code.load(at(Field.COUNT))
    code.cbranch(code.icmp_signed("<", worker, code.load(at(Field.PLACES))), more, done)
    code.position_at_end(more)
    index = code.atomic_rmw("add", at(Field.NEXT), I64(1), "monotonic")
    code.cbranch(code.icmp_signed("<", index, count), work, done)
    code.position_at_end(work)
    code.call(task, [context, index, worker])
    code.branch(more)
    code.position_at_end(done)
    code.ret_void()
    return share


@cache
def _compiled() -> Callable[[int, int, int, int, int, int], None]:
    word = ctypes.c_int64
    code = binary.load("team", emit)
    return ctypes.CFUNCTYPE(None, word, word, word, word, word, word)(code.address("together"))
