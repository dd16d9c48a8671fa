"""The display list: rectangles, lines and labels in user units, with roles instead of colours."""

from __future__ import annotations

from dataclasses import dataclass

from .lettering import text_width


@dataclass(frozen=True, slots=True)
class Rectangle:
    """An upright rectangle."""

    x: float
    y: float
    width: float
    height: float
    fill: str = ""
    """role of the inside, empty for none"""
    line: str = ""
    """role of the outline, empty for none"""
    thickness: float = 1.0
    dashed: bool = False
    tip: str = ""
    """what a pointer held over it reads"""


@dataclass(frozen=True, slots=True)
class Stroke:
    """A straight line."""

    start: tuple[float, float]
    stop: tuple[float, float]
    ink: str
    thickness: float = 1.0


@dataclass(frozen=True, slots=True)
class Label:
    """Text on one line, its middle at ``y``."""

    x: float
    y: float
    text: str
    size: float
    ink: str = "ink"
    anchor: str = "middle"
    """start, middle or end"""
    bold: bool = False
    mono: bool = False

    @property
    def width(self) -> float:
        """An upper estimate."""
        return text_width(self.text, self.size, bold=self.bold, mono=self.mono)


Item = Rectangle | Stroke | Label


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a writer writes: items in order, those in ``front`` over all others."""

    width: float
    height: float
    title: str
    description: str
    back: tuple[Item, ...]
    front: tuple[Item, ...]
