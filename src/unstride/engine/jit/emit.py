"""LLVM IR, said briefly: integers are 64-bit, an address is an integer, a vector has one element type.

Addresses and table entries are in bytes. Nothing here knows what is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from . import ir

INT = ir.IntType(64)
VOID = ir.VoidType()
TASK = ir.FunctionType(VOID, [INT, INT, INT])
"""a task: the context's address, the index of the task, the worker"""

FLOATS: dict[str, ir.Type] = {"float16": ir.HalfType(), "float32": ir.FloatType(), "float64": ir.DoubleType()}

Number: TypeAlias = "ir.Value | int"


@dataclass
class Loop:
    """A loop's index, and the values it carries from one turn to the next."""

    index: ir.Value
    values: list[ir.Value]
    next: list[ir.Value] = field(default_factory=list)
    """what the body leaves for the next turn; as many as ``values``"""


class Code:
    """The body of one function."""

    def __init__(self, module: ir.Module, name: str, parameters: int, *, internal: bool = False) -> None:
        self.module = module
        self.function = ir.Function(module, ir.FunctionType(VOID, [INT] * parameters), name)
        self.function.internal = internal
        self.builder = ir.IRBuilder(self.function.append_basic_block())
        self.arguments: list[ir.Value] = list(self.function.args)

    # integers

    def constant(self, value: Number) -> ir.Value:
        """The value, where it is a Python integer as a constant."""
        return ir.Constant(INT, value) if isinstance(value, int) else value

    def add(self, *terms: Number) -> ir.Value:
        """The sum."""
        total, *rest = map(self.constant, terms)
        for term in rest:
            total = self.builder.add(total, term)
        return total

    def sub(self, a: Number, b: Number) -> ir.Value:
        """``a − b``."""
        return self.builder.sub(self.constant(a), self.constant(b))

    def mul(self, a: Number, b: Number) -> ir.Value:
        """``a · b``."""
        return self.builder.mul(self.constant(a), self.constant(b))

    def div(self, a: Number, b: Number) -> ir.Value:
        """``⌊a / b⌋`` of natural numbers."""
        return self.builder.udiv(self.constant(a), self.constant(b))

    def less(self, a: Number, b: Number) -> ir.Value:
        """Whether ``a < b``."""
        return self.builder.icmp_signed("<", self.constant(a), self.constant(b))

    def minimum(self, a: Number, b: Number) -> ir.Value:
        """The lesser."""
        return self.builder.select(self.less(a, b), self.constant(a), self.constant(b))

    def maximum(self, a: Number, b: Number) -> ir.Value:
        """The greater."""
        return self.builder.select(self.less(a, b), self.constant(b), self.constant(a))

    # memory

    def load(self, address: Number, kind: ir.Type = INT, offset: Number = 0) -> ir.Value:
        """What lies at an address, aligned to its elements."""
        return self.builder.load(self._pointer(address, offset), kind, _alignment(kind))

    def store(self, value: ir.Value, address: Number, offset: Number = 0) -> None:
        """Write a value to an address."""
        self.builder.store(value, self._pointer(address, offset), _alignment(value.type))

    def masked_load(self, address: Number, mask: ir.Value, kind: ir.Type) -> ir.Value:
        """The elements of the mask, and zeros; no other element is touched."""
        return self._intrinsic("llvm.masked.load", kind, self._pointer(address), mask, ir.Constant(kind, None))

    def masked_store(self, value: ir.Value, address: Number, mask: ir.Value) -> None:
        """Write the elements of the mask; no other element is touched."""
        self._intrinsic("llvm.masked.store", VOID, value, self._pointer(address), mask)

    def prefetch(self, address: Number, *, write: bool = False) -> None:
        """Ask for the cache line of an address, which may be any, to read it or to write to it."""
        what, near, data = (ir.Constant(ir.IntType(32), number) for number in (int(write), 3, 1))
        self._intrinsic("llvm.prefetch", VOID, self._pointer(address), what, near, data)

    def store_first(self, value: ir.Value, address: Number, count: int) -> None:
        """Write the first ``count`` lanes, in pieces of a power of two: some CPUs are slow to store under a mask."""
        done, size = 0, _bytes(value.type.element)
        while done < count:
            piece = 1 << ((count - done).bit_length() - 1)
            part = value if piece == value.type.count else self.shuffle(value, value, range(done, done + piece))
            self.store(part, address, done * size)
            done += piece

    def _pointer(self, address: Number, offset: Number = 0) -> ir.Value:
        total = self.constant(address) if offset == 0 else self.add(address, offset)
        return self.builder.inttoptr(total, ir.PointerType())

    # vectors

    def splat(self, value: ir.Value, kind: ir.Type) -> ir.Value:
        """A vector of one value; the value where one is wanted."""
        if value.type == kind:
            return value
        anything = ir.Constant(kind, ir.Undefined)
        return self.builder.shuffle_vector(self.builder.insert_element(anything, value, 0), anything, [0] * kind.count)

    def shuffle(self, a: ir.Value, b: ir.Value, lanes: Sequence[int]) -> ir.Value:
        """The lanes of ``a`` and ``b``, counted through."""
        return self.builder.shuffle_vector(a, b, lanes)

    def picked(self, vectors: Sequence[ir.Value], elements: Sequence[int]) -> ir.Value:
        """Some elements of vectors, counted through."""
        lanes = len(elements)
        first, *others = sorted({element // lanes for element in elements})
        value, there = vectors[first], [element % lanes for element in elements]
        for other in others or [first]:
            chosen = [
                lanes + e % lanes if e // lanes == other else lane for lane, e in zip(there, elements, strict=True)
            ]
            # what has been picked stays where it is
            value, there = self.shuffle(value, vectors[other], chosen), list(range(lanes))
        return value

    def fma(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """``a·b + c``, rounded once where the CPU can."""
        return self._intrinsic("llvm.fmuladd", a.type, a, b, c)

    def within(self, low: Number, high: Number, first: int, lanes: int) -> ir.Value:
        """The mask of the lanes ``first, first + 1, …`` that are in ``[low, high)``."""
        if isinstance(low, int) and isinstance(high, int):
            # where a CPU has no masked loads, LLVM tests every lane of a mask that is not a constant
            return ir.Constant(ir.VectorType(ir.IntType(1), lanes), [low <= first + k < high for k in range(lanes)])
        narrow = ir.IntType(32)  # as many to a register as single-precision lanes
        kind = ir.VectorType(narrow, lanes)
        lane = ir.Constant(kind, list(range(first, first + lanes)))
        least, most = (self.splat(self._narrow(bound), kind) for bound in (low, high))
        return self.builder.and_(self.builder.icmp_signed(">=", lane, least), self.builder.icmp_signed("<", lane, most))

    def _narrow(self, bound: Number) -> ir.Value:
        """A bound in 32 bits: no lane is near the limits."""
        limit = 2**31 - 1
        return self.builder.trunc(self.maximum(self.minimum(bound, limit), -limit), ir.IntType(32))

    def _intrinsic(self, name: str, result: ir.Type, *arguments: ir.Value) -> ir.Value:
        kinds = [argument.type for argument in arguments]
        whole = ".".join([name, *_suffixes(name, result, kinds)])
        known = self.module.globals.get(whole)
        function = known or ir.Function(self.module, ir.FunctionType(result, kinds), whole)
        return self.builder.call(function, arguments)

    # control

    @contextmanager
    def loop(self, stop: Number, carried: Sequence[ir.Value] = (), start: Number = 0, step: int = 1) -> Iterator[Loop]:
        """``for index in range(start, stop, step)``; afterwards ``values`` are what the last turn left."""
        b, function = self.builder, self.function
        before = b.block
        head, body, end = (function.append_basic_block() for _ in range(3))
        b.branch(head)
        b.position_at_end(head)
        index = b.phi(INT)
        index.add_incoming(self.constant(start), before)
        phis = [b.phi(value.type) for value in carried]
        for phi, value in zip(phis, carried, strict=True):
            phi.add_incoming(value, before)
        b.cbranch(self.less(index, stop), body, end)
        b.position_at_end(body)
        loop = Loop(index, list(phis))
        yield loop
        for phi, value in zip(phis, loop.next, strict=True):
            phi.add_incoming(value, b.block)
        index.add_incoming(self.add(index, step), b.block)
        b.branch(head)
        b.position_at_end(end)

    def either(
        self, condition: ir.Value, then: Callable[[], None], otherwise: Callable[[], None] | None = None
    ) -> None:
        """``then`` where the condition holds, else ``otherwise``."""
        if otherwise is None:
            with self.builder.if_then(condition):
                then()
            return
        self.builder.if_else(condition, then, otherwise)

    def chosen(
        self, condition: ir.Value, then: Callable[[], list[ir.Value]], otherwise: Callable[[], list[ir.Value]]
    ) -> list[ir.Value]:
        """The values of ``then`` where the condition holds, else as many of ``otherwise``."""
        ways: list[tuple[list[ir.Value], ir.Block]] = []
        self.either(
            condition,
            lambda: ways.append((then(), self.builder.block)),
            lambda: ways.append((otherwise(), self.builder.block)),
        )
        found = [self.builder.phi(value.type) for value in ways[0][0]]
        for values, block in ways:
            for phi, value in zip(found, values, strict=True):
                phi.add_incoming(value, block)
        return list(found)

    def choose(self, value: ir.Value, cases: dict[int, Callable[[], None]]) -> None:
        """The case of the value; no other value occurs."""
        done, never = self.function.append_basic_block(), self.function.append_basic_block()
        switch = self.builder.switch(value, never)
        for case, emit in cases.items():
            block = self.function.append_basic_block()
            switch.add_case(self.constant(case), block)
            self.builder.position_at_end(block)
            emit()
            self.builder.branch(done)
        self.builder.position_at_end(never)
        self.builder.unreachable()
        self.builder.position_at_end(done)

    def call(self, function: ir.Function, *arguments: Number) -> None:
        """Call a function of this module."""
        self.builder.call(function, [self.constant(argument) for argument in arguments])

    def done(self) -> ir.Function:
        """End the function."""
        self.builder.ret_void()
        return self.function


def _alignment(kind: ir.Type) -> int:
    return _bytes(kind.element)


def _bytes(kind: ir.Type) -> int:
    known = {ir.HalfType: 2, ir.FloatType: 4, ir.DoubleType: 8}
    return known.get(type(kind)) or (kind.width // 8 if isinstance(kind, ir.IntType) and kind.width > 8 else 1)


def _suffixes(name: str, result: ir.Type, kinds: list[ir.Type]) -> list[str]:
    """How LLVM tells the versions of an intrinsic apart."""
    if name == "llvm.masked.load":
        return [_mangled(result), "p0"]
    if name == "llvm.masked.store":
        return [_mangled(kinds[0]), "p0"]
    if name == "llvm.prefetch":
        return ["p0"]
    return [_mangled(result)]


def _mangled(kind: ir.Type) -> str:
    if isinstance(kind, ir.VectorType):
        return f"v{kind.count}{_mangled(kind.element)}"
    return {"half": "f16", "float": "f32", "double": "f64", "i16": "i16"}.get(str(kind), str(kind))
