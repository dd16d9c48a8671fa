"""Receptive field, both ways: which inputs an output depends on, and which outputs an input touches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd, prod
from typing import Any

from ..errors import Reason, UnstrideError
from ..geometry import Axis, Layer


@dataclass(frozen=True, slots=True)
class Field:
    """The least box on one side that a box on the other side meets."""

    side: str
    """``input`` or ``output``: the side of ``met``"""
    given: tuple[range, ...]
    """the box asked about, on the other side"""
    met: tuple[range, ...]
    """the least box that holds every element met; inside it, dilation and stride may leave elements out"""
    unclipped: tuple[range, ...]
    """the same box if the data had no ends: it may reach into the padding, or outside the crop"""

    @property
    def size(self) -> int:
        """Elements of the box met, one channel."""
        return prod(map(len, self.met))

    def text(self) -> str:
        """The field in one line."""
        other = "output" if self.side == "input" else "input"
        verb = "depends on" if self.side == "input" else "touches"
        return f"{other} {_shown(self.given)} {verb} {self.side} {_shown(self.met)}: {self.size} elements"

    def as_json(self) -> dict[str, Any]:
        """The field as JSON values; ranges are [start, stop)."""
        boxes = {"given": self.given, "met": self.met, "unclipped": self.unclipped}
        return {"side": self.side, "size": self.size} | {
            name: [[places.start, places.stop] for places in box] for name, box in boxes.items()
        }


def trace_field(layer: Layer, *, output: object = None, input: object = None) -> Field:
    """What an output (an index or range per axis) depends on, or what an input touches: give one of the two.

    >>> layer = Layer((Axis(small=10, large=21, kernel=3, stride=2),), 1, 1)
    >>> trace_field(layer, output=4).text(), trace_field(layer, input=9).text()
    ('output 4 depends on input 1…2: 2 elements', 'input 9 touches output 18…20: 3 elements')
    """
    if (output is None) == (input is None):
        raise UnstrideError(Reason.ARGUMENT, "give an output or an input, one of the two", argument="output")
    name, value = ("output", output) if input is None else ("input", input)
    sizes = layer.output_size if name == "output" else layer.input_size
    places = _places(value, sizes, name)
    from_large = (name == "output") == layer.transposed
    met = tuple(map(_smalls_met if from_large else _larges_met, layer.axes, places))
    unclipped = tuple(map(_smalls_spanned if from_large else _larges_spanned, layer.axes, places))
    return Field("input" if name == "output" else "output", places, met, unclipped)


def _places(value: object, sizes: tuple[int, ...], name: str) -> tuple[range, ...]:
    whole = isinstance(value, int | range) or (len(sizes) == 1 and _is_pair(value))
    entries = [value] * len(sizes) if whole else value
    if not isinstance(entries, Sequence) or len(entries) != len(sizes):
        rule = f"must be an index or a (start, stop) range, or {len(sizes)} of them, one per axis"
        raise UnstrideError(Reason.RANK, rule, argument=name, value=value)
    return tuple(_place(entry, size, name) for entry, size in zip(entries, sizes, strict=True))


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and all(type(entry) is int for entry in value)


def _place(value: object, size: int, name: str) -> range:
    if type(value) is int:
        start, stop = value, value + 1
    elif isinstance(value, range) and value.step == 1:
        start, stop = value.start, value.stop
    elif isinstance(value, tuple | list) and _is_pair(value):
        start, stop = value
    else:
        rule = "must be an index, or a (start, stop) range"
        raise UnstrideError(Reason.ARGUMENT, rule, argument=name, value=value)
    if not 0 <= start < stop <= size:
        rule = f"must lie inside the {name}, whose indices are 0…{size - 1}" if size else f"the {name} is empty"
        raise UnstrideError(Reason.SIZE, rule, argument=name, value=value)
    return range(start, stop)


def _smalls_spanned(axis: Axis, larges: range) -> range:
    first = -(-(larges.start + axis.before - axis.span + 1) // axis.stride)
    return range(first, max(first, (larges.stop - 1 + axis.before) // axis.stride + 1))


def _larges_spanned(axis: Axis, smalls: range) -> range:
    return range(axis.stride * smalls.start - axis.before, axis.stride * smalls[-1] - axis.before + axis.span)


def _smalls_met(axis: Axis, larges: range) -> range:
    """The window, narrowed to the first and the last small index that has a tap inside ``larges``."""
    window = axis.small_window(larges.start, larges.stop)
    # whether a small index has one repeats with this period
    period = axis.dilation // gcd(axis.dilation, axis.stride)
    first = next((i for i in window[:period] if _has_tap(axis, i, larges)), None)
    if first is None:
        return range(window.start, window.start)
    last = next(i for i in reversed(window[-period:]) if _has_tap(axis, i, larges))
    return range(first, last + 1)


def _has_tap(axis: Axis, small: int, larges: range) -> bool:
    origin = axis.stride * small - axis.before
    first = max(0, -(-(larges.start - origin) // axis.dilation))
    return first < axis.kernel and origin + axis.dilation * first < larges.stop


def _larges_met(axis: Axis, smalls: range) -> range:
    """From the first large index inside that a stamp reaches to the last, which is the first seen from behind."""
    first = _first_large(axis, smalls)
    if first is None:
        return range(0)
    mirrored = replace(axis, before=axis.after)
    behind = _first_large(mirrored, range(axis.small - smalls.stop, axis.small - smalls.start))
    return range(first, axis.large - (behind or 0))


def _first_large(axis: Axis, smalls: range) -> int | None:
    # a stamp that starts at or after index 0 starts earliest for the least such small; one that starts before 0
    # enters at (stride·small − before) mod dilation, which repeats, and has the more taps left the later it starts
    crossing = -(-axis.before // axis.stride)
    stop = min(smalls.stop, max(crossing, smalls.start) + 1)
    period = axis.dilation // gcd(axis.dilation, axis.stride)
    found = []
    for small in range(max(smalls.start, stop - 1 - period), stop):
        origin = axis.stride * small - axis.before
        tap = max(0, -(origin // axis.dilation))
        large = origin + axis.dilation * tap
        if tap < axis.kernel and large < axis.large:
            found.append(large)
    return min(found, default=None)


def _shown(box: tuple[range, ...]) -> str:
    return " × ".join("nothing" if not r else f"{r[0]}" if len(r) == 1 else f"{r[0]}…{r[-1]}" for r in box)
