"""Stored: an array of which the shape is known, and whose values are fetched when somebody asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

from ..errors import Reason, UnstrideError


@dataclass(frozen=True)
class Stored:
    """An array by its shape and type; ``array`` reads the values once, on first use.

    >>> Stored((2, 3), "float32").count
    6
    """

    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], Any] | None = None
    """reads the values as a NumPy array; None where only the shape is known"""
    hint: str = "give the file that holds the weights as well"
    """how to come by the values, where only the shape is known"""

    @classmethod
    def of(cls, array: Any) -> Stored:
        """An array that is in memory already."""
        return cls(tuple(array.shape), str(array.dtype), lambda: array)

    def __reduce__(self) -> tuple[Any, ...]:
        """What is sent to another process: the values, wherever they are kept here."""
        if self.load is None:
            return (Stored, (self.shape, self.dtype, None, self.hint))
        return (Stored.of, (self.array,))

    @property
    def count(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def known(self) -> bool:
        """Whether the values can be read."""
        return self.load is not None

    @cached_property
    def array(self) -> Any:
        """The values, a NumPy array; UnstrideError where there are none or they have another shape."""
        if self.load is None:
            rule = "only the shape of these weights is known"
            raise UnstrideError(Reason.FILE, rule, value=self.shape, hint=self.hint)
        values = self.load()
        if tuple(values.shape) != self.shape:
            rule = f"declared with the shape {self.shape}, stored with {tuple(values.shape)}"
            raise UnstrideError(Reason.FILE, rule, argument="weights", value=tuple(values.shape))
        return values
