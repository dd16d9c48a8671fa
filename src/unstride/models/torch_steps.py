"""One call of a torch program with its arguments looked up: what every operation's reading starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, TypeAlias

from ..network import Features, Operation, Stored
from .pt2_program import Call, Dim, Meta, Program, Symbol, Tensor, Unread, damaged

CHANNEL_LIMIT = 2**24
"""most channels for which an array of one number a channel is made"""


class Unsaid(Exception):  # noqa: N818 - no error of the user's: the step becomes an opaque one
    """Why a call is none of the understood operations."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A value of the graph: the node that makes it, and torch's shape of it."""

    node: str
    sizes: tuple[Dim, ...]
    dtype: str
    order: tuple[int, ...] = ()
    """where its axes are permuted: which of the node's axes each one is"""

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.sizes) - 2

    @property
    def channels(self) -> int:
        """Number of channels; Unsaid where it depends on the input's size."""
        if not isinstance(self.sizes[1], int):
            raise Unsaid("its number of channels depends on the input's size")
        if not 0 < self.sizes[1] <= CHANNEL_LIMIT:
            raise Unsaid(f"it has {self.sizes[1]} channels")
        return self.sizes[1]

    @property
    def size(self) -> tuple[int, ...] | None:
        """The spatial size, where it is fixed."""
        fixed = tuple(length for length in self.sizes[2:] if isinstance(length, int))
        return fixed if len(fixed) == self.rank else None


@dataclass(frozen=True, slots=True)
class Constant:
    """An array that the module keeps, or that is computed from such arrays alone."""

    stored: Stored


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that is no feature of the network: why."""

    why: str


Value: TypeAlias = Feature | Constant | Unknown
Result: TypeAlias = "Operation | list[Operation] | Value"
"""an operation on the features that were taken, several one after the other, or a value there is already"""


class Storage:
    """Memory that several tensors may share; its version counts the changes made in place."""

    __slots__ = ("version",)

    def __init__(self) -> None:
        self.version = 0


class Cell:
    """What a tensor's name stands for, as long as nobody writes to its memory through another tensor."""

    __slots__ = ("storage", "value", "version")

    def __init__(self, value: Value, storage: Storage | None = None) -> None:
        self.value, self.storage = value, storage or Storage()
        self.version = self.storage.version

    @property
    def stale(self) -> bool:
        """Whether its memory was changed through another tensor."""
        return self.version != self.storage.version

    def write(self, value: Value) -> None:
        """Change the tensor in place."""
        self.storage.version += 1
        self.value, self.version = value, self.storage.version


