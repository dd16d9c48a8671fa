"""Arguments of a call on arrays, bound to a dialect's spec: the spec holds the names, the defaults and every rule."""

from __future__ import annotations

from dataclasses import fields
from inspect import signature
from typing import Any, TypeVar

import numpy as np

from ..dialects.spec import Source, Spec, argument
from ..errors import Reason, UnstrideError

S = TypeVar("S", bound=Spec)


def bind(form: type[Spec], values: tuple[object, ...], words: dict[str, Any]) -> dict[str, Any]:
    """The arguments by name, defaults included; UnstrideError where one is missing, unknown or given twice."""
    shape = signature(form)
    renamed = {form.synonyms.get(word, word): value for word, value in words.items()}
    try:
        bound = shape.bind(*values, **renamed)
    except TypeError as error:
        hint = f"its arguments are {', '.join(shape.parameters)}"
        raise UnstrideError(Reason.ARGUMENT, f"{form.call}: {error}", hint=hint) from None
    bound.apply_defaults()
    return dict(bound.arguments)


def build(form: type[S], arguments: dict[str, Any]) -> S:
    """The spec of these arguments; an object that only a framework understands is kept as its text."""
    kept = {argument(field.name) for field in fields(form) if "Source" in str(field.type)}
    return form(**{name: literal(value, kept=name in kept) for name, value in arguments.items()})


def literal(value: object, *, kept: bool = False) -> object:
    """NumPy's numbers, and arrays of integers, as Python's; other objects as text where ``kept``.

    >>> literal(np.array([1, 6, 6, 1])), literal([np.int64(2), "same"])
    ([1, 6, 6, 1], [2, 'same'])
    """
    if isinstance(value, np.integer | np.bool_) or (isinstance(value, np.ndarray) and value.dtype.kind in "iu"):
        plain: object = value.tolist()
        return plain
    if isinstance(value, list | tuple):
        return [literal(entry, kept=kept) for entry in value]
    if kept and not isinstance(value, int | float | str | Source | None):
        return Source(repr(value))
    return value
