"""The words in which differences are told: rows and columns, permutations, numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_AXES = {1: ("element",), 2: ("row", "column"), 3: ("slice", "row", "column")}
_WAYS = {"element": ("later", "earlier"), "row": ("down", "up"), "column": ("right", "left"), "slice": ("on", "back")}
_NAMES = {1: ("width",), 2: ("height", "width"), 3: ("depth", "height", "width")}
SHOWN = 6
"""how many numbers are written out"""


def axis_word(axis: int, rank: int) -> str:
    """What lies along an axis, such as ``row``."""
    return _AXES[rank][axis] if rank in _AXES else f"element of axis {axis}"


def axis_name(axis: int, rank: int) -> str:
    """An axis by its name, such as ``height``."""
    return _NAMES[rank][axis] if rank in _NAMES else f"axis {axis}"


def joined(parts: Iterable[str]) -> str:
    """With commas and an ``and``.

    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    *head, last = parts
    return f"{', '.join(head)} and {last}" if head else last


def moved(offset: tuple[int, ...]) -> str:
    """A shift, such as ``1 row down and 1 column right``."""
    parts = []
    for axis, step in enumerate(offset):
        if step:
            word = axis_word(axis, len(offset))
            way = _WAYS.get(word, ("on", "back"))[step < 0]
            parts.append(f"{counted(abs(step), word)} {way}")
    return joined(parts)


def shift(offset: tuple[int, ...], names: tuple[str, str]) -> str:
    """A shift of one thing's output against another's.

    >>> shift((1,), ("a", "b"))
    "shifted by (1,): b's output is a's moved 1 element later"
    """
    a, b = names
    subject = f"{b}'s output is {a}'s" if max(len(a), len(b)) == 1 else f"{b} is {a}"
    return f"shifted by {offset}: {subject} moved {moved(offset)}"


def counted(count: int, word: str) -> str:
    """A number of things.

    >>> counted(2, "row")
    '2 rows'
    """
    return f"{count} {plural(count, word)}"


def plural(count: int, word: str) -> str:
    """The word for so many."""
    head, _, tail = word.partition(" ")
    return word if count == 1 else f"{head}s {tail}".rstrip()


def are(count: int) -> str:
    """The verb for so many."""
    return "is" if count == 1 else "are"


def edge(axis: int, rank: int, count: int, *, at_start: bool) -> str:
    """Some elements at one end of an axis, such as ``last row`` or ``first 2 columns``."""
    end, word = "first" if at_start else "last", axis_word(axis, rank)
    return f"{end} {word}" if count == 1 else f"{end} {counted(count, word)}"


def margins(a: tuple[int, ...], b: tuple[int, ...], offset: tuple[int, ...]) -> tuple[str, str]:
    """Which edges of ``a`` have no counterpart in ``b``, moved by ``offset``; and which edges of ``b`` have none."""
    lacking: list[str] = []
    beyond: list[str] = []
    for axis, (mine, yours, step) in enumerate(zip(a, b, offset, strict=True)):
        for count, at_start in ((-step, True), (mine + step - yours, False)):
            if count:
                target = lacking if count > 0 else beyond
                target.append(edge(axis, len(a), abs(count), at_start=at_start))
    return (f"the {joined(lacking)}" if lacking else ""), (f"a {joined(beyond)}" if beyond else "")


def axes(chosen: tuple[int, ...], rank: int) -> str:
    """Some of the axes, such as ``both axes`` or ``height``."""
    if len(chosen) == rank:
        return {1: "its one axis", 2: "both axes", 3: "all three axes"}.get(rank, "all axes")
    return joined(axis_name(axis, rank) for axis in chosen) + " only"


def exchange(order: tuple[int, ...]) -> str:
    """An order of the axes, such as ``height and width swapped``."""
    rank = len(order)
    changed = [axis for axis in range(rank) if order[axis] != axis]
    if len(changed) == 2:
        return f"{joined(axis_name(axis, rank) for axis in changed)} swapped"
    return f"axes in the order {', '.join(axis_name(axis, rank) for axis in order)}"


def permutation(order: tuple[int, ...]) -> str:
    """Where each channel of b comes from: ``b's 0 is a's 2`` as ``2→0``.

    >>> permutation((1, 0, 2))
    '(1→0, 0→1)'
    """
    changed = [f"{source}→{target}" for target, source in enumerate(order) if source != target]
    return f"({', '.join(changed[:SHOWN])}{', …' if len(changed) > SHOWN else ''})"


def number(value: Any) -> str:
    """A number, without a needless fraction.

    >>> number(3.0), number(0.1)
    ('3', '0.1')
    """
    if isinstance(value, complex | np.complexfloating):
        return str(value)
    real = float(value)
    return str(int(real)) if np.isfinite(real) and real == int(real) and abs(real) < 2**53 else f"{real:.9g}"


def numbers(values: Array) -> str:
    """Some numbers in brackets."""
    shown = ", ".join(number(value) for value in values[:SHOWN])
    return f"[{shown}{', …' if len(values) > SHOWN else ''}]"


def size(spatial: tuple[int, ...]) -> str:
    """A size, such as ``4 × 5``."""
    return " × ".join(map(str, spatial))


def place(index: tuple[int, ...]) -> str:
    """An element's place."""
    image, channel, *spatial = index
    return f"image {image}, channel {channel}, position {tuple(spatial)}"


def confined(places: Array) -> str:
    """Where differing elements lie, if only at one edge: `` (only in the last row)``; an empty text otherwise."""
    for axis in range(places.ndim):
        met = np.flatnonzero(places.any(tuple(other for other in range(places.ndim) if other != axis)))
        count = int(met[-1] - met[0] + 1)
        if count == len(met) and count * 2 <= places.shape[axis] and (met[0] == 0 or met[-1] == places.shape[axis] - 1):
            return f", only in the {edge(axis, places.ndim, count, at_start=met[0] == 0)}"
    return ""