@dataclass(slots=True)
class Step:
    """A call, and the values that its arguments stand for."""

    call: Call
    program: Program
    cells: Mapping[str, Cell]
    taken: list[Feature] = field(default_factory=list)
    """the features that were asked for, in order"""

    @property
    def operator(self) -> str:
        """``aten.relu`` for the target ``torch.ops.aten.relu_.default``."""
        parts = self.call.target.removeprefix("torch.ops.").split(".")
        return ".".join(parts[:2])

    @property
    def name(self) -> str:
        """The operator's bare name: ``relu``."""
        bare = self.operator.removeprefix("aten.")
        return bare[:-1] if self.in_place else bare

    @property
    def in_place(self) -> bool:
        """Whether the first argument is changed: a name with one underscore behind it."""
        return self.operator.endswith("_") and not self.operator.endswith("__")

    def cell(self, tensor: Tensor) -> Cell:
        """What a tensor stands for; UnstrideError where nothing before makes it."""
        try:
            return self.cells[tensor.name]
        except KeyError:
            raise damaged(f"{tensor.name} is used before it is made") from None

    def value(self, tensor: Tensor) -> Value:
        """A tensor's present value."""
        cell = self.cell(tensor)
        return Unknown(f"{tensor.name} shares memory that was changed in place") if cell.stale else cell.value

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors among the arguments, in order."""
        found: list[Tensor] = []
        for argument in self.call.arguments.values():
            for each in argument if isinstance(argument, tuple) else (argument,):
                found.extend([each] if isinstance(each, Tensor) else [])
        return found

    @property
    def first(self) -> str:
        """The name of the first argument."""
        return next(iter(self.call.arguments), "")

    @property
    def made(self) -> Meta:
        """What the program says of the first output."""
        name = self.call.outputs[0] if self.call.outputs else None
        if name is None or name not in self.program.metas:
            raise Unsaid("its output's shape is not known")
        return self.program.metas[name]

    def feature(self, name: str = "", *, permuted: bool = False) -> Feature:
        """A feature of the network as an argument, by default the first; its axes as torch usually has them."""
        return self.take(self.call.arguments.get(name or self.first), permuted=permuted)

    def take(self, given: Any, *, permuted: bool = False) -> Feature:
        """That feature of the network."""
        if not isinstance(given, Tensor):
            raise Unsaid("it takes no tensor of the network")
        value = self.value(given)
        if isinstance(value, Unknown):
            raise Unsaid(value.why)
        if isinstance(value, Constant):
            raise Unsaid(f"{given.name} is a stored array, no value of the network")
        if value.order and not permuted:
            raise Unsaid("the axes of its input are permuted")
        if len(value.sizes) < 2:
            raise Unsaid(f"{given.name} has no axes for batch and channels")
        self.taken.append(value)
        return value

    def constant(self, name: str) -> Stored | None:
        """A stored array as an argument; None where there is none."""
        given = self.call.arguments.get(name)
        if given is None:
            return None
        value = self.value(given) if isinstance(given, Tensor) else Unknown(f"its {name} is no stored array")
        if isinstance(value, Constant):
            return value.stored
        raise Unsaid(value.why if isinstance(value, Unknown) else f"its {name} is computed from the input")

    def needed(self, name: str) -> Stored:
        """A stored array as an argument."""
        stored = self.constant(name)
        if stored is None:
            raise Unsaid(f"it has no {name}")
        return stored

    def plain(self, name: str, default: Any) -> Any:
        """An argument that is no tensor."""
        given = self.call.arguments.get(name, default)
        if any(isinstance(each, Symbol) for each in (given if isinstance(given, tuple) else (given,))):
            raise Unsaid(f"its {name} depends on the input's size")
        if isinstance(given, (Unread, Tensor)):
            raise Unsaid(f"its {name} is not understood")
        return given

    def integer(self, name: str, default: int) -> int:
        """An integer argument."""
        given = self.plain(name, default)
        if isinstance(given, bool) or not isinstance(given, int):
            raise Unsaid(f"its {name} is no integer")
        return given

    def integers(self, name: str, rank: int, default: int) -> tuple[int, ...]:
        """An argument with one integer an axis, or one for all."""
        given = self.plain(name, ())
        numbers = given if isinstance(given, tuple) else (given,)
        if not numbers:
            return (default,) * rank
        if len(numbers) not in (1, rank) or not all(type(each) is int for each in numbers):
            raise Unsaid(f"its {name} is not one integer for each of {rank} axes")
        return numbers if len(numbers) == rank else numbers * rank

    def number(self, name: str, default: float) -> float:
        """A number as an argument."""
        given = self.plain(name, default)
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise Unsaid(f"its {name} is no number")
        return given

    def flag(self, name: str, *, default: bool) -> bool:
        """A truth value as an argument."""
        return bool(self.plain(name, default))


def features(given: Feature) -> Features:
    """A feature's channels and size, where they are fixed."""
    if given.size is None:
        raise Unsaid("the sizes depend on the input's size")
    return Features(given.channels, given.size)


def count(sizes: tuple[Dim, ...]) -> int | None:
    """Number of elements, where it is fixed."""
    fixed = [size for size in sizes if isinstance(size, int)]
    return prod(fixed) if len(fixed) == len(sizes) else None
