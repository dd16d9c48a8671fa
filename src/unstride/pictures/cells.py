"""A grid drawn: its cells with what is written on them, its indices, its boxes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .lettering import fitted, text_width
from .numerals import DIGITS, number
from .scene import Box, Cell, Grid, Role
from .shapes import Item, Label, Rectangle, Stroke
from .theme import heat, ink_on

INDEX_LEAST, NUMBER_LEAST = 7.0, 7.5
"""Smallest letters of an index, and of a number before it is rounded"""
TAGGED_LEAST = 36.0
"""Smallest cell that has a tag without a number; in a smaller one the tag would look like a number of its own"""
CELL_INSET = 6.0
"""Room between the edges of a cell and its text, both sides together"""
FONT = 0.38
"""Size of a cell's text, in cells"""

BLANK = frozenset({Role.OUTSIDE, Role.ELIDED})
"""roles without a rectangle"""
QUIET = frozenset({Role.CROPPED, Role.PADDED, Role.ZERO, Role.BARE, Role.ELIDED})
"""roles whose text is faint"""
DASHED = frozenset({Role.PADDED, Role.BARE, Role.PENDING})


@dataclass(frozen=True, slots=True)
class Lettering:
    """How the cells of a grid are written on: all alike, and alike in every frame."""

    digits: int
    """what numbers are rounded to, where they are too long"""
    indexed: bool
    """whether indices have room; else the edges of the grid alone have them"""
    font: float

    @classmethod
    def of(cls, grid: Grid, size: float) -> Lettering:
        """As large and as exact as every cell of the grid has room for."""
        written = [each for each in grid.cells if each.text and each.role is not Role.ELIDED]
        indexed = all(_fits(each.text, size, INDEX_LEAST) for each in written if each.value is None)
        for digits in DIGITS:
            texts = [number(each.value, digits) for each in written if each.value is not None]
            if all(_fits(text, size, NUMBER_LEAST) for text in texts):
                break
        texts += [each.text for each in written if each.value is None and indexed]
        fonts = (fitted(text, size - CELL_INSET, size * FONT)[1] for text in dict.fromkeys(texts))
        return cls(digits, indexed, min(fonts, default=size * FONT))

    def with_room_for(self, other: Lettering) -> Lettering:
        """What serves two grids."""
        return Lettering(min(self.digits, other.digits), self.indexed and other.indexed, min(self.font, other.font))

    def worded(self, cell: Cell) -> Cell:
        """The cell with its number rounded, or without its index."""
        if not cell.text or cell.role is Role.ELIDED:
            return cell
        if cell.value is None:
            return cell if self.indexed else replace(cell, text="")
        text = number(cell.value, self.digits)
        return cell if text == cell.text else replace(cell, text=text)


def beside(grid: Grid) -> float:
    """Room for the indices left of the rows."""
    return max((text_width(head, 9.5) for head in grid.heads[0]), default=-4.0) + 4.0


def above(grid: Grid) -> float:
    """Room for the slice's name and the indices above the columns."""
    return (16.0 if grid.caption else 0.0) + (14.0 if any(grid.heads[1]) else 2.0)


def put_grid(
    grid: Grid, x: float, y: float, cell: float, lettering: Lettering, back: list[Item], front: list[Item]
) -> None:
    """A grid with its first cell's corner at (x, y): indices, cells, and its boxes in front."""
    if grid.caption:
        back.append(Label(x, y - above(grid) + 7, grid.caption, 11, "faint", "start"))
    for row, head in enumerate(grid.heads[0]):
        if head:
            back.append(Label(x - 4, y + (row + 0.5) * cell, head, 9.5, "faint", "end"))
    for column, head in enumerate(grid.heads[1]):
        if head:
            text, size = fitted(head, cell - 5, 9.5)
            back.append(Label(x + (column + 0.5) * cell, y - 7, text, size, "faint"))
    for each in grid.cells:
        worded = lettering.worded(each)
        back += cell_items(worded, x + each.place[1] * cell, y + each.place[0] * cell, cell, lettering.font)
    for box in grid.boxes:
        front += _box(box, grid, x, y, cell)


def _fits(text: str, size: float, least: float) -> bool:
    """Whether text has room in a cell, in letters of at least some size."""
    shown, font = fitted(text, size - CELL_INSET, size * FONT)
    return shown == text and font >= min(least, size * FONT)


def cell_items(cell: Cell, x: float, y: float, size: float, font: float = 0.0) -> Iterator[Item]:
    """A cell with its corner at (x, y)."""
    role = cell.role
    fill = heat(cell.level) if role is Role.HEAT else str(role)
    if cell.active and role is not Role.CROPPED:
        fill = "active"
    if role not in BLANK or cell.active:
        yield Rectangle(x, y, size, size, fill, "edge", 1.0, role in DASHED and not cell.active, cell.tip)
    if role is Role.CROPPED:
        yield Stroke((x, y + size), (x + size, y), "hatch")
    if cell.active:
        yield Rectangle(x + 2, y + 2, size - 4, size - 4, "", "accent", 2.0)
    tag = cell.tag if cell.value is not None or size >= TAGGED_LEAST else ""
    if cell.text:
        quiet = role in QUIET and not cell.active
        text, height = fitted(cell.text, size - CELL_INSET, font)
        down = 0.62 if tag else 0.5
        yield Label(x + size / 2, y + size * down, text, height, "faint" if quiet else ink_on(fill))
    if tag:
        text, height = fitted(tag, size / 2 - 4, round(size * 0.24, 1), 5.0)
        yield Label(x + 4.5, y + 4 + height / 2, text, height, "ink", "start", bold=True)


def _box(box: Box, grid: Grid, x: float, y: float, cell: float) -> Iterator[Item]:
    """A frame on the edges of its elements; one of several is set in or out a little, so that none hides another."""
    top, left = (ruler.edge(at) * cell for ruler, at in zip((grid.rows, grid.columns), box.start, strict=True))
    bottom, right = (ruler.edge(at) * cell for ruler, at in zip((grid.rows, grid.columns), box.stop, strict=True))
    if bottom <= top or right <= left:
        return
    name, shift = f"box{box.order}" if box.order else "box", (0.0, 2.0, -2.0, 5.0, -5.0)[box.order]
    left, top, right, bottom = left + x - shift, top + y - shift, right + x + shift, bottom + y + shift
    yield Rectangle(left, top, right - left, bottom - top, "", name, 3.0, box.order % 2 == 0 and box.order > 0)
    if box.order:
        corner = ((left, top), (right, bottom), (right, top), (left, bottom))[box.order - 1]
        yield Rectangle(corner[0] - 8, corner[1] - 8, 16, 16, "page", name, 2.0)
        yield Label(*corner, box.name, 11, name, bold=True)


def swatch(name: str, x: float, y: float) -> Iterator[Item]:
    """What stands for a role in the legend."""
    size = 14.0
    if name == "box":
        yield Rectangle(x + 1, y + 1, size - 2, size - 2, "", "box", 3.0)
    elif name in ("heat", "negative"):
        sign = -1 if name == "negative" else 1
        for step in range(3):
            yield Rectangle(x + step * size / 3, y, size / 3, size, heat(sign * (1 + 2.5 * step) / 6))
    elif name == "active":
        yield Rectangle(x, y, size, size, "active", "accent", 2.0)
    else:
        yield from cell_items(Cell((0, 0), (), Role(name)), x, y, size)
