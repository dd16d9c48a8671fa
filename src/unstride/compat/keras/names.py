"""Automatic names, numbered as Keras numbers them: ``conv2d_transpose``, ``conv2d_transpose_1``, ..."""

from __future__ import annotations

import re
from collections import Counter

from ...errors import Reason, UnstrideError

_given: Counter[str] = Counter()

_WORD_START = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=\w)(?=[A-Z][a-z])")


def snake_case(name: str) -> str:
    """A class's name as Keras writes it in lower case.

    >>> snake_case("Conv2DTranspose"), snake_case("InputLayer")
    ('conv2d_transpose', 'input_layer')
    """
    return _WORD_START.sub("_", name).lower()


def choose_name(name: object, kind: type) -> str:
    """``name`` itself, or the next free one for that class."""
    if name is None:
        stem = snake_case(kind.__name__)
        number = _given[stem]
        _given[stem] += 1
        return f"{stem}_{number}" if number else stem
    if not isinstance(name, str) or "/" in name:
        raise UnstrideError(Reason.ARGUMENT, "must be a text without '/'", argument="name", value=name)
    return name


def forget_names() -> None:
    """Number from the start again."""
    _given.clear()
