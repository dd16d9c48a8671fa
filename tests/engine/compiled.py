"""A small module to compile, and what its code must answer."""

from __future__ import annotations

import ctypes
import os

import pytest
from llvmlite import ir

from unstride.engine.jit import binary
from unstride.engine.jit.target import Target

TABLE = (10, 20, 30, 40)
posix = pytest.mark.skipif(os.name != "posix", reason="owners, modes and fork are POSIX")


class Emitter:
    """A module with a constant table, a function that reads it, and one that calls both it and the C library."""

    def __init__(self, table: tuple[int, ...] = TABLE) -> None:
        self.table = table
        self.calls = 0

    def __call__(self, _: Target) -> ir.Module:
        self.calls += 1
        module, word = ir.Module("sums"), ir.IntType(64)
        table = ir.GlobalVariable(module, ir.ArrayType(word, len(self.table)), "table")
        table.global_constant, table.linkage = True, "internal"
        table.initializer = ir.Constant(table.value_type, list(self.table))
        add = ir.Function(module, ir.FunctionType(word, [word, word]), "add")
        code = ir.IRBuilder(add.append_basic_block())
        code.ret(code.add(code.load(code.gep(table, [word(0), add.args[0]])), add.args[1]))
        absolute = ir.Function(module, ir.FunctionType(word, [word]), "llabs")
        minus = ir.Function(module, ir.FunctionType(word, [word, word]), "distance")
        code = ir.IRBuilder(minus.append_basic_block())
        code.ret(code.call(absolute, [code.call(add, [minus.args[0], code.neg(minus.args[1])])]))
        return module


def call(found: binary.Binary, *arguments: int, name: str = "add") -> int:
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * len(arguments))
    return int(kind(found.address(name))(*arguments))


def again(emit: Emitter, key: str = "sums") -> int:
    """How often ``emit`` is asked when a fresh process would load the key; the code must be right."""
    binary._LOADED.clear()
    before = emit.calls
    found = binary.load(key, emit)
    assert [call(found, i, 5) for i in range(4)] == [value + 5 for value in emit.table]
    return emit.calls - before
