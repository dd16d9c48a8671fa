"""A few lines of Python as a value, to be printed as source or carried out: one description of both.

Expressions are the classes below and plain values: numbers, strings, tuples, lists and dictionaries of expressions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ...geometry import Rearrangement

Expression: TypeAlias = Any
"""one of the classes of this module, or a plain value"""


@dataclass(frozen=True, slots=True)
class Name:
    """A variable: ``x``."""

    text: str


@dataclass(frozen=True, slots=True)
class Path:
    """What a package holds: ``torch.nn.functional.pad``; the first part is a name that the program imports."""

    text: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """``value.name``."""

    value: Expression
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """``function(positional, name=keyword)``."""

    function: Expression
    positional: tuple[Expression, ...] = ()
    keywords: Mapping[str, Expression] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Index:
    """``value[0]``, or ``value[:, 1:]`` where ``place`` is a tuple of slices."""

    value: Expression
    place: int | tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class Sum:
    """``left + right``."""

    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Each:
    """``[element for a, b in zip(first, second)]``."""

    element: Expression
    names: tuple[str, ...]
    sequences: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """``lambda name: value``."""

    name: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Rearranged:
    """A NumPy array in another layout: ``kernel.transpose(3, 2, 0, 1)``."""

    name: str
    by: Rearrangement


# --- statements -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Assign:
    """``target = value``; the target is a name, an attribute or an element."""

    target: Name | Attribute | Index
    value: Expression


@dataclass(frozen=True, slots=True)
class Do:
    """An expression for its effect."""

    value: Expression


@dataclass(frozen=True, slots=True)
class Return:
    """``return value``."""

    value: Expression


@dataclass(frozen=True, slots=True)
class ForbidGiven:
    """A ValueError where the variable is not None."""

    name: str
    rule: str


@dataclass(frozen=True, slots=True)
class Remark:
    """A comment."""

    text: str


@dataclass(frozen=True, slots=True)
class InitializeBase:
    """``super().__init__()``."""


@dataclass(frozen=True, slots=True)
class Function:
    """``def name(parameters): ...``."""

    name: str
    parameters: tuple[str, ...]
    """``bias=None`` has a default, None being the only one there is"""
    body: tuple[Statement, ...]
    doc: tuple[str, ...] = ()

    @property
    def bare(self) -> tuple[str, ...]:
        """The parameters without their defaults."""
        return tuple(each.partition("=")[0] for each in self.parameters)


@dataclass(frozen=True, slots=True)
class Class:
    """``class name(base): ...``."""

    name: str
    base: Path
    methods: tuple[Function, ...]
    doc: tuple[str, ...] = ()


Statement: TypeAlias = Assign | Do | Return | ForbidGiven | InitializeBase | Remark
Definition: TypeAlias = Function | Class


@dataclass(frozen=True, slots=True)
class Program:
    """A module: what it imports and defines."""

    doc: tuple[str, ...]
    imports: tuple[str, ...]
    """what stands behind ``import``: ``numpy``, ``flax.nnx``, ``tensorflow as tf``"""
    definitions: tuple[Definition, ...]


def method(value: Expression, name: str, *positional: Expression, **keywords: Expression) -> Call:
    """``value.name(...)``."""
    return Call(Attribute(value, name), positional, keywords)


def call(path: str, *positional: Expression, **keywords: Expression) -> Call:
    """``path(...)``, the path being dotted and of an imported package."""
    return Call(Path(path), positional, keywords)
