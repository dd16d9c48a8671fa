"""Pasted text: the one call in it that a dialect knows, its literal values, and carets under what is wrong.

Nothing is evaluated: ``ast`` takes the text apart, and only literals, arithmetic on integers, and names whose values
are given (by the caller, or by an assignment in the text itself) have a value.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ..errors import Reason, UnstrideError

TEXT_LIMIT = 10_000
"""Most characters of pasted source that are read."""

Known: TypeAlias = Callable[[str], bool]
"""Whether a dotted name is a layer or function of some dialect."""

_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: int.__add__,
    ast.Sub: int.__sub__,
    ast.Mult: int.__mul__,
    ast.FloorDiv: int.__floordiv__,
}
_PROMPT = re.compile(r"^(>>> ?|In \[\d+\]: ?|\(\w+\): ?)")
_HINT = "paste one call, such as nn.ConvTranspose2d(16, 33, 3, stride=2)"


@dataclass(frozen=True, slots=True)
class Call:
    """One call in the text."""

    code: str
    node: ast.Call
    name: str
    """the dotted name of what is called"""
    applied: ast.Call | None = None
    """the call of the result, as in ``layer(...)(x)``"""
    names: Mapping[str, object] = field(default_factory=dict)
    """values of names that stand in the arguments"""

    def error(self, reason: Reason, rule: str, node: ast.AST, *, hint: str | None = None) -> UnstrideError:
        """An error with a caret under ``node``."""
        return UnstrideError(reason, rule, hint=hint, where=self.caret(node))

    def caret(self, node: ast.AST) -> str:
        """The line of the pasted text with ``node`` underlined."""
        return caret(self.code, node)


class NotLiteral(Exception):  # noqa: N818 - a signal between this module and its caller, never shown
    """An expression that has no value without running it."""

    def __init__(self, node: ast.expr, what: str) -> None:
        self.node = node
        self.what = what
        super().__init__(what)


def checked(code: str) -> str:
    """The text without the prompt before it and the punctuation behind it; UnstrideError for what is no line."""
    if not isinstance(code, str):
        raise UnstrideError(Reason.SYNTAX, "must be text", argument="code", value=code)
    if len(code) > TEXT_LIMIT:
        rule = f"one line of source has at most {TEXT_LIMIT} characters, this text has {len(code)}"
        raise UnstrideError(Reason.SYNTAX, rule, hint="paste the one line that makes the layer")
    if not code.strip():
        raise UnstrideError(Reason.SYNTAX, "there is nothing to read", hint="paste the line that makes the layer")
    return _PROMPT.sub("", code.strip()).rstrip(",;")


def find(code: str, known: Known, names: Mapping[str, object]) -> Call:
    """The one call of the text that a dialect knows, wherever it stands: assigned, added, returned, in a list.

    Raises UnstrideError where the text is no source, or holds no call or several layers.
    """
    try:
        tree = ast.parse(code)
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _syntax_error(error) from None
    layers = [node for node in calls if known(_dotted(node.func) or "")]
    if len(layers) > 1:
        found = ", ".join(dict.fromkeys(_dotted(node.func) or "" for node in layers))
        hint = f"paste one of them: {found}"
        where = caret(code, layers[1])
        raise UnstrideError(Reason.SYNTAX, f"this text holds {len(layers)} layers", hint=hint, where=where)
    if not layers and not calls:
        raise UnstrideError(Reason.SYNTAX, "this text holds no call", hint=_HINT)
    node = layers[0] if layers else calls[0]
    name = _dotted(node.func)
    if name is None:
        where = caret(code, node.func)
        raise UnstrideError(Reason.EXPRESSION, "the called layer must be a dotted name", where=where)
    applied = next((call for call in calls if call.func is node), None)
    return Call(code, node, name, applied, {**_assigned(tree), **names})


def evaluated(node: ast.expr, names: Mapping[str, object]) -> object:
    """The value of literals, of arithmetic on integers, and of known names; raises NotLiteral for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str | None):
        if isinstance(node.value, int) and abs(node.value) > sys.maxsize:
            raise NotLiteral(node, f"an integer beyond {sys.maxsize}")
        return node.value
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(evaluated(entry, names) for entry in node.elts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        operand = evaluated(node.operand, names)
        if isinstance(operand, int | float):
            return -operand
    if isinstance(node, ast.BinOp):
        left, right = evaluated(node.left, names), evaluated(node.right, names)
        if isinstance(left, int) and isinstance(right, int):
            value = _computed(node.op, left, right)
            if value is not None and abs(value) <= sys.maxsize:
                return value
    raise NotLiteral(node, _kind(node))


def assigned(text: str) -> tuple[str, object]:
    """``name=value`` taken apart; UnstrideError where the value is no literal.

    >>> assigned("kernel=(3, 5)")
    ('kernel', (3, 5))
    """
    name, equals, value = text.partition("=")
    try:
        if equals and name.strip().isidentifier() and len(value) <= TEXT_LIMIT:
            return name.strip(), evaluated(ast.parse(value.strip(), mode="eval").body, {})
    except (SyntaxError, ValueError, RecursionError, MemoryError, NotLiteral):
        pass
    rule = "must be a name and a literal value, such as channels=64"
    raise UnstrideError(Reason.EXPRESSION, rule, argument="--set", value=text)


def _computed(operator: ast.operator, left: int, right: int) -> int | None:
    if type(operator) not in _OPERATORS or (isinstance(operator, ast.FloorDiv) and not right):
        return None
    return _OPERATORS[type(operator)](left, right)


def caret(code: str, node: ast.AST) -> str:
    """The line of the text with the node underlined."""
    line_number = getattr(node, "lineno", 1)
    line = code.splitlines()[line_number - 1]
    begin, end = getattr(node, "col_offset", 0), getattr(node, "end_col_offset", None)
    if getattr(node, "end_lineno", line_number) != line_number or end is None:
        end = len(line.encode())
    # ast counts columns in UTF-8 bytes
    start = len(line.encode()[:begin].decode(errors="ignore"))
    width = max(1, len(line.encode()[begin:end].decode(errors="ignore")))
    return f"  {line}\n  {' ' * start}{'^' * width}"


def unparsed(node: ast.expr) -> str:
    """The expression as text; its beginning where it is nested too deeply."""
    try:
        return ast.unparse(node)
    except RecursionError:
        return "…"


def _syntax_error(error: Exception) -> UnstrideError:
    if not isinstance(error, SyntaxError) or error.text is None:
        return UnstrideError(Reason.SYNTAX, "this is not source that can be read", hint=_HINT)
    line, column = error.text.rstrip("\n"), max((error.offset or 1) - 1, 0)
    return UnstrideError(Reason.SYNTAX, error.msg, hint=_HINT, where=f"  {line}\n  {' ' * column}^")


def _dotted(node: ast.expr) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def _assigned(tree: ast.Module) -> dict[str, object]:
    """The names that the text itself gives a literal value, such as ``k = 3`` on a line above."""
    return {name: value for statement in tree.body for name, value in _assignment(statement)}


def _assignment(statement: ast.stmt) -> Iterator[tuple[str, object]]:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, ast.Name):
            try:
                yield target.id, evaluated(statement.value, {})
            except NotLiteral:
                return


def _kind(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return f"the variable {node.id}"
    if isinstance(node, ast.Call):
        return f"the call {unparsed(node.func)}(...)"
    return f"the expression {unparsed(node)}"
