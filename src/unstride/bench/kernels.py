"""Two kernels of our own, as LLVM IR: multiply-adds that depend on nothing but themselves, and a copy.

``peak(iterations, memory)`` does ``iterations`` times as many fused multiply-adds as ``fused`` says; ``plain`` and
``streaming`` copy ``(target, source, blocks)``, the latter past the caches.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llvmlite import ir

    from ..engine.jit.target import Target

UNROLLED = 4
"""times that every chain is extended in one iteration"""
BLOCK = 512
"""bytes copied in one iteration"""


@dataclass(frozen=True, slots=True)
class Kernels:
    """Compiled for this machine; every function drops the interpreter's lock while it runs."""

    fused: int
    """floating-point operations of one iteration: two for each lane of each multiply-add"""
    vector_bytes: int
    registers: int
    peak: Callable[[int, int], None]
    plain: Callable[[int, int, int], None]
    streaming: Callable[[int, int, int], None]
    keep: Any
    """owns the code"""


def load(dtype: str) -> Kernels:
    """Compile for an element type. Raises ImportError where llvmlite is missing."""
    from ..engine.jit import binary
    from ..engine.jit.target import host

    target, itemsize = host(), {"float32": 4, "float64": 8}[dtype]
    # the code on disk is found by its source, so that another version of it is never taken for this one
    source = sha256(str(_module(target, itemsize)).encode()).hexdigest()
    code = binary.load(f"bench {source}", lambda aimed: _module(aimed, itemsize), target)
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    copy = ctypes.CFUNCTYPE(None, pointer, pointer, number)
    return Kernels(
        2 * target.lanes(itemsize) * _chains(target) * UNROLLED,
        target.vector_bytes,
        target.registers,
        ctypes.CFUNCTYPE(None, number, pointer)(code.address("peak")),
        copy(code.address("plain")),
        copy(code.address("streaming")),
        code,
    )


def _chains(target: Target) -> int:
    """Independent accumulators: all registers but the two factors and two spare ones."""
    return target.registers - 4


def _module(target: Target, itemsize: int) -> ir.Module:
    from llvmlite import ir

    module = ir.Module("bench")
    element = {4: ir.FloatType, 8: ir.DoubleType}[itemsize]()
    _peak(module, ir.VectorType(element, target.lanes(itemsize)), _chains(target))
    vector = ir.VectorType(ir.IntType(8), target.vector_bytes)
    _copy(module, "plain", vector, streaming=False)
    _copy(module, "streaming", vector, streaming=True)
    return module


def _peak(module: ir.Module, vector: ir.VectorType, chains: int) -> None:
    """Accumulators ``a ← a·x + y``, with ``x`` and ``y`` read from memory so that nothing is known of them."""
    from llvmlite import ir

    long = ir.IntType(64)
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [long, vector.as_pointer()]), "peak")
    count, memory = function.args
    suffix = f"v{vector.count}{'f32' if vector.element == ir.FloatType() else 'f64'}"
    fma = ir.Function(module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.{suffix}")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    x, y = (builder.load(builder.gep(memory, [long(place)]), align=8) for place in (0, 1))
    entry, body, done = builder.block, function.append_basic_block("body"), function.append_basic_block("done")
    builder.branch(body)
    builder.position_at_end(body)
    index = builder.phi(long)
    starts = [builder.phi(vector) for _ in range(chains)]
    ends: list[Any] = starts
    for _ in range(UNROLLED):
        ends = [builder.call(fma, [each, x, y]) for each in ends]
    following = builder.add(index, long(1))
    index.add_incoming(long(0), entry)
    index.add_incoming(following, body)
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        start.add_incoming(ir.Constant(vector, [float(number)] * vector.count), entry)
        start.add_incoming(end, body)
    builder.cbranch(builder.icmp_signed("<", following, count), body, done)
    builder.position_at_end(done)
    total = ends[0]
    for end in ends[1:]:
        total = builder.fadd(total, end)
    builder.store(total, builder.gep(memory, [long(0)]), align=8)
    builder.ret_void()


def _copy(module: ir.Module, name: str, vector: ir.VectorType, *, streaming: bool) -> None:
    """Blocks of ``BLOCK`` bytes from the second argument to the first, both aligned to 64 bytes."""
    from llvmlite import ir

    long, per_block = ir.IntType(64), BLOCK // vector.count
    pointer = vector.as_pointer()
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [pointer, pointer, long]), name)
    target, source, count = function.args
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    entry, body, done = builder.block, function.append_basic_block("body"), function.append_basic_block("done")
    builder.branch(body)
    builder.position_at_end(body)
    index = builder.phi(long)
    first = builder.mul(index, long(per_block))
    places = [builder.add(first, long(number)) for number in range(per_block)]
    loaded = [builder.load(builder.gep(source, [place]), align=vector.count) for place in places]
    for value, place in zip(loaded, places, strict=True):
        stored = builder.store(value, builder.gep(target, [place]), align=vector.count)
        if streaming:
            stored.set_metadata("nontemporal", module.add_metadata([ir.IntType(32)(1)]))
    following = builder.add(index, long(1))
    index.add_incoming(long(0), entry)
    index.add_incoming(following, body)
    builder.cbranch(builder.icmp_signed("<", following, count), body, done)
    builder.position_at_end(done)
    builder.ret_void()
