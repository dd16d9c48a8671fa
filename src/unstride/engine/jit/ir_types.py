"""The types of LLVM IR that kernels need, as they are written."""

from __future__ import annotations

from collections.abc import Sequence


class Type:
    """A type, as it is written; one that is no vector's is like that of one lane."""

    __slots__ = ("count", "element", "text")

    def __init__(self, text: str, element: Type | None = None, count: int = 1) -> None:
        self.text, self.element, self.count = text, element or self, count

    def __str__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Type) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


class VoidType(Type):
    """Of functions that return nothing."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("void")


class IntType(Type):
    """Integers of so many bits."""

    __slots__ = ("width",)

    def __init__(self, width: int) -> None:
        super().__init__(f"i{width}")
        self.width = width


class HalfType(Type):
    """Half precision."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("half")


class FloatType(Type):
    """Single precision."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("float")


class DoubleType(Type):
    """Double precision."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("double")


class VectorType(Type):
    """So many elements side by side in a register."""

    __slots__ = ()

    def __init__(self, element: Type, count: int) -> None:
        super().__init__(f"<{count} x {element.text}>", element, count)


class ArrayType(Type):
    """So many elements side by side in memory."""

    __slots__ = ()

    def __init__(self, element: Type, count: int) -> None:
        super().__init__(f"[{count} x {element.text}]")


class PointerType(Type):
    """An address, of a function perhaps."""

    __slots__ = ("pointee",)

    def __init__(self, pointee: Type | None = None) -> None:
        super().__init__("ptr")
        self.pointee = pointee


class FunctionType(Type):
    """What a function takes and returns."""

    __slots__ = ("arguments", "result")

    def __init__(self, result: Type, arguments: Sequence[Type]) -> None:
        super().__init__(f"{result.text} ({', '.join(each.text for each in arguments)})")
        self.result, self.arguments = result, tuple(arguments)

    def as_pointer(self) -> PointerType:
        """The address of such a function."""
        return PointerType(self)
