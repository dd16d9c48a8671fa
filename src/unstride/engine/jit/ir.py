"""LLVM IR as text, written instruction by instruction: the types and instructions that kernels need.

The names are those of ``llvmlite.ir``, which keeps an object for every operand of every instruction, and takes as long
to make and print a kernel as LLVM takes to compile it. Source: https://llvm.org/docs/LangRef.html.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partialmethod

from .ir_types import (
    ArrayType,
    DoubleType,
    FloatType,
    FunctionType,
    HalfType,
    IntType,
    PointerType,
    Type,
    VectorType,
    VoidType,
)

__all__ = [
    "ArrayType",
    "Block",
    "Constant",
    "DoubleType",
    "FloatType",
    "Function",
    "FunctionType",
    "HalfType",
    "IRBuilder",
    "IntType",
    "Module",
    "PointerType",
    "Type",
    "Undefined",
    "Value",
    "VectorType",
    "VoidType",
]

_SIGNED = {"<": "slt", ">=": "sge", "==": "eq", "!=": "ne"}
_ORDERED = {"<": "olt", ">": "ogt", "==": "oeq"}

TRUTH, INDEX = IntType(1), IntType(32)


class Value:
    """An operand: its type, and how it is written."""

    __slots__ = ("text", "type")

    def __init__(self, type: Type, text: str) -> None:
        self.type, self.text = type, text

    @property
    def typed(self) -> str:
        """The operand after its type."""
        return f"{self.type.text} {self.text}"


class _Undefined:
    """Stands for any value."""


Undefined = _Undefined()

Scalar = float | int
"""a number; of ``i1``, 0 or 1"""


class Constant(Value):
    """A number, the numbers of a vector's lanes, zeros (``None``), or anything at all (``Undefined``)."""

    __slots__ = ()

    def __init__(self, type: Type, value: Scalar | Sequence[Scalar] | _Undefined | None) -> None:
        super().__init__(type, _written(type, value))


def _written(kind: Type, value: Scalar | Sequence[Scalar] | _Undefined | None) -> str:
    if value is None:
        return "zeroinitializer"
    if isinstance(value, _Undefined):
        return "undef"
    if isinstance(kind, VectorType):
        lanes = value if isinstance(value, Sequence) else [value] * kind.count
        return f"<{', '.join(f'{kind.element.text} {_written(kind.element, lane)}' for lane in lanes)}>"
    if isinstance(value, Sequence):
        raise TypeError(f"{kind} is no vector")
    return str(int(value)) if isinstance(kind, IntType) else _number(kind, float(value))


def _number(kind: Type, value: float) -> str:
    """The bits of a number of the type; those of a float are written as the double of its value."""
    if isinstance(kind, HalfType):
        return f"0xH{struct.unpack('<H', struct.pack('<e', value))[0]:04X}"
    exact = value if isinstance(kind, DoubleType) else struct.unpack("<f", struct.pack("<f", value))[0]
    return f"0x{struct.unpack('<Q', struct.pack('<d', exact))[0]:016X}"


class Phi(Value):
    """The value of the way that was taken to a block."""

    __slots__ = ("incoming",)

    def __init__(self, type: Type, text: str) -> None:
        super().__init__(type, text)
        self.incoming: list[str] = []

    def add_incoming(self, value: Value, block: Block) -> None:
        """What it is when it was reached from a block."""
        self.incoming.append(f"[ {value.text}, %{block.name} ]")

    def __str__(self) -> str:
        return f"{self.text} = phi {self.type.text} {', '.join(self.incoming)}"


class Switch:
    """A branch by an integer's value."""

    def __init__(self, value: Value, default: Block) -> None:
        self._head, self._cases = f"switch {value.typed}, label %{default.name}", list[str]()

    def add_case(self, value: Value, block: Block) -> None:
        """Where one value leads."""
        self._cases.append(f"{value.typed}, label %{block.name}")

    def __str__(self) -> str:
        return f"{self._head} [ {' '.join(self._cases)} ]"


class Block:
    """Instructions one after the other."""

    def __init__(self, function: Function, name: str) -> None:
        self.function, self.name = function, name
        self.lines: list[str | Phi | Switch] = []

    def __str__(self) -> str:
        body = "".join(f"  {line}\n" for line in self.lines)
        return f"{self.name}:\n{body}"


