"""Protocol-buffer text, as Caffe's ``.prototxt`` files hold it, as nested messages.

    message := { name [":"] ( value | "[" value {"," value} "]" | "{" message "}" ) [ "," | ";" ] }

Nothing is looked up in a schema: a message is the list of its fields in order, repeated ones as often as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from ..errors import Reason, UnstrideError

Value: TypeAlias = "str | int | float | bool | Message"
"""A scalar, or a nested message; the name of an enum's member is a word like any string."""


class Message(list[tuple[str, Value]]):
    """The fields of one message: (name, value) in the order of the text."""

    def values(self, name: str) -> list[Value]:
        """Every value of one field."""
        return [value for key, value in self if key == name]


class _Token(NamedTuple):
    kind: str
    text: str
    offset: int


_TOKENS = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
      | (?P<word>[A-Za-z_]\w*)
      | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<mark>[{}<>:,;\[\]])""",
    re.VERBOSE,
)

_CLOSING = {"{": "}", "<": ">"}


def read_message(text: str) -> Message:
    """The fields of ``text``; UnstrideError with a caret where it is not protocol-buffer text.

    >>> read_message('layer { name: "up" convolution_param { pad: 1 pad: 2 bias_term: false } }')
    [('layer', [('name', 'up'), ('convolution_param', [('pad', 1), ('pad', 2), ('bias_term', False)])])]
    """
    tokens = _Tokens(text)
    whole = Message()
    # the messages that are open, outermost first, each with the mark that closes it
    stack: list[tuple[Message, str]] = [(whole, "")]
    while True:
        message, closing = stack[-1]
        token = tokens.take()
        if token.text == closing:
            if len(stack) == 1:
                return whole
            stack.pop()
            tokens.skip(",", ";")
        elif token.kind == "word":
            colon = tokens.skip(":")
            if tokens.next.text in _CLOSING:
                nested = Message()
                message.append((token.text, nested))
                stack.append((nested, _CLOSING[tokens.take().text]))
            elif colon:
                message.extend((token.text, value) for value in _scalars(tokens))
                tokens.skip(",", ";")
            else:
                raise tokens.error(tokens.next, f"the field {token.text} needs a colon and a value, or braces")
        else:
            raise tokens.error(token, f"expected a field's name{f' or {closing}' if closing else ''}")


def _scalars(tokens: _Tokens) -> Iterator[Value]:
    """One value, or a list of them in brackets."""
    if not tokens.skip("["):
        yield _scalar(tokens)
        return
    while True:
        yield _scalar(tokens)
        if tokens.skip("]"):
            return
        if not tokens.skip(","):
            raise tokens.error(tokens.next, "expected a comma or the closing bracket")


def _scalar(tokens: _Tokens) -> Value:
    token = tokens.take()
    if token.kind == "number":
        return int(token.text) if re.fullmatch(r"[-+]?\d+", token.text) else float(token.text)
    if token.kind == "word":
        return {"true": True, "false": False}.get(token.text, token.text)
    if token.kind == "string":
        return token.text[1:-1]
    raise tokens.error(token, "expected a value")


class _Tokens:
    """The tokens of a text, one of them in sight."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._rest = self._split()
        self.next = next(self._rest)

    def _split(self) -> Iterator[_Token]:
        offset = 0
        while offset < len(self.text):
            found = _TOKENS.match(self.text, offset)
            if found is None:
                raise self.error(_Token("", self.text[offset], offset), "not a part of protocol-buffer text")
            if found.lastgroup != "space":
                yield _Token(str(found.lastgroup), found.group(), offset)
            offset = found.end()
        yield _Token("end", "", offset)

    def take(self) -> _Token:
        """The next token, which is then behind us; the end stays in sight."""
        token = self.next
        self.next = next(self._rest, token)
        return token

    def skip(self, *marks: str) -> bool:
        """Whether the next token was one of ``marks``, which is then behind us."""
        found = self.next.text in marks
        if found:
            self.take()
        return found

    def error(self, token: _Token, rule: str) -> UnstrideError:
        """A syntax error with the token underlined."""
        begin = self.text.rfind("\n", 0, token.offset) + 1
        line = self.text[begin:].partition("\n")[0]
        where = f"  {line}\n  {' ' * (token.offset - begin)}{'^' * max(len(token.text), 1)}"
        shown = repr(token.text) if token.text else "the end of the text"
        return UnstrideError(Reason.SYNTAX, f"{rule}, found {shown}", where=where)
