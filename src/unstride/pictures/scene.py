"""What is on a picture, free of any format: grids of cells in units of elements, boxes, signs and sentences.

Roles say what a thing is, never how it looks; a theme gives them colours, a writer gives them a form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import Any

from .ruler import Ruler

Number = int | float | complex


class View(StrEnum):
    """The ways to look at one layer."""

    SCATTER = "scatter"
    """each input element adds its products to the output"""
    GATHER = "gather"
    """each output element collects its products"""
    ZEROS = "zeros"
    """the convolution without a stride over an input with zeros between its elements, as textbooks draw it"""
    MATRIX = "matrix"
    """the matrix of the layer, and its transpose"""
    COVERAGE = "coverage"
    """how many products meet at each element of the large side"""
    GAIN = "gain"
    """the two causes of a checkerboard over one period: counts, and what the weights make of a constant"""
    COMPARE = "compare"
    """several layers on the same input"""


class Role(StrEnum):
    """What a cell is."""

    SMALL = "small"
    """an element of the small side"""
    KERNEL = "kernel"
    """a tap"""
    LARGE = "large"
    """an element of the large side, met once"""
    OVERLAP = "overlap"
    """an element of the large side where several products meet"""
    CROPPED = "cropped"
    """computed by a stamp, then cut off"""
    PADDED = "padded"
    """a zero added around the input"""
    BARE = "bare"
    """an element of the large side that no product meets"""
    OUTSIDE = "outside"
    """neither kept nor met: between stamps, beyond the large side"""
    ZERO = "zero"
    """a zero put between two elements, or an entry of the matrix without a tap"""
    PENDING = "pending"
    """not computed yet at this step"""
    ELIDED = "elided"
    """stands for elements that are left out"""
    HEAT = "heat"
    """coloured by its level"""


@dataclass(frozen=True, slots=True)
class Cell:
    """One element on a grid."""

    place: tuple[int, int]
    """row and column among the positions drawn"""
    index: tuple[int, ...]
    """the element's own index on every axis; outside the large side it is negative or beyond the size"""
    role: Role
    text: str = ""
    """what is written on it: a number, or its index"""
    value: Number | None = None
    """the exact number, where there is one"""
    active: bool = False
    """whether it takes part in this step"""
    tag: str = ""
    """joins it to the cells of other grids that carry the same tag"""
    level: float = 0.0
    """−1…1, for ``Role.HEAT``: how strong, and its sign"""
    tip: str = ""
    """the sum behind the number"""


@dataclass(frozen=True, slots=True)
class Box:
    """A frame around the elements ``[start, stop)``, row and column: what a crop keeps, or what was there unpadded."""

    name: str
    start: tuple[int, int]
    stop: tuple[int, int]
    order: int = 0
    """0 for the one box of a picture; else its number among the layers compared"""


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells in rows and columns, with the elements' indices at the edges."""

    rows: Ruler
    columns: Ruler
    cells: tuple[Cell, ...]
    boxes: tuple[Box, ...] = ()
    caption: str = ""
    heads: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    """what is written beside the positions of the rows and above those of the columns"""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns drawn."""
        return len(self.rows), len(self.columns)


@dataclass(frozen=True, slots=True)
class Panel:
    """Grids that belong together: one, or the slices of a third axis, or rows to be added."""

    title: str
    grids: tuple[Grid, ...]
    stacked: bool = False
    """whether the grids stand below one another, their columns aligned"""


@dataclass(frozen=True, slots=True)
class Sign:
    """What stands between two panels: ``+``, ``=``, ``→``, ``…``."""

    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """Panels and signs in reading order, which a narrow page may wrap."""

    parts: tuple[Panel | Sign, ...]
    heading: str = ""
    compact: bool = False
    """whether its cells are drawn smaller"""


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture, or one step of an animation."""

    view: View
    title: str
    """the layer: its line of source, or its name"""
    subtitle: str
    """what the view shows"""
    description: str
    """the whole picture in words"""
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    """sentences below the picture"""
    words: tuple[tuple[str, str], ...] = field(default=())
    """the legend: role (or ``box``, ``active``, ``negative``) and what it means here, in order"""

    def as_json(self) -> dict[str, Any]:
        """Everything that is on it, as JSON values."""
        return {
            "view": str(self.view),
            "title": self.title,
            "description": self.description,
            "notes": list(self.notes),
            "panels": [{"title": panel.title, "grids": [_grid(grid) for grid in panel.grids]} for panel in self.panels],
        }

    @property
    def panels(self) -> tuple[Panel, ...]:
        """Every panel, in reading order."""
        return tuple(part for line in self.lines for part in line.parts if isinstance(part, Panel))

    @property
    def grids(self) -> tuple[Grid, ...]:
        """Every grid, in reading order."""
        return tuple(grid for panel in self.panels for grid in panel.grids)


def _grid(grid: Grid) -> dict[str, Any]:
    return {
        "caption": grid.caption,
        "rows": [[run.start, run.stop] for run in grid.rows.runs],
        "columns": [[run.start, run.stop] for run in grid.columns.runs],
        "boxes": [{"name": box.name, "start": list(box.start), "stop": list(box.stop)} for box in grid.boxes],
        "cells": [_cell(cell) for cell in grid.cells if cell.index],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {"index": list(cell.index), "role": str(cell.role), "value": _plain(cell.value), "active": cell.active}


def _plain(value: Number | None) -> object:
    """JSON has no complex numbers and none that are not finite."""
    if isinstance(value, complex):
        return [_plain(value.real), _plain(value.imag)]
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value
