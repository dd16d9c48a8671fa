"""A program as source text, in lines of at most 100 columns where its names allow."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import singledispatch

from .program import (
    Assign,
    Attribute,
    Call,
    Class,
    Definition,
    Do,
    Each,
    Expression,
    ForbidGiven,
    Given,
    Index,
    InitializeBase,
    Name,
    Path,
    Program,
    Rearranged,
    Remark,
    Return,
    Statement,
    Sum,
)

COLUMNS = 100
_INDENT = "    "


def source(program: Program) -> str:
    """The program's text, ending in a newline."""
    lines = [*_doc(program.doc), ""] if program.doc else []
    standard = [each for each in program.imports if each in sys.stdlib_module_names]
    lines += [f"import {each}" for each in standard] + ([""] if standard else [])
    lines += [f"import {each}" for each in program.imports if each not in standard]
    for definition in program.definitions:
        lines += ["", "", *_definition(definition)]
    return "\n".join(lines) + "\n"


def statement(node: Statement, indent: str = "") -> list[str]:
    """One statement as lines."""
    match node:
        case Assign(target, value):
            return _wrapped(f"{indent}{flat(target)} = ", value, indent)
        case Do(value):
            return _wrapped(indent, value, indent)
        case Return(value):
            return _wrapped(f"{indent}return ", value, indent)
        case InitializeBase():
            return [f"{indent}super().__init__()"]
        case Remark(text):
            return [f"{indent}# {text}"]
        case ForbidGiven(name, rule):
            return [f"{indent}if {name} is not None:", f"{indent}{_INDENT}raise ValueError({flat(rule)})"]


def _definition(node: Definition, indent: str = "") -> list[str]:
    inner = indent + _INDENT
    if isinstance(node, Class):
        lines = [f"{indent}class {node.name}({node.base.text}):", *_doc(node.doc, inner)]
        for position, each in enumerate(node.methods):
            lines += ([""] if position or node.doc else []) + _definition(each, inner)
        return lines
    lines = [f"{indent}def {node.name}({', '.join(node.parameters)}):", *_doc(node.doc, inner)]
    return [*lines, *(line for each in node.body for line in statement(each, inner))]


def _doc(lines: tuple[str, ...], indent: str = "") -> list[str]:
    if not lines:
        return []
    first, *rest = map(_harmless, lines)
    if not rest:
        return [f'{indent}"""{first}"""']
    return [f'{indent}"""{first}', *(f"{indent}{line}".rstrip() for line in rest), f'{indent}"""']


def _harmless(line: str) -> str:
    """The line as it can stand in a docstring: what a layer is called must not end it."""
    shown = line.replace("\\", "\\\\").replace('"', '\\"') if '"' * 3 in line or "\\" in line else line
    return "".join(each if each.isprintable() else " " for each in shown)


@singledispatch
def flat(node: Expression) -> str:
    """The expression on one line.

    >>> flat(Call(Path("torch.flatten"), (Name("x"),), {"start_dim": 1}))
    'torch.flatten(x, start_dim=1)'
    """
    bracketed = _bracketed(node)
    if bracketed is None:
        return repr(node)
    opening, parts, closing = bracketed
    single = isinstance(node, tuple) and len(node) == 1
    return f"{opening}{', '.join(f'{key}{flat(value)}' for key, value in parts)}{',' if single else ''}{closing}"


@flat.register
def _(node: str) -> str:
    # in double quotes, as formatters write it
    quoted = repr(node)
    return quoted if '"' in node or "\\" in quoted else f'"{quoted[1:-1]}"'


@flat.register
def _(node: Name | Path) -> str:
    return node.text


@flat.register
def _(node: Attribute) -> str:
    return f"{flat(node.value)}.{node.name}"


@flat.register
def _(node: Index) -> str:
    place = node.place if isinstance(node.place, int) else ", ".join(map(_slice, node.place))
    return f"{flat(node.value)}[{place}]"


@flat.register
def _(node: Sum) -> str:
    return f"{flat(node.left)} + {flat(node.right)}"


@flat.register
def _(node: Given) -> str:
    return f"lambda {node.name}: {flat(node.value)}"


@flat.register
def _(node: Rearranged) -> str:
    return node.by.expression(node.name)


@flat.register
def _(node: Each) -> str:
    return f"[{flat(node.element)} {_drawn(node)}]"


def _drawn(node: Each) -> str:
    drawn = ", ".join(map(flat, node.sequences))
    return f"for {', '.join(node.names)} in {f'zip({drawn})' if len(node.sequences) > 1 else drawn}"


def _slice(part: slice) -> str:
    ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
    return ":".join(ends) + ("" if part.step is None else f":{part.step}")


def _bracketed(node: Expression) -> tuple[str, list[tuple[str, Expression]], str] | None:
    """Opening, (key, value) of every part, closing: of what can be broken after its bracket."""
    if isinstance(node, Call):
        words = [(f"{name}=", value) for name, value in node.keywords.items()]
        return f"{flat(node.function)}(", [*(("", value) for value in node.positional), *words], ")"
    if isinstance(node, tuple):
        return "(", [("", value) for value in node], ")"
    if isinstance(node, list):
        return "[", [("", value) for value in node], "]"
    if isinstance(node, dict):
        return "{", [(f"{flat(key)}: ", value) for key, value in node.items()], "}"
    return None


def _wrapped(before: str, node: Expression, indent: str, after: str = "") -> list[str]:
    """The expression behind ``before``: on one line, else what its bracket holds on the next, else a part a line."""
    line = f"{before}{flat(node)}{after}"
    inner = indent + _INDENT
    if len(line) <= COLUMNS:
        return [line]
    if isinstance(node, Each):
        return [f"{before}[", *_wrapped(inner, node.element, inner), f"{inner}{_drawn(node)}", f"{indent}]{after}"]
    bracketed = _bracketed(node)
    if bracketed is None or not bracketed[1]:
        return [line]
    opening, parts, closing = bracketed
    body = f"{inner}{', '.join(f'{key}{flat(value)}' for key, value in parts)}"
    inside = [body]
    if len(body) > COLUMNS:
        ends = "," if len(parts) > 1 or isinstance(node, tuple) else ""
        inside = [line for key, value in parts for line in _wrapped(f"{inner}{key}", value, inner, ends)]
    return [f"{before}{opening}", *inside, f"{indent}{closing}{after}"]


def lines(statements: tuple[Statement, ...], indent: str = "") -> Iterator[str]:
    """Statements as lines."""
    for each in statements:
        yield from statement(each, indent)
