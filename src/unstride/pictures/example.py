"""A layer with the numbers of one input channel and one output channel: exact sums, element by element.

Everything here reads the relation of ``Axis``. Indices may lie outside the large side: there they name what a crop
cuts off, or a zero that a convolution pads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import islice, product
from math import prod
from typing import Any

from ..errors import Reason, UnstrideError
from ..geometry import Axis, Layer
from .scene import Number

TERM_LIMIT = 1_024
"""Most products that are added up for one cell; above, the cell shows its index."""

Index = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """One product: a small element, a tap, and the large element that they share."""

    small: Index
    tap: Index
    large: Index


@lru_cache(4096)
def taps_meeting(axis: Axis, large: int) -> range:
    """The taps that ``Axis.taps`` finds at any integer ``large``, as a progression: no loop over a long kernel.

    >>> taps_meeting(Axis(small=2, large=5, kernel=3, stride=2), 2)
    range(0, 3, 2)
    """
    place = large + axis.before
    period, divisor = axis.period, axis.stride // axis.period
    if place % divisor:
        return range(0)
    root = place // divisor * pow(axis.dilation // divisor, -1, period) % period
    # 0 ≤ (place − dilation·tap) / stride < small
    least = max(0, -(-(place - axis.stride * (axis.small - 1)) // axis.dilation))
    first = root + max(0, -(-(least - root) // period)) * period
    return range(first, max(first, min(axis.kernel - 1, place // axis.dilation) + 1), period)


def met(layer: Layer, large: Index) -> int:
    """How many products meet at a large index: ``Axis.coverage``, multiplied over the axes."""
    return prod(len(taps_meeting(axis, place)) for axis, place in zip(layer.axes, large, strict=True))


def inside(layer: Layer, large: Index) -> bool:
    """Whether the large side has this index."""
    return all(0 <= place < axis.large for axis, place in zip(layer.axes, large, strict=True))


def origin(layer: Layer, small: Index, tap: Index) -> Index:
    """The large index that a small index and a tap share."""
    triples = zip(layer.axes, small, tap, strict=True)
    return tuple(axis.stride * i + axis.dilation * t - axis.before for axis, i, t in triples)


@dataclass(frozen=True, slots=True)
class Period:
    """What happens away from the borders, where all repeats every stride.

    Phase ``r`` of an axis holds the large indices that are ``r`` modulo the stride.
    """

    stamps: tuple[tuple[int, ...], ...]
    """per axis, how many taps each phase has"""
    gains: Any
    """what the taps of each phase add up to between the two channels: an array or nested sequences, stride's sizes"""
    coverage: float
    """alternation of the stamps, 0…1"""
    weights: float
    """alternation of the gains, 0…1"""
    layer: float | None = None
    """alternation of the gains of all channels together, where there are more than these"""
    worst: tuple[int, int] | None = None
    """the input and output channel whose gains alternate most, where any do"""


