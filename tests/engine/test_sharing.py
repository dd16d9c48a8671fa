"""Who does which indices of a job, and in which order."""

from __future__ import annotations

import ctypes

from hypothesis import given
from hypothesis import strategies as st
from llvmlite import ir

from unstride.engine.jit import binary, sharing
from unstride.engine.jit.target import Target
from unstride.engine.jit.words import ALIGNMENT

MOST = 8
"""parts at most"""


def emit_order(_target: Target) -> ir.Module:
    """``order(list, counters, worker, parts, count)``: writes the indices as the worker, alone, comes to them."""
    module, i64 = ir.Module("order"), ir.IntType(64)
    words = i64.as_pointer()
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [words, words, i64, i64, i64]), "order")
    code = ir.IRBuilder(function.append_basic_block("entry"))
    found, counters, worker, parts, count = function.args
    done = code.alloca(i64)
    code.store(i64(0), done)

    def note(index: ir.Value) -> None:
        number = code.load(done)
        code.store(index, code.gep(found, [number]))
        code.store(code.add(number, i64(1)), done)

    sharing.emit_begin(code, counters, parts)
    sharing.emit_parts(code, counters, worker, parts, count, note)
    code.ret_void()
    return module


@given(count=st.integers(0, 50), parts=st.integers(1, MOST), worker=st.integers(0, MOST - 1))
def test_each_does_a_part_of_its_own_then_helps_the_next(count: int, parts: int, worker: int) -> None:
    worker %= parts
    code = binary.load("tests.sharing.order", emit_order)
    found, counters = (ctypes.c_int64 * (count + 1))(), (ctypes.c_int64 * (parts * ALIGNMENT // 8))()
    word, address = ctypes.c_int64, ctypes.c_void_p
    ctypes.CFUNCTYPE(None, address, address, word, word, word)(code.address("order"))(
        found, counters, worker, parts, count
    )
    first = worker * count // parts
    assert list(found)[:count] == [*range(first, count), *range(first)]
