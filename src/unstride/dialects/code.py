"""A pasted line of source -> a spec: the call's arguments bound to the parameters of the form that it names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from inspect import Parameter, Signature, signature

from ..errors import Reason, UnstrideError
from .pasted import Call, NotLiteral, checked, evaluated, find, unparsed
from .registry import DIALECTS, named
from .spec import Source, Spec, argument

ALIKE = 0.8
"""How alike two words must be for one to be suggested for the other."""

NEAR = 0.9
"""How alike two keywords must be for one to count as a misspelling of the other (``stride`` for ``strides``)."""


def parse(code: str, dialect: str | None = None, *, names: Mapping[str, object] | None = None) -> Spec:
    """The spec of the one layer in a pasted line of source.

    The line may stand as it does in a program: assigned, returned, added to a model, in a list, applied to its input.
    ``dialect`` settles a line that more than one framework understands; ``names`` gives variables their values.
    Raises UnstrideError with a caret under the argument that the framework would reject.

    >>> parse("self.up = nn.ConvTranspose2d(16, 33, k, stride=2)", names={"k": 3}).output_shape((1, 16, 12, 12))
    (1, 33, 25, 25)
    """
    call = find(_python(checked(code)), lambda name: any(_forms(name, dialect)), names or {})
    complaint: UnstrideError | None = None
    for dotted, method in _forms(call.name, dialect):
        binding = _Binding(_as_function(call) if method else call, _form(dotted))
        try:
            return binding.spec()
        except UnstrideError as error:
            complaint = complaint or error
            if error.reason is not Reason.ARGUMENT or binding.misspelt():
                break  # the call is meant for this form; what is wrong with it is this form's to say
    if complaint is not None:
        raise complaint
    raise call.error(Reason.UNKNOWN_CALL, f"no dialect knows {call.name}", call.node.func, hint=_suggest(call.name))


def _near(word: str, known: Iterable[str], cutoff: float) -> list[str]:
    """The known word that is spelled most alike, if any is alike enough."""
    from difflib import get_close_matches  # only where something is misspelt

    return get_close_matches(word, known, n=1, cutoff=cutoff)


def _python(code: str) -> str:
    """The line as one call: other ways of writing are rewritten by their dialects' modules, which leave the rest."""
    for dialect in DIALECTS:
        if dialect.foreign and any(_mentions(code, name) for names in dialect.calls.values() for name in names):
            code = str(dialect.module().as_python(code))  # type: ignore[attr-defined]  # foreign dialects have it
    return code


def _mentions(code: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", code) is not None


def _forms(dotted: str, dialect: str | None) -> Iterator[tuple[tuple[str, str], bool]]:
    """(dialect, full name) of the forms that a dotted name may mean, most usual first; and whether as a method."""
    prefix, _, name = dotted.rpartition(".")
    candidates = DIALECTS if dialect is None else (named(dialect),)
    for candidate in candidates:
        for full in candidate.full_names(prefix, name):
            yield (candidate.name, full), False
    for candidate in candidates:
        methods = candidate.calls.get(candidate.methods, ()) if candidate.methods else ()
        if prefix and name in methods and not _known(prefix):
            yield (candidate.name, f"{candidate.methods}.{name}"), True


def _form(found: tuple[str, str]) -> type[Spec]:
    dialect, full = found
    return named(dialect).form(full)


def _as_function(call: Call) -> Call:
    """``x.conv2d(w)`` as ``conv2d(x, w)``."""
    array = ast.copy_location(ast.Name(call.name.rpartition(".")[0]), call.node.func)
    node = ast.copy_location(ast.Call(call.node.func, [array, *call.node.args], call.node.keywords), call.node)
    return Call(call.code, node, call.name, call.applied, call.names)


def _known(prefix: str) -> bool:
    return any(prefix in dialect.aliases or prefix in dialect.calls for dialect in DIALECTS)


def _suggest(dotted: str) -> str:
    """Known calls that are spelled alike, those under the same prefix first."""
    prefix, _, name = dotted.rpartition(".")
    spelled = {
        f"{full}.{form}".lstrip("."): prefix not in (full, *(alias for alias in dialect.aliases))
        for dialect in DIALECTS
        for full, forms in dialect.calls.items()
        for form in forms
    }
    folded = {full.rpartition(".")[2].lower().replace("_", "") for full in spelled}
    near = _near(name.lower().replace("_", ""), folded, ALIKE)
    alike = [full for full in spelled if full.rpartition(".")[2].lower().replace("_", "") in near]
    if not alike:
        return "unstride dialects lists every call it knows"
    return f"did you mean {', '.join(sorted(alike, key=lambda full: spelled[full])[:3])}?"


@dataclass(frozen=True, slots=True)
class _Binding:
    """The call's arguments bound to one form's parameters."""

    call: Call
    form: type[Spec]

    def spec(self) -> Spec:
        nodes = self._bound()
        sources = {argument(field.name) for field in fields(self.form) if "Source" in str(field.type)}
        values = {name: self._literal(node, name, name in sources) for name, node in nodes.items()}
        try:
            return self.form(**values)
        except UnstrideError as error:
            node = nodes.get(error.argument or "")
            raise error.located(self.call.caret(node if node is not None else self.call.node.func)) from None

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
            near = _near(name, shape.parameters, ALIKE)
            hint = f"did you mean {near[0]}?" if near else f"its arguments are {self._listed(shape)}"
            raise self._wrong(f"{self.form.call} has no argument {name!r}", keyword, hint)
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

    def misspelt(self) -> bool:
        """Whether the call has keywords that the form lacks, all of them near to one that it has."""
        shape = signature(self.form)
        given = [keyword.arg or "" for keyword in self.call.node.keywords]
        unknown = [name for name in given if self.form.synonyms.get(name, name) not in shape.parameters]
        return bool(unknown) and all(_near(name, shape.parameters, NEAR) for name in unknown)

    def _listed(self, shape: Signature) -> str:
        return ", ".join(name for name in shape.parameters if name not in self.form.refused)

    def _literal(self, node: ast.expr, name: str, kept: bool) -> object:
        """The node's value: numbers, words, None, and sequences of them; in a Source argument, any expression."""
        try:
            return evaluated(node, self.call.names)
        except RecursionError:
            raise self.call.error(Reason.SYNTAX, f"{name} is nested too deeply to be read", node) from None
        except NotLiteral as found:
            if kept:
                return Source(unparsed(node))
            rule = f"{name}={unparsed(node)}: {found.what} cannot be read, because nothing pasted is run"
            hint = "write its value there"
            if isinstance(found.node, ast.Name):
                hint += f", or give it: --set {found.node.id}=…, parse(…, names={{{found.node.id!r}: …}})"
            raise self.call.error(Reason.EXPRESSION, rule, found.node, hint=hint) from None