@dataclass(frozen=True, slots=True)
class Example:
    """A layer, perhaps with numbers."""

    layer: Layer
    label: str = ""
    """the line of source, or a name"""
    x: Any = None
    """one input channel as an array or nested sequences of numbers, or None"""
    kernel: Any = None
    """the taps between the two channels, in the relation's order, likewise, or None"""
    channels: tuple[int, int] = (0, 0)
    """which input and which output channel"""
    flipped: bool = False
    """whether the framework's kernel array holds the taps in reverse"""
    period: Period | None = None
    """for the view ``gain`` only"""

    def __post_init__(self) -> None:
        given: list[tuple[str, Any, Index]] = [("x", self.x, self.layer.input_size)]
        given.append(("kernel", self.kernel, self.layer.kernel))
        given.append(("gains", self.period.gains if self.period else None, self.layer.stride))
        for name, nested, size in given:
            if nested is not None and _shape(nested, self.layer.rank) != size:
                rule = f"must have the sizes {size}"
                raise UnstrideError(Reason.SIZE, rule, argument=name, value=_shape(nested, self.layer.rank))

    @property
    def numbered(self) -> bool:
        """Whether both input and kernel are given."""
        return self.x is not None and self.kernel is not None

    @property
    def transposed(self) -> bool:
        """Whether the small side is the input."""
        return self.layer.transposed

    def terms_at_large(self, large: Index) -> Iterator[Term]:
        """The products that meet at a large index, no more than the first on each axis of a long kernel."""
        axes = self.layer.axes
        # a product would first list each axis, however long
        taps = (taps_meeting(axis, place)[: TERM_LIMIT + 1] for axis, place in zip(axes, large, strict=True))
        for tap in product(*taps):
            quads = zip(axes, large, tap, strict=True)
            yield Term(tuple((p + a.before - a.dilation * t) // a.stride for a, p, t in quads), tap, large)

    def terms_at_small(self, small: Index) -> Iterator[Term]:
        """The products of a small index, also those outside the large side; of a long kernel likewise."""
        for tap in product(*(range(min(axis.kernel, TERM_LIMIT + 1)) for axis in self.layer.axes)):
            yield Term(small, tap, origin(self.layer, small, tap))

    def input_at(self, index: Index) -> Number | None:
        """The input's number there: 0 where a convolution pads, None where no numbers are given."""
        if self.x is None:
            return None
        if not self.transposed and not inside(self.layer, index):
            return 0
        found: Number = element(self.x, index)
        return found

    def weight(self, tap: Index) -> Number | None:
        """The kernel's number at a tap, None where no numbers are given."""
        return None if self.kernel is None else element(self.kernel, tap)

    def product(self, term: Term) -> Number | None:
        """Input times weight, None where no numbers are given."""
        factor, weight = self.input_at(self.source(term)), self.weight(term.tap)
        if factor is None or weight is None:
            return None
        found: Number = factor * weight
        return found

    def source(self, term: Term) -> Index:
        """The input element of a product."""
        return term.small if self.transposed else term.large

    def terms(self, output: Index) -> Iterator[Term]:
        """The products of one output element, before any crop and with what a convolution pads."""
        return self.terms_at_large(output) if self.transposed else self.terms_at_small(output)

    def count(self, output: Index) -> int:
        """How many products an output element has."""
        return met(self.layer, output) if self.transposed else prod(self.layer.kernel)

    def sum(self, terms: Sequence[Term]) -> Number | None:
        """The sum of products, None where no numbers are given or there are too many of them."""
        if not self.numbered or len(terms) > TERM_LIMIT:
            return None
        return sum(value for term in terms if (value := self.product(term)) is not None)

    def output_terms(self, output: Index) -> tuple[Term, ...]:
        """The products of one output element; one more than are added up where there are too many."""
        return tuple(islice(self.terms(output), TERM_LIMIT + 1))

    def output_at(self, output: Index) -> Number | None:
        """What this channel pair adds to the output there, before any crop."""
        return self.sum(self.output_terms(output))


def element(nested: Any, index: Index) -> Any:
    """The number at an index of an array or of nested sequences, as Python's own."""
    found = reduce(lambda inner, place: inner[place], index, nested)
    return found.item() if hasattr(found, "item") else found


def _shape(nested: Any, rank: int) -> tuple[int, ...] | None:
    """The sizes of an array or of nested sequences; None where they are ragged or of another depth."""
    if hasattr(nested, "shape"):
        return tuple(nested.shape)
    if rank == 0:
        return None if isinstance(nested, Sequence) else ()
    if not isinstance(nested, Sequence) or isinstance(nested, str):
        return None
    shapes = {_shape(inner, rank - 1) for inner in nested}
    if len(nested) == 0:
        return None if rank > 1 else (0,)
    inner = shapes.pop()
    return None if shapes or inner is None else (len(nested), *inner)
