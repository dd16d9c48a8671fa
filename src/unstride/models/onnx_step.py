"""One ONNX node as its handlers see it: attributes by type, inputs as values of the network or as constants.

A value's axes are told by letters: ``N``, ``C`` and a digit for each spatial axis, in the order in which the file keeps
them; a Transpose only changes the order, since the network's own values are always channels first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..errors import Reason, UnstrideError
from ..network import Features, Operation, Stored

CONSTANT_LIMIT = 4096
"""most elements of a constant that says a shape, a margin or a factor"""


class UnknownError(UnstrideError):
    """A node that is outside the list; it becomes an opaque step."""

    def __init__(self, why: str) -> None:
        super().__init__(Reason.UNSUPPORTED, why)


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the network as the file keeps it."""

    name: str
    order: str | None
    """its axes' letters; None where nothing tells them"""
    channels: int | None = None
    features: Features | None = None
    """channels and size, where the file fixes them"""
    type: int = 0
    """ONNX's number of the element type; 0: unknown"""
    pooled: bool = False
    """whether all its spatial axes have one element"""

    @property
    def spatial(self) -> int:
        """Number of spatial axes; −1 where nothing tells."""
        return -1 if self.order is None else len(self.order) - 2

    @property
    def first(self) -> bool:
        """Whether it may be taken as channels first."""
        return self.order is None or self.order == standard(len(self.order) - 2)

    @property
    def last(self) -> bool:
        """Whether its channels are behind its spatial axes."""
        return self.order is not None and self.order == channels_last(len(self.order) - 2)


def standard(rank: int) -> str:
    """Channels first."""
    return "NC" + "".join(map(str, range(rank)))


def channels_last(rank: int) -> str:
    """Channels last."""
    return "N" + "".join(map(str, range(rank))) + "C"


class Result(NamedTuple):
    """What a node comes to: operations one after the other, none where its output is its input."""

    operations: tuple[Operation, ...]
    inputs: tuple[Value, ...]
    order: str | None


@dataclass(frozen=True)
class Step:
    """A node, with what its inputs are: a value, a constant, or None where an optional one is left out."""

    kind: str
    opset: int
    attributes: Mapping[str, Any]
    inputs: tuple[Value | Stored | None, ...]
    layout: str | None = None
    """the order in which what follows takes the output, where that can be told"""
    batch: int | None = None
    """how many examples the model takes, where the file fixes that"""

    # --- inputs ---

    def given(self, index: int) -> Value | Stored | None:
        """The input at a place, None where it is left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    @property
    def x(self) -> Value:
        """The first input, which must be a value."""
        x = self.given(0)
        if not isinstance(x, Value):
            raise UnknownError("its input is a constant")
        return x

    @property
    def first(self) -> Value:
        """The first input, channels first."""
        x = self.x
        if not x.first:
            raise UnknownError("its input does not have its channels first")
        return replace(x, order=x.order)

    def weights(self, index: int, name: str) -> Stored:
        """An input that must be an array in the file."""
        found = self.given(index)
        if not isinstance(found, Stored):
            raise UnknownError(f"its {name} is not an array in the file")
        return found

    def numbers(self, index: int, name: str) -> tuple[float, ...] | None:
        """The values of a small constant, None where the input is left out."""
        found = self.given(index)
        if found is None:
            return None
        if not isinstance(found, Stored) or not found.known:
            raise UnknownError(f"its {name} is computed, not a number in the file")
        if found.count > CONSTANT_LIMIT:
            raise UnknownError(f"its {name} has {found.count} elements")
        values: list[float] = np.asarray(found.array).ravel().tolist()
        return tuple(values)

    def whole(self, index: int, name: str) -> tuple[int, ...] | None:
        """The values of a small constant of integers, None where the input is left out."""
        values = self.numbers(index, name)
        if values is None:
            return None
        if any(value != int(value) for value in values):
            raise UnknownError(f"its {name} are no integers")
        return tuple(map(int, values))

    def letters(self, axes: tuple[int, ...]) -> tuple[str, ...]:
        """The letters of these axes of the first input; negative ones count from the end."""
        order = self.x.order
        if order is None:
            raise UnknownError("nothing tells how many axes its input has")
        if any(not -len(order) <= axis < len(order) for axis in axes):
            raise UnknownError(f"its input has no axes {axes}")
        return tuple(order[axis] for axis in axes)

    # --- attributes ---

    def integer(self, name: str, default: int) -> int:
        """An attribute of type INT."""
        value = self.attributes.get(name, default)
        if type(value) is not int:
            raise UnknownError(f"its {name} is no integer")
        return value

    def number(self, name: str, default: float) -> float:
        """An attribute of type FLOAT, as the shortest number that is the same in single precision."""
        value = self.attributes.get(name, default)
        if type(value) is not float:
            raise UnknownError(f"its {name} is no number")
        return shortest(value)

    def text(self, name: str, default: str) -> str:
        """An attribute of type STRING."""
        value = self.attributes.get(name, default)
        if type(value) is not str:
            raise UnknownError(f"its {name} is no text")
        return value

    def ints(self, name: str) -> tuple[int, ...] | None:
        """An attribute of type INTS, None where it is left out."""
        value = self.attributes.get(name)
        if value is not None and (type(value) is not tuple or any(type(entry) is not int for entry in value)):
            raise UnknownError(f"its {name} are no integers")
        return value

    def floats(self, name: str) -> tuple[float, ...] | None:
        """An attribute of type FLOATS, None where it is left out."""
        value = self.attributes.get(name)
        if value is not None and (type(value) is not tuple or any(type(entry) is not float for entry in value)):
            raise UnknownError(f"its {name} are no numbers")
        return value


def shortest(value: float) -> float:
    """The shortest decimal number that single precision does not tell from ``value``.

    >>> shortest(9.999999747378752e-06)
    1e-05
    """
    with np.errstate(over="ignore"):
        return float(str(np.float32(value)))
