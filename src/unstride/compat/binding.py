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
    types = {argument(field.name): str(field.type) for field in fields(form)}
    return form(**{name: _plain(name, value, types[name]) for name, value in arguments.items()})


def _plain(name: str, value: object, kind: str) -> object:
    """The argument as its field holds it; an array only where the field takes several integers, or text."""
    found = literal(value, kept="Source" in kind)
    if isinstance(found, np.ndarray) or (kind == "bool" and isinstance(value, np.ndarray) and value.ndim):
        raise UnstrideError(Reason.ARGUMENT, "must be a plain value, not an array", argument=name, value=value)
    return found


def literal(value: object, *, kept: bool = False) -> object:
    """NumPy's integers and booleans, and arrays of integers, as Python's; other objects as text where ``kept``.

    >>> literal(np.array([1, 6, 6, 1])), literal([np.int64(2), "same"])
    ([1, 6, 6, 1], [2, 'same'])
    """
    if isinstance(value, np.integer | np.bool_) or (
        isinstance(value, np.ndarray) and (value.dtype.kind in "iu" or (value.dtype.kind == "b" and not value.ndim))
    ):
        plain: object = value.tolist()
        return plain
    if isinstance(value, list | tuple):
        return [literal(entry, kept=kept) for entry in value]
    if kept and not isinstance(value, int | float | str | Source | None):
        return Source(repr(value))
    return value
