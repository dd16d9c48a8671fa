"""MATLAB source: the one call in a pasted text, its arguments as literals; nothing is evaluated.

What is read: numbers, text in either kind of quotes, vectors and matrices of them, ``Name=value`` and ``'Name',value``,
comments, and lines continued with ``...``. Everything else is kept as text where the argument may hold any expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from ..errors import Reason, UnstrideError

_TOKEN = re.compile(
    r"""(?P<skip>[^\S\n]+|\.\.\.[^\n]*\n?|%[^\n]*)
    |(?P<number>(?:\d+(?:\.(?![*/^\\'])\d*)?|\.\d+)(?:[eEdD][+-]?\d+)?)
    |(?P<name>[A-Za-z]\w*)
    |(?P<text>"(?:[^"\n]|"")*"|'(?:[^'\n]|'')*')
    |(?P<sign>\.[*/^']|[=~<>]=|\n|.)""",
    re.VERBOSE,
)
_OPENERS = {"(": ")", "[": "]", "{": "}"}
_EXACT = 2**53
"""Below this, every whole number is a number of double precision, the type of all MATLAB literals."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of source, and where it stands."""

    kind: str
    text: str
    start: int
    spaced: bool
    """whether there is white space before it"""

    @property
    def end(self) -> int:
        """The place behind it."""
        return self.start + len(self.text)

    @property
    def ends_value(self) -> bool:
        """Whether a value may end here, so that a quote behind it is a transpose."""
        return self.kind != "sign" or self.text in {")", "]", "}", ".'"}


@dataclass(frozen=True, slots=True)
class Form:
    """What a known call takes."""

    positional: tuple[str, ...]
    options: Mapping[str, bool]
    """option -> whether it may hold any expression"""


def tokens(text: str) -> Iterator[Token]:
    """The pieces of source, without white space and comments; a quote behind a value is a transpose."""
    place, spaced = 0, False
    before: Token | None = None
    while place < len(text):
        if text[place] == "'" and before is not None and before.ends_value and not spaced:
            before = Token("transpose", "'", place, spaced=False)
        else:
            found = _TOKEN.match(text, place)
            if found is None or found.lastgroup is None or found.lastgroup == "skip":
                place, spaced = (found.end() if found else place + 1), True
                continue
            before = Token(found.lastgroup, found.group(), place, spaced)
        yield before
        place, spaced = before.end, False


def python_call(text: str, forms: Mapping[str, Form]) -> str:
    """The one call of a known name as a Python call; the text itself where there is none.

    >>> form = Form(("filterSize",), {"Stride": False})
    >>> python_call("layer = myLayer([3 4], 'Stride', 2);", {"myLayer": form})
    'myLayer((3, 4), Stride=2)'
    """
    found = list(tokens(text))
    starts = [i for i, (token, after) in enumerate(pairwise(found)) if token.text in forms and after.text == "("]
    if not starts:
        return text
    if len(starts) > 1:
        rule = f"must hold one call, this text holds {len(starts)}"
        raise UnstrideError(Reason.SYNTAX, rule, hint="paste the one layer", where=_where(text, found[starts[1]]))
    return _Call(text, found[starts[0]], forms[found[starts[0]].text]).python(found[starts[0] + 1 :])


@dataclass(frozen=True, slots=True)
class _Call:
    text: str
    name: Token
    form: Form

    def python(self, found: list[Token]) -> str:
        """The call, from the tokens that begin with its parenthesis."""
        inside = self._inside(found)
        positional: list[list[Token]] = []
        words: list[str] = []
        for argument in _split(inside) if inside else []:
            if len(argument) > 2 and argument[0].kind == "name" and argument[1].text == "=":
                words.append(self._word(argument[0].text, argument[0], argument[2:]))
            elif argument:
                positional.append(argument)
            else:
                raise self._error("an argument is missing", self.name, reason=Reason.SYNTAX)
        count = len(self.form.positional)
        values = [self._value(name, value) for name, value in zip(self.form.positional, positional, strict=False)]
        return f"{self.name.text}({', '.join(values + self._pairs(positional[count:]) + words)})"

    def _inside(self, found: list[Token]) -> list[Token]:
        """The tokens between the call's parentheses."""
        open_: list[str] = []
        for index, token in enumerate(found):
            if token.kind == "sign" and token.text in _OPENERS:
                open_.append(_OPENERS[token.text])
            elif token.kind == "sign" and token.text in _OPENERS.values():
                if token.text != open_.pop():
                    raise self._error(f"{token.text} closes nothing", token, reason=Reason.SYNTAX)
                if not open_:
                    return [each for each in found[1:index] if each.text != "\n" or each.kind != "sign"]
            elif token.kind == "sign" and token.text in {"'", '"'}:
                raise self._error("this text is not closed", token, reason=Reason.SYNTAX)
        raise self._error("the call's parenthesis is not closed", self.name, reason=Reason.SYNTAX)

    def _pairs(self, rest: list[list[Token]]) -> list[str]:
        """``'Name',value`` pairs as keywords."""
        words = []
        for name, value in zip(rest[::2], [*rest[1::2], None], strict=False):
            if len(name) != 1 or name[0].kind != "text" or value is None:
                rule = f"{self.name.text} takes {len(self.form.positional)} values, then pairs of 'Name' and value"
                raise self._error(rule, name[0])
            words.append(self._word(_unquoted(name[0].text), name[0], value))
        return words

    def _word(self, given: str, at: Token, value: list[Token]) -> str:
        """A keyword; names of options are the same in capitals and small letters."""
        name = next((option for option in self.form.options if option.lower() == given.lower()), None)
        if name is None:
            rule = f"{self.name.text} has no argument {given!r}"
            raise self._error(rule, at, hint=f"its arguments are {', '.join(self.form.options)}")
        return f"{name}={self._value(name, value)}"

    def _value(self, name: str, value: list[Token]) -> str:
        literal = _literal(value)
        if literal is not None and not (self.form.options.get(name) and literal.startswith("(")):
            return literal
        source = self.text[value[0].start : value[-1].end].replace("...\n", " ").replace("\n", " ")
        if self.form.options.get(name):
            return f"matlab({source!r})"
        rule = f"{name}={source}: this expression cannot be read, because nothing pasted is run"
        hint = f"write the number or word that {name} has"
        raise self._error(rule, value[0], reason=Reason.EXPRESSION, hint=hint)

    def _error(
        self, rule: str, at: Token, *, reason: Reason = Reason.ARGUMENT, hint: str | None = None
    ) -> UnstrideError:
        return UnstrideError(reason, rule, hint=hint, where=_where(self.text, at))


def _split(inside: list[Token], separators: str = ",") -> Iterator[list[Token]]:
    """The runs of tokens between separators that stand in no bracket."""
    depth = 0
    run: list[Token] = []
    for token in inside:
        depth += (token.text in _OPENERS) - (token.text in _OPENERS.values()) if token.kind == "sign" else 0
        if depth == 0 and token.kind == "sign" and token.text in separators:
            yield run
            run = []
        else:
            run.append(token)
    yield run


def _literal(value: list[Token]) -> str | None:
    """A number, text, vector or matrix as Python; None for anything else."""
    match value:
        case [Token(kind="text", text=text)]:
            return repr(_unquoted(text))
        case [Token(kind="number", text=text)]:
            return _number(text)
        case [Token(text="-"), Token(kind="number", text=text)]:
            return f"-{_number(text)}"
        case [Token(text="["), *inside, Token(text="]")]:
            return _matrix(inside)
    return None


def _number(text: str) -> str:
    number = float(re.sub("[dD]", "e", text))
    return str(int(number)) if number < _EXACT and number.is_integer() else repr(number)


def _matrix(inside: list[Token]) -> str | None:
    """One element as itself, one row as a tuple, several as a tuple of tuples."""
    rows = [[_literal(element) for run in _split(row) for element in _elements(run)] for row in _split(inside, ";")]
    kept = [[entry for entry in row if entry is not None] for row in rows if row]
    if any(None in row for row in rows) or len({len(row) for row in kept}) > 1:
        return None
    if len(kept) == 1:
        return kept[0][0] if len(kept[0]) == 1 else f"({', '.join(kept[0])})"
    columns = [f"({', '.join(row)},)" for row in kept]
    return f"({', '.join(columns)})"


def _elements(run: list[Token]) -> Iterator[list[Token]]:
    """What white space separates: ``1 -2`` are two elements, ``1 - 2`` and ``1-2`` are one."""
    element: list[Token] = []
    for token, after in pairwise([*run, None]):
        if token is None:
            break
        glued = token.kind == "sign" and token.text not in "([{@-+"
        binary = token.text in {"-", "+"} and after is not None and after.spaced
        if element and token.spaced and element[-1].ends_value and not glued and not binary:
            yield element
            element = []
        element.append(token)
    if element:
        yield element


def _unquoted(text: str) -> str:
    quote = text[0]
    return text[1:-1].replace(quote * 2, quote)


def _where(text: str, at: Token) -> str:
    """The line of the text with the token underlined."""
    begin = text.rfind("\n", 0, at.start) + 1
    line = text[begin:].partition("\n")[0]
    return f"  {line}\n  {' ' * (at.start - begin)}{'^' * len(at.text)}"