class Module:
    """Functions that are compiled together."""

    def __init__(self, name: str = "") -> None:
        self.name, self.triple = name, ""
        self.globals: dict[str, Function] = {}

    def __str__(self) -> str:
        head = f'source_filename = "{self.name}"\ntarget triple = "{self.triple}"\n'
        return head + "\n".join(map(str, self.globals.values()))


class Function(Value):
    """A function of a module; without blocks, one of another's."""

    def __init__(self, module: Module, kind: FunctionType, name: str) -> None:
        super().__init__(PointerType(kind), f"@{name}")
        self.module, self.kind, self.blocks = module, kind, list[Block]()
        self.args = [Value(each, f"%a{number}") for number, each in enumerate(kind.arguments)]
        self.internal = False
        self.numbers = 0
        module.globals[name] = self

    def append_basic_block(self) -> Block:
        """A new block."""
        self.blocks.append(Block(self, f"b{len(self.blocks)}"))
        return self.blocks[-1]

    def __str__(self) -> str:
        if not self.blocks:
            taken = ", ".join(each.text for each in self.kind.arguments)
            return f"declare {self.kind.result.text} {self.text}({taken})\n"
        given = ", ".join(each.typed for each in self.args)
        linkage = "internal " if self.internal else ""
        head = f"define {linkage}{self.kind.result.text} {self.text}({given}) nounwind"
        return f"{head} {{\n{''.join(map(str, self.blocks))}}}\n"


