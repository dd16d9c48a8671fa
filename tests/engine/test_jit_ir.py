"""IR as text: what is written is what LLVM reads, bit for bit."""

import ctypes
import struct

import llvmlite.binding as llvm
import pytest

from unstride.engine.jit import binary, cache, ir
from unstride.engine.jit.emit import Code
from unstride.engine.jit.target import host

NUMBERS = (0.0, -0.0, 1.0, 0.1, -1.5e-45, 3.4e38, float("inf"), float("-inf"))


@pytest.fixture(autouse=True)
def _nothing_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.FOLDER_VARIABLE, "off")


@pytest.mark.parametrize(("kind", "letter", "size"), [(ir.FloatType(), "f", 4), (ir.DoubleType(), "d", 8)])
def test_numbers_are_written_exactly(kind: ir.Type, letter: str, size: int) -> None:
    module = ir.Module("numbers")
    c = Code(module, "write", 1)
    for place, number in enumerate(NUMBERS):
        c.store(ir.Constant(kind, number), c.arguments[0], place * size)
    c.done()
    code = binary.load(f"numbers {letter}", lambda _: module, host())
    memory = ctypes.create_string_buffer(len(NUMBERS) * size)
    ctypes.CFUNCTYPE(None, ctypes.c_int64)(code.address("write"))(ctypes.addressof(memory))
    assert memory.raw == struct.pack(f"{len(NUMBERS)}{letter}", *NUMBERS)


def test_a_vector_is_its_lanes() -> None:
    four = ir.VectorType(ir.IntType(32), 4)
    assert ir.Constant(four, [0, 1, 2, -3]).typed == "<4 x i32> <i32 0, i32 1, i32 2, i32 -3>"
    assert ir.Constant(four, 7).typed == ir.Constant(four, [7, 7, 7, 7]).typed
    assert ir.Constant(four, None).typed == "<4 x i32> zeroinitializer"
    assert (four.element, four.count) == (ir.IntType(32), 4)
    assert (four.element.element, four.element.count) == (four.element, 1)


def test_types_are_equal_where_they_are_written_alike() -> None:
    assert ir.VectorType(ir.FloatType(), 8) == ir.VectorType(ir.FloatType(), 8)
    assert ir.VectorType(ir.FloatType(), 8) != ir.VectorType(ir.FloatType(), 4)
    assert len({ir.IntType(64), ir.IntType(64), ir.IntType(32)}) == 2


def test_a_call_with_other_arguments_than_the_function_takes_is_refused() -> None:
    module = ir.Module("calls")
    one = ir.Function(module, ir.FunctionType(ir.VoidType(), [ir.IntType(64)]), "one")
    c = Code(module, "wrong", 1)
    with pytest.raises(TypeError, match="@one takes"):
        c.builder.call(one, [ir.Constant(ir.FloatType(), 1.0)])


def test_every_kind_of_instruction_passes_llvms_verifier() -> None:
    module = ir.Module("all")
    c = Code(module, "all", 2)
    address, count = c.arguments
    kind = ir.VectorType(ir.FloatType(), 4)
    with c.loop(count, [ir.Constant(kind, None)], step=16) as loop:
        value = c.load(c.add(address, loop.index), kind)
        loop.next = [c.fma(value, value, loop.values[0])]
    mask = c.within(0, count, 0, 4)
    c.masked_store(c.masked_load(address, mask, kind), address, mask)
    c.store_first(c.builder.fneg(loop.values[0]), address, 3)
    c.store(c.builder.extract_element(c.splat(c.load(address, kind.element), kind), 2), address)
    c.choose(c.minimum(count, 1), {0: lambda: None, 1: lambda: c.prefetch(address)})
    c.either(c.less(count, 4), lambda: c.store(c.builder.opaque(count), address), lambda: None)
    c.done()
    module.triple = host().triple
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    assert [each.name for each in parsed.functions if not each.is_declaration] == ["all"]
