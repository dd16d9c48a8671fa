"""One call of one Keras layer: what it takes, what its arguments say, and the operations made of it.

Sizes that the model leaves open are None; what lies behind a step that is not understood has no known size at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite, prod
from typing import Any, TypeAlias

from ..errors import UnstrideError
from ..network import Features, Node, Operation, Stored
from .keras_config import Described, Reference, Shape, shown

STAND_IN = 4096
"""a length in place of an open one, long enough for the windows of real layers"""


class UnreadError(Exception):
    """Why one step of a model is not understood; it becomes an Opaque node that says so."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value of the network, by the name of what makes it."""

    name: str
    channels: int | None
    """None where nothing is known of its shape"""
    size: Shape = ()
    last: bool = True
    """whether the model keeps its channels last; that of a vector does not matter"""

    @property
    def known(self) -> tuple[int, Shape]:
        """Channels and spatial size."""
        if self.channels is None:
            raise UnreadError("the shape of its input is not known")
        return self.channels, self.size

    @property
    def count(self) -> int | None:
        """Number of elements, None where it is not fixed."""
        if self.channels is None or None in self.size:
            return None
        return self.channels * prod(length for length in self.size if length is not None)


def value_of(name: str, shape: Shape | None, *, last: bool) -> Value:
    """A value whose array, batch axis included, has that shape; of unknown shape where that is not known."""
    if shape is None or len(shape) < 2 or shape[-1 if last else 1] is None:
        return Value(name, None, (), last)
    return Value(name, shape[-1 if last else 1], shape[1:-1] if last else shape[2:], last)


WeightOf: TypeAlias = Callable[[int, str, tuple[int, ...]], Stored]
"""a layer's array by its number, its name, and the shape that it must have"""


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a layer; ``add`` collects the operations that it is made of."""

    described: Described
    name: str
    arguments: tuple[Any, ...]
    """what it is called on: values, and plain numbers between them"""
    weight: WeightOf
    rename: Callable[[str], str]
    """a name that no other node has"""
    last: bool
    """whether the model keeps channels last"""
    generation: int
    made: list[Node] = field(default_factory=list)

    @property
    def values(self) -> tuple[Value, ...]:
        """The values among its arguments."""
        return tuple(given for given in self.arguments if isinstance(given, Value))

    @property
    def value(self) -> Value:
        """Its one value."""
        if len(self.arguments) != 1 or not self.values:
            raise UnreadError(f"called on {len(self.arguments)} arguments instead of one value")
        return self.values[0]

    def add(self, operation: Operation, *given: Value, helper: str = "") -> Value:
        """One more operation, under the layer's name or that of its helper; its output."""
        name = self.rename(f"{self.name}/{helper}" if helper else self.name)
        self.made.append(Node(name, operation, tuple(value.name for value in given)))
        channels, size = traced(operation, given)
        return Value(name, channels, size, self.last if not given[0].size else given[0].last)

    # --- arguments --------------------------------------------------------------------------------------------

    def argument(self, name: str, default: Any = None) -> Any:
        """A layer's argument as the file has it."""
        return self.described.config.get(name, default)

    def whole(self, name: str, default: int | None = None) -> int:
        """An argument that is an integer."""
        value = self.argument(name, default)
        if type(value) is not int:
            raise self.odd(name)
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """An argument that is a finite number."""
        return real(self.argument(name, default), name)

    def flag(self, name: str, *, default: bool) -> bool:
        """An argument that is true or false."""
        value = self.argument(name, default)
        if type(value) is not bool:
            raise self.odd(name)
        return value

    def word(self, name: str, *choices: str, default: str | None = None) -> str:
        """An argument that is one of these words, in whatever case."""
        value = self.argument(name, default)
        value = default if value is None else value
        if not isinstance(value, str) or value.lower() not in choices:
            raise self.odd(name)
        return value.lower()

    def lengths(self, name: str, rank: int, default: Any = None) -> tuple[int, ...]:
        """An argument of one positive integer, or one for each spatial axis."""
        value = self.argument(name, default)
        entries = [value] * rank if type(value) is int else value
        if not isinstance(entries, list) or len(entries) != rank:
            raise self.odd(name)
        if any(type(entry) is not int or entry < 1 for entry in entries):
            raise self.odd(name)
        return tuple(entries)

    def margins(self, name: str, rank: int) -> tuple[tuple[int, int], ...]:
        """An argument of one number, one for each spatial axis, or a pair for each."""
        value = self.argument(name)
        entries = [value] * rank if type(value) is int else value
        if rank == 1 and isinstance(entries, list) and len(entries) == 2:
            entries = [entries]
        if not isinstance(entries, list) or len(entries) != rank:
            raise self.odd(name)
        pairs = [[entry, entry] if type(entry) is int else entry for entry in entries]
        for pair in pairs:
            if not isinstance(pair, list) or len(pair) != 2 or any(type(each) is not int or each < 0 for each in pair):
                raise self.odd(name)
        return tuple((before, after) for before, after in pairs)

    def odd(self, name: str) -> UnreadError:
        """For an argument that has no meaning here."""
        return UnreadError(f"{name} is {shown(self.argument(name))}")

    # --- data order -------------------------------------------------------------------------------------------

    def spatial(self, rank: int, *, ordered: str | None = None) -> Value:
        """Its one value, if that has ``rank`` spatial axes in the order that the layer takes."""
        value = self.value
        _, size = value.known
        if len(size) != rank:
            raise UnreadError(f"takes {rank} spatial axes, its input has {len(size)}")
        last = (ordered or self.word("data_format", *_ORDERS, default="channels_last")) == "channels_last"
        if value.last != last:
            named = {True: "channels_last", False: "channels_first"}
            raise UnreadError(f"its data_format is {named[last]}, its input is {named[value.last]}")
        return value

    def is_channels(self, axis: Any, value: Value) -> bool:
        """Whether an axis of the model's own array, the batch being 0, is that of the channels."""
        if isinstance(axis, list) and len(axis) == 1:
            axis = axis[0]
        if type(axis) is not int:
            raise UnreadError(f"axis is {shown(axis)}")
        dimensions = len(value.known[1]) + 2
        return axis % dimensions == (dimensions - 1 if value.last else 1) if -dimensions <= axis < dimensions else False