class IRBuilder:
    """Writes instructions at the end of a block."""

    def __init__(self, block: Block) -> None:
        self.block = block

    @property
    def module(self) -> Module:
        """The module of the block."""
        return self.block.function.module

    def position_at_end(self, block: Block) -> None:
        """Go on in another block."""
        self.block = block

    def _value(self, type: Type, text: str) -> Value:
        function = self.block.function
        function.numbers += 1
        found = Value(type, f"%v{function.numbers}")
        self.block.lines.append(f"{found.text} = {text}")
        return found

    def _end(self, line: str | Switch) -> None:
        self.block.lines.append(line)

    # arithmetic, lane by lane

    def _two(self, name: str, a: Value, b: Value) -> Value:
        return self._value(a.type, f"{name} {a.type.text} {a.text}, {b.text}")

    add = partialmethod(_two, "add")
    sub = partialmethod(_two, "sub")
    mul = partialmethod(_two, "mul")
    udiv = partialmethod(_two, "udiv")
    urem = partialmethod(_two, "urem")
    and_ = partialmethod(_two, "and")
    or_ = partialmethod(_two, "or")
    xor = partialmethod(_two, "xor")
    shl = partialmethod(_two, "shl")
    lshr = partialmethod(_two, "lshr")
    fadd = partialmethod(_two, "fadd")
    fsub = partialmethod(_two, "fsub")
    fmul = partialmethod(_two, "fmul")
    fdiv = partialmethod(_two, "fdiv")

    def fneg(self, a: Value) -> Value:
        """``−a``."""
        return self._value(a.type, f"fneg {a.typed}")

    def not_(self, a: Value) -> Value:
        """Of a truth, the other."""
        return self._value(a.type, f"xor {a.typed}, true")

    # conversions

    def _cast(self, name: str, value: Value, type: Type) -> Value:
        return value if value.type == type else self._value(type, f"{name} {value.typed} to {type.text}")

    trunc = partialmethod(_cast, "trunc")
    zext = partialmethod(_cast, "zext")
    sext = partialmethod(_cast, "sext")
    bitcast = partialmethod(_cast, "bitcast")
    fpext = partialmethod(_cast, "fpext")
    fptrunc = partialmethod(_cast, "fptrunc")
    inttoptr = partialmethod(_cast, "inttoptr")
    ptrtoint = partialmethod(_cast, "ptrtoint")

    # comparisons

    def _compare(self, name: str, a: Value, b: Value) -> Value:
        kind = VectorType(TRUTH, a.type.count) if isinstance(a.type, VectorType) else TRUTH
        return self._value(kind, f"{name} {a.typed}, {b.text}")

    def icmp_signed(self, sign: str, a: Value, b: Value) -> Value:
        """``a < b``, and so on, of integers."""
        return self._compare(f"icmp {_SIGNED[sign]}", a, b)

    def fcmp_ordered(self, sign: str, a: Value, b: Value) -> Value:
        """``a < b``, and so on: not where either is NaN."""
        return self._compare(f"fcmp {_ORDERED[sign]}", a, b)

    def unordered(self, a: Value, b: Value) -> Value:
        """Whether either is NaN."""
        return self._compare("fcmp uno", a, b)

    def select(self, condition: Value, then: Value, otherwise: Value) -> Value:
        """``then`` where the condition holds."""
        return self._value(then.type, f"select {condition.typed}, {then.typed}, {otherwise.typed}")

    # lanes

    def shuffle_vector(self, a: Value, b: Value, lanes: Sequence[int]) -> Value:
        """The lanes of both, counted through."""
        order = Constant(VectorType(INDEX, len(lanes)), lanes)
        kind = VectorType(a.type.element, len(lanes))
        return self._value(kind, f"shufflevector {a.typed}, {b.typed}, {order.typed}")

    def insert_element(self, vector: Value, value: Value, lane: int) -> Value:
        """The vector with one lane replaced."""
        return self._value(vector.type, f"insertelement {vector.typed}, {value.typed}, i32 {lane}")

    def extract_element(self, vector: Value, lane: int) -> Value:
        """One lane."""
        return self._value(vector.type.element, f"extractelement {vector.typed}, i32 {lane}")

    # memory

    def alloca(self, type: Type, align: int = 8) -> Value:
        """Memory of the function."""
        return self._value(PointerType(), f"alloca {type.text}, align {align}")

    def load(self, pointer: Value, type: Type, align: int) -> Value:
        """What lies at an address."""
        return self._value(type, f"load {type.text}, ptr {pointer.text}, align {align}")

    def store(self, value: Value, pointer: Value, align: int) -> None:
        """Write to an address."""
        self.block.lines.append(f"store {value.typed}, ptr {pointer.text}, align {align}")

    # control

    def phi(self, type: Type) -> Phi:
        """A value for each way that leads to the block."""
        function = self.block.function
        function.numbers += 1
        found = Phi(type, f"%v{function.numbers}")
        self.block.lines.append(found)
        return found

    def call(self, function: Value, arguments: Sequence[Value]) -> Value:
        """What a function, or one at an address, returns."""
        kind = function.type.pointee if isinstance(function.type, PointerType) else None
        if not isinstance(kind, FunctionType) or [each.type for each in arguments] != list(kind.arguments):
            raise TypeError(f"{function.text} takes {kind}, not {[str(each.type) for each in arguments]}")
        text = f"call {kind.result.text} {function.text}({', '.join(each.typed for each in arguments)})"
        if not isinstance(kind.result, VoidType):
            return self._value(kind.result, text)
        self.block.lines.append(text)
        return function

    def opaque(self, value: Value) -> Value:
        """The value, of which LLVM knows nothing: an empty piece of assembly stands between."""
        return self._value(value.type, f'call {value.type.text} asm "", "=r,0"({value.typed})')

    def branch(self, block: Block) -> None:
        """Go on there."""
        self._end(f"br label %{block.name}")

    def cbranch(self, condition: Value, then: Block, otherwise: Block) -> None:
        """Go on at one of two blocks."""
        self._end(f"br {condition.typed}, label %{then.name}, label %{otherwise.name}")

    def switch(self, value: Value, default: Block) -> Switch:
        """Go on at the block of the value."""
        found = Switch(value, default)
        self._end(found)
        return found

    def unreachable(self) -> None:
        """Nothing comes here."""
        self._end("unreachable")

    def ret(self, value: Value) -> None:
        """Return a value."""
        self._end(f"ret {value.typed}")

    def ret_void(self) -> None:
        """Return."""
        self._end("ret void")

    @contextmanager
    def if_then(self, condition: Value) -> Iterator[None]:
        """What is written within is done where the condition holds."""
        then, end = (self.block.function.append_basic_block() for _ in range(2))
        self.cbranch(condition, then, end)
        self.position_at_end(then)
        yield
        self.branch(end)
        self.position_at_end(end)

    def if_else(self, condition: Value, then: Callable[[], None], otherwise: Callable[[], None]) -> None:
        """One of two."""
        yes, no, end = (self.block.function.append_basic_block() for _ in range(3))
        self.cbranch(condition, yes, no)
        for block, write in ((yes, then), (no, otherwise)):
            self.position_at_end(block)
            write()
            self.branch(end)
        self.position_at_end(end)
