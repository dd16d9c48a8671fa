"""The checks that several calls share: an argument of the wrong kind is an UnstrideError that names it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from ..errors import Reason, UnstrideError

T = TypeVar("T")


def element_type(value: Any, argument: str) -> np.dtype[Any]:
    """The element type of numbers that NumPy knows by ``value``.

    >>> element_type("float16", "dtype")
    dtype('float16')
    """
    try:
        found: np.dtype[Any] = np.dtype(value)
    except (TypeError, ValueError):
        found = np.dtype(object)
    if found.kind in "OSTUMm" or found.type is np.void:
        rule = "must be an element type of numbers, such as numpy.float32"
        raise UnstrideError(Reason.DTYPE, rule, argument=argument, value=value)
    return found


def mapping(value: object, argument: str) -> dict[str, Any]:
    """The mapping as a dictionary; its keys must be names."""
    if not isinstance(value, Mapping) or any(not isinstance(key, str) for key in value):
        rule = "must be a dictionary from names to values, such as get_config() returns"
        raise UnstrideError(Reason.ARGUMENT, rule, argument=argument, value=value)
    return dict(value)


def entries(value: Iterable[T], argument: str, what: str) -> list[T]:
    """The entries of a list, or of whatever else can be iterated over; ``what`` names them in the error."""
    if not isinstance(value, Iterable) or isinstance(value, str | Mapping):
        raise UnstrideError(Reason.ARGUMENT, f"must be a list of {what}", argument=argument, value=value)
    try:
        return list(value)
    except TypeError:  # an array without axes says that it is iterable
        rule = f"must be a list of {what}"
        raise UnstrideError(Reason.ARGUMENT, rule, argument=argument, value=value) from None


def switch(value: object, argument: str) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise UnstrideError(Reason.ARGUMENT, "must be True or False", argument=argument, value=value)
    return bool(value)


def number(value: Any, argument: str) -> float:
    """One finite real number."""
    if np.ndim(value) or np.asarray(value).dtype.kind not in "biuf" or not np.isfinite(value):
        raise UnstrideError(Reason.ARGUMENT, "must be a finite number", argument=argument, value=value)
    return float(value)