_ORDERS = ("channels_last", "channels_first")


def real(value: Any, name: str) -> float:
    """The value as a finite number; anything else is not understood."""
    if type(value) not in (int, float) or abs(value) > 1e300 or not isfinite(value):
        raise UnreadError(f"{name} is {shown(value)}")
    return float(value)


def traced(operation: Operation, given: tuple[Value, ...]) -> tuple[int | None, Shape]:
    """Channels and spatial size of an operation's output, as far as those of its inputs are known."""
    ranks = {len(value.size) for value in given if value.channels is not None}
    if len(ranks) != 1 or any(value.channels is None for value in given):
        return None, ()
    axes = list(zip(*(value.size for value in given), strict=True))
    stand_ins = [max((n for n in lengths if n is not None and n != 1), default=STAND_IN) for lengths in axes]
    filled = [
        Features(value.channels or 0, tuple(s if n is None else n for n, s in zip(value.size, stand_ins, strict=True)))
        for value in given
    ]
    try:
        made = operation.output(*filled)
    except UnstrideError:
        return None, ()
    open_axes = [None in lengths for lengths in axes]
    if not any(open_axes):
        return made.channels, made.size
    if len(made.size) == len(open_axes):
        return made.channels, tuple(None if o else n for n, o in zip(made.size, open_axes, strict=True))
    return (made.channels, ()) if operation.kind == "global pooling" else (None, ())


def resolved(value: Value, reference: Reference, built: Shape | None) -> Value:
    """The value; where its shape is not known, with the shape that the file states for it."""
    if value.channels is not None:
        return value
    stated = value_of(value.name, reference.shape, last=value.last)
    return stated if stated.channels is not None else value_of(value.name, built, last=value.last)
