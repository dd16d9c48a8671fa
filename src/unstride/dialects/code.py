"""A pasted line of source -> a spec, through ``ast``; nothing pasted is ever evaluated.

The line is one call, as it stands in a user's program: with or without an assignment, ``model.add(...)`` or
``return`` around it, or a call of the result ``(x, output_size=...)`` behind it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from inspect import Parameter, Signature, signature

from ..errors import Reason, UnstrideError
from .registry import DIALECTS, named
from .spec import Source, Spec, argument

TEXT_LIMIT = 10_000
"""Most characters of pasted source that are read."""

_OPERATORS = {ast.Add: int.__add__, ast.Sub: int.__sub__, ast.Mult: int.__mul__}


def parse(code: str, dialect: str | None = None) -> Spec:
    """The spec that one pasted line of source describes.

    ``dialect`` settles a line that more than one framework understands. Raises UnstrideError with a caret under
    the argument that the framework would reject.

    >>> parse("nn.ConvTranspose2d(16, 33, 3, stride=2)").output_shape((1, 16, 12, 12))
    (1, 33, 25, 25)
    """
    call = _Call.of(_python(_checked(code)))
    complaint: UnstrideError | None = None
    for form in _forms(call, dialect):
        try:
            return _Binding(call, form).spec()
        except UnstrideError as error:
            complaint = complaint or error
            if error.reason is not Reason.ARGUMENT:
                break  # the arguments fit this form; what is wrong with them is its business
    if complaint is not None:
        raise complaint
    raise call.error(Reason.UNKNOWN_CALL, f"no dialect knows {call.name}", call.node.func, hint=_suggest(call))


def _checked(code: str) -> str:
    if not isinstance(code, str):
        raise UnstrideError(Reason.SYNTAX, "must be text", argument="code", value=code)
    if len(code) > TEXT_LIMIT:
        rule = f"one line of source has at most {TEXT_LIMIT} characters, this text has {len(code)}"
        raise UnstrideError(Reason.SYNTAX, rule, hint="paste the one line that makes the layer")
    if not code.strip():
        raise UnstrideError(Reason.SYNTAX, "there is nothing to read", hint="paste the line that makes the layer")
    return code.strip().rstrip(",;")


def _python(code: str) -> str:
    """The line as one call: other ways of writing are rewritten by their dialects' modules, which leave the rest."""
    for dialect in DIALECTS:
        if dialect.foreign and any(_mentions(code, name) for names in dialect.calls.values() for name in names):
            code = str(dialect.module().as_python(code))  # type: ignore[attr-defined]  # foreign dialects have it
    return code


def _mentions(code: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", code) is not None


@dataclass(frozen=True, slots=True)
class _Call:
    """The call in the line, with its dotted name taken apart."""

    code: str
    node: ast.Call
    name: str
    applied: ast.Call | None
    """the call of the result, as in ``layer(...)(x)``"""

    @classmethod
    def of(cls, code: str) -> _Call:
        try:
            tree = ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise _syntax_error(error) from None
        node, applied = _innermost(tree), None
        if isinstance(node.func, ast.Call):
            node, applied = node.func, node
        name = _dotted(node.func)
        if name is None:
            where = _caret(code, node.func)
            raise UnstrideError(Reason.EXPRESSION, "the called layer must be a dotted name", where=where)
        return cls(code, node, name, applied)

    def error(self, reason: Reason, rule: str, node: ast.AST, *, hint: str | None = None) -> UnstrideError:
        return UnstrideError(reason, rule, hint=hint, where=_caret(self.code, node))


def _syntax_error(error: Exception) -> UnstrideError:
    hint = "paste one call, such as nn.ConvTranspose2d(16, 33, 3, stride=2)"
    if not isinstance(error, SyntaxError) or error.text is None:
        return UnstrideError(Reason.SYNTAX, "this is not source that can be read", hint=hint)
    line, column = error.text.rstrip("\n"), max((error.offset or 1) - 1, 0)
    return UnstrideError(Reason.SYNTAX, error.msg, hint=hint, where=f"  {line}\n  {' ' * column}^")


def _innermost(tree: ast.Module) -> ast.Call:
    """The one call of the text, without assignment, return, tuple or ``model.add`` around it."""
    calls = [value for statement in tree.body if isinstance(value := _value(statement), ast.Call)]
    if len(calls) != 1:
        rule = f"must hold one call, this text holds {len(calls)}"
        hint = "paste the one line that makes the layer"
        raise UnstrideError(Reason.SYNTAX, rule, hint=hint)
    call = calls[0]
    while isinstance(call.func, ast.Attribute) and call.func.attr == "add" and len(call.args) == 1:
        inner = call.args[0]
        if not isinstance(inner, ast.Call):
            break
        call = inner
    return call


def _value(statement: ast.stmt) -> ast.expr | None:
    if isinstance(statement, ast.Expr | ast.Assign | ast.AnnAssign | ast.Return):
        value = statement.value
        return value.elts[0] if isinstance(value, ast.Tuple) and len(value.elts) == 1 else value
    return None


def _dotted(node: ast.expr) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def _forms(call: _Call, dialect: str | None) -> Iterator[type[Spec]]:
    """The forms that the call may mean, most usual dialect first."""
    prefix, _, name = call.name.rpartition(".")
    candidates = DIALECTS if dialect is None else (named(dialect),)
    for candidate in candidates:
        for full in candidate.full_names(prefix, name):
            yield candidate.form(full)
    for candidate in candidates:
        if prefix and name in candidate.calls.get(candidate.methods, ()) and not _known(prefix):
            call.node.args.insert(0, ast.copy_location(ast.Name(prefix), call.node.func))
            yield candidate.form(f"{candidate.methods}.{name}")


def _known(prefix: str) -> bool:
    return any(prefix in dialect.aliases or prefix in dialect.calls for dialect in DIALECTS)


def _suggest(call: _Call) -> str:
    name = call.name.rpartition(".")[2].lower().replace("_", "")
    known = {f"{full}.{form}".lstrip(".") for full, form in _all_calls()}
    near = sorted(full for full in known if full.rpartition(".")[2].lower().replace("_", "") == name)
    return f"did you mean {', '.join(near)}?" if near else "unstride dialects lists every call it knows"


def _all_calls() -> Iterator[tuple[str, str]]:
    for dialect in DIALECTS:
        for full, names in dialect.calls.items():
            for name in names:
                yield full, name


@dataclass(frozen=True, slots=True)
class _Binding:
    """The call's arguments bound to one form's parameters."""

    call: _Call
    form: type[Spec]

    def spec(self) -> Spec:
        nodes = self._bound()
        sources = {argument(field.name) for field in fields(self.form) if "Source" in str(field.type)}
        values = {name: self._literal(node, name, name in sources) for name, node in nodes.items()}
        try:
            return self.form(**values)
        except UnstrideError as error:
            node = nodes.get(error.argument or "")
            raise error.located(_caret(self.call.code, node if node is not None else self.call.node.func)) from None

    def _bound(self) -> dict[str, ast.expr]:
        """Parameter name -> the node given for it; the framework's own complaint where one does not fit."""
        shape = signature(self.form)
        positional = [p.name for p in shape.parameters.values() if p.kind is Parameter.POSITIONAL_OR_KEYWORD]
        nodes: dict[str, ast.expr] = {}
        for index, node in enumerate(self.call.node.args):
            if isinstance(node, ast.Starred):
                raise self._wrong("an unpacked argument cannot be read; write the values", node)
            if index >= len(positional):
                raise self._wrong(f"{self.form.call} takes {len(positional)} positional arguments", node)
            nodes[positional[index]] = node
        for keyword in [*self.call.node.keywords, *self._applied_keywords(shape)]:
            self._add_keyword(keyword, shape, nodes)
        missing = [p.name for p in shape.parameters.values() if p.default is Parameter.empty and p.name not in nodes]
        if missing:
            rule = f"{self.form.call} needs {', '.join(missing)}"
            raise self._wrong(rule, self.call.node.func, f"its arguments are {self._listed(shape)}")
        return nodes

    def _add_keyword(self, keyword: ast.keyword, shape: Signature, nodes: dict[str, ast.expr]) -> None:
        name = keyword.arg
        if name is None:
            raise self._wrong("unpacked keywords cannot be read; write them out", keyword.value)
        name = self.form.synonyms.get(name, name)
        if name not in shape.parameters:
            rule = f"{self.form.call} has no argument {name!r}"
            raise self._wrong(rule, keyword, f"its arguments are {self._listed(shape)}")
        if name in nodes:
            raise self._wrong(f"the argument {name!r} is given twice", keyword)
        nodes[name] = keyword.value

    def _applied_keywords(self, shape: Signature) -> list[ast.keyword]:
        """Keywords of the call of the result that are parameters of the form, such as ``output_size``."""
        if self.call.applied is None:
            return []
        return [keyword for keyword in self.call.applied.keywords if keyword.arg in shape.parameters]

    def _wrong(self, rule: str, node: ast.AST, hint: str | None = None) -> UnstrideError:
        return self.call.error(Reason.ARGUMENT, rule, node, hint=hint)

    @staticmethod
    def _listed(shape: Signature) -> str:
        return ", ".join(shape.parameters)

    def _literal(self, node: ast.expr, name: str, kept: bool) -> object:
        """The node's value: numbers, words, None, and sequences of them; in a Source argument, any expression."""
        try:
            return _evaluated(node)
        except _NotLiteral as found:
            if kept:
                return Source(ast.unparse(node))
            rule = f"{name}={ast.unparse(node)}: {found.what} cannot be read, because nothing pasted is run"
            raise self.call.error(
                Reason.EXPRESSION, rule, found.node, hint=f"write the number or word that {name} has"
            ) from None


class _NotLiteral(Exception):  # noqa: N818 - a signal inside this module, never shown
    def __init__(self, node: ast.expr, what: str) -> None:
        self.node = node
        self.what = what
        super().__init__(what)


def _evaluated(node: ast.expr) -> object:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str | None):
        return node.value
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_evaluated(entry) for entry in node.elts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        operand = _evaluated(node.operand)
        if isinstance(operand, int | float):
            return -operand
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _evaluated(node.left), _evaluated(node.right)
        if isinstance(left, int) and isinstance(right, int) and max(abs(left), abs(right)) < sys.maxsize:
            return _OPERATORS[type(node.op)](left, right)
    raise _NotLiteral(node, _kind(node))


def _kind(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return f"the variable {node.id}"
    if isinstance(node, ast.Call):
        return f"the call {ast.unparse(node.func)}(...)"
    return f"the expression {ast.unparse(node)}"


def _caret(code: str, node: ast.AST) -> str:
    """The line of the pasted text with the node underlined."""
    line_number = getattr(node, "lineno", 1)
    line = code.splitlines()[line_number - 1]
    begin, end = getattr(node, "col_offset", 0), getattr(node, "end_col_offset", None)
    if getattr(node, "end_lineno", line_number) != line_number or end is None:
        end = len(line.encode())
    # ast counts columns in UTF-8 bytes
    start = len(line.encode()[:begin].decode(errors="ignore"))
    width = max(1, len(line.encode()[begin:end].decode(errors="ignore")))
    return f"  {line}\n  {' ' * start}{'^' * width}"
