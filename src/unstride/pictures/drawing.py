"""A scene laid out: panels from left to right, titles above, notes and legend below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from .cells import Lettering, above, beside, put_grid, swatch
from .lettering import fitted, text_width, wrapped
from .scene import Grid, Line, Panel, Scene, Sign
from .shapes import Drawing, Item, Label, Rectangle

MARGIN = 18.0
GAP = 16.0
SIGN_WIDTH = 30.0
TITLE_LINE = 18.0
GRID_GAP = 10.0
PAGE_WIDTH = 960.0
"""Where a line of panels is wrapped"""
LEAST_WIDTH = 640.0
COMPACT = 0.68
"""How much smaller the cells of a compact line are"""

CELL_SIZES = ((6, 44.0), (10, 38.0), (14, 32.0))
"""(longest grid, cell size), in user units"""
CELL_LEAST = 26.0
CELL_SLICED = 30.0
"""Largest cell where slices stand side by side"""


Progress = Callable[[str, int, int], None]
"""told what is done (such as ``frames laid out``), how many of them are, and of how many"""
Each = TypeVar("Each")


def counted(items: Sequence[Each], what: str, progress: Progress | None) -> Iterator[Each]:
    """The items; how many have been taken is told."""
    for done, item in enumerate(items, 1):
        yield item
        if progress is not None:
            progress(what, done, len(items))


def lay_out(scenes: Sequence[Scene], progress: Progress | None = None) -> tuple[Drawing, ...]:
    """Drawings of one size for scenes that follow one another."""
    roles = {str(name) for scene in scenes for name in _roles(scene)}
    longest = max((max(grid.size) for scene in scenes for grid in scene.grids), default=1)
    cell = next((size for most, size in CELL_SIZES if longest <= most), CELL_LEAST)
    if any(len(panel.grids) > 1 and not panel.stacked for scene in scenes for panel in scene.panels):
        cell = min(cell, CELL_SLICED)
    letterings = _letterings(scenes, cell)
    told = counted(scenes, "frames laid out", progress)
    pages = [_Page(scene, cell, roles, letterings) for scene in told]
    width = max(page.width for page in pages)
    drawings = [page.finish(width) for page in pages]
    height = max(drawing.height for drawing in drawings)
    return tuple(_sized(drawing, height) for drawing in drawings)


Letterings = dict[tuple[str, int], Lettering]
"""by the panel's title and the grid's place in it"""


def _letterings(scenes: Sequence[Scene], cell: float) -> Letterings:
    """One lettering for each grid, which serves all frames."""
    found: Letterings = {}
    for scene in scenes:
        for line in scene.lines:
            size = cell * COMPACT if line.compact else cell
            for panel in (part for part in line.parts if isinstance(part, Panel)):
                for place, grid in enumerate(panel.grids):
                    own = Lettering.of(grid, size)
                    found[panel.title, place] = found.get((panel.title, place), own).with_room_for(own)
    return found


def _sized(drawing: Drawing, height: float) -> Drawing:
    """The drawing with its page, the first item, made as high as the others'."""
    page = Rectangle(0, 0, drawing.width, height, "page")
    return replace(drawing, height=height, back=(page, *drawing.back[1:]))


def _roles(scene: Scene) -> Iterator[str]:
    for grid in scene.grids:
        yield from (cell.role for cell in grid.cells)
        if any(cell.active for cell in grid.cells):
            yield "active"
        if any(not box.order for box in grid.boxes):
            yield "box"
        if any(cell.level < 0 for cell in grid.cells):
            yield "negative"


class _Page:
    """The panels of one scene in rows; they are placed once the width, and so the height of the title, is known."""

    def __init__(self, scene: Scene, cell: float, roles: set[str], letterings: Letterings) -> None:
        self.scene, self.roles, self.letterings = scene, roles, letterings
        self.lines = [(_heading(line), tuple(_rows(line, cell))) for line in scene.lines]
        self.back: list[Item] = []
        self.front: list[Item] = []

    @property
    def width(self) -> float:
        """Right edge of everything, with the margin."""
        headings = (heading.x + heading.width for heading, _ in self.lines if heading)
        panels = (x + block.width for _, rows in self.lines for row in rows for x, _, block in row)
        return max(LEAST_WIDTH - MARGIN, *headings, *panels) + MARGIN

    def finish(self, width: float) -> Drawing:
        """Title above, notes and legend below."""
        words: list[Item] = []
        y = self._paragraph(words, MARGIN + 8, self.scene.title, 14, width, bold=True, mono=True, most=3)
        y = self._paragraph(words, y, self.scene.subtitle, 13, width, ink="faint") + 8
        for heading, rows in self.lines:
            if heading:
                self.back.append(replace(heading, y=y + 7))
                y += 24
            for row in rows:
                y = self._place(row, y)
        y += 2
        for note in self.scene.notes:
            y = self._paragraph(words, y, note, 13, width, most=4)
        y = self._legend(words, y + 6, width)
        scene = self.scene
        back = ((Rectangle(0, 0, width, y, "page"), *words, *self.back), tuple(self.front))
        return Drawing(width, y, f"{scene.title} — {scene.subtitle}", scene.description, *back)

    def _place(self, row: Row, y: float) -> float:
        """One row, the first cells of all panels at one height; where the next begins."""
        top = max(block.top for _, _, block in row)
        for x, sign, block in row:
            begin = y + top - block.top
            if sign:
                self.back.append(Label(x - SIGN_WIDTH / 2 - 4, begin + block.middle, sign, 22, "faint"))
            block.place(x, begin, self.letterings, self.back, self.front)
        return y + max(top - block.top + block.height for _, _, block in row) + GAP

    @staticmethod
    def _paragraph(
        words: list[Item],
        y: float,
        text: str,
        size: float,
        width: float,
        *,
        ink: str = "ink",
        bold: bool = False,
        mono: bool = False,
        most: int = 3,
    ) -> float:
        for line in wrapped(text, width - 2 * MARGIN, size, mono=mono, most=most):
            words.append(Label(MARGIN, y, line, size, ink, "start", bold, mono))
            y += size * 1.5
        return y

    def _legend(self, words: list[Item], y: float, width: float) -> float:
        x = MARGIN
        for name, meaning in self.scene.words:
            if name not in self.roles:
                continue
            label = Label(x + 20, y, meaning, 12, "ink", "start")
            if x > MARGIN and label.x + label.width > width - MARGIN:
                x, y = MARGIN, y + 20
                label = Label(x + 20, y, meaning, 12, "ink", "start")
            words += [*swatch(name, x, y - 7), label]
            x = label.x + label.width + 16
        return y + MARGIN


def _heading(line: Line) -> Label | None:
    heading, size = fitted(line.heading, PAGE_WIDTH, 13)
    return Label(MARGIN, 0.0, heading, size, "ink", "start", bold=True) if heading else None


def _rows(line: Line, cell: float) -> Iterator[Row]:
    """Panels from left to right, a new row where the page is full."""
    row: Row = []
    x, sign = MARGIN, ""
    for part in line.parts:
        if isinstance(part, Sign):
            sign = part.text
            continue
        block, lead = _Block(part, cell * COMPACT if line.compact else cell), SIGN_WIDTH if sign else 0.0
        if row and x + lead + block.width > PAGE_WIDTH:
            yield row
            row, x = [], MARGIN
        row.append((x + lead, sign, block))
        x, sign = x + lead + block.width + GAP, ""
    if row:
        yield row


class _Block:
    """A panel: its title, and its grids side by side or stacked."""

    def __init__(self, panel: Panel, cell: float) -> None:
        self.panel, self.cell = panel, cell
        self.beside = max((beside(grid) for grid in panel.grids), default=0.0)
        self.places = tuple(self._places())
        ends = [(left + self._wide(grid), top + self._tall(grid)) for grid, (left, top) in self._placed()]
        inner, tall = (max((end[side] for end in ends), default=0.0) for side in (0, 1))
        self.title = wrapped(panel.title, max(inner, 120.0), 12.5, most=3)
        named = max((text_width(line, 12.5, bold=True) for line in self.title), default=0.0)
        self.width = max(inner, named)
        self.top = TITLE_LINE * len(self.title) + (above(panel.grids[0]) if panel.grids else 0.0)
        self.height = TITLE_LINE * len(self.title) + tall
        self.middle = (self.top + self.height) / 2

    def _wide(self, grid: Grid) -> float:
        return max(grid.size[1] * self.cell, text_width(grid.caption, 11)) + self.beside

    def _tall(self, grid: Grid) -> float:
        return grid.size[0] * self.cell + above(grid)

    def _places(self) -> Iterator[tuple[float, float]]:
        """Where each grid begins: one below the other, or side by side as far as the page goes."""
        left = top = 0.0
        for grid in self.panel.grids:
            if self.panel.stacked:
                yield 0.0, top
                top += self._tall(grid) + GRID_GAP
                continue
            if left and left + self._wide(grid) > PAGE_WIDTH - MARGIN - SIGN_WIDTH:
                left, top = 0.0, top + self._tall(grid) + GRID_GAP
            yield left, top
            left += self._wide(grid) + GRID_GAP

    def _placed(self) -> Iterator[tuple[Grid, tuple[float, float]]]:
        return zip(self.panel.grids, self.places, strict=True)

    def place(self, x: float, y: float, letterings: Letterings, back: list[Item], front: list[Item]) -> None:
        """Put everything at its place on the page."""
        for row, line in enumerate(self.title):
            back.append(Label(x, y + 7 + TITLE_LINE * row, line, 12.5, "ink", "start", bold=True))
        y += TITLE_LINE * len(self.title)
        for place, (grid, (left, top)) in enumerate(self._placed()):
            corner = x + left + self.beside, y + top + above(grid)
            put_grid(grid, *corner, self.cell, letterings[self.panel.title, place], back, front)


Row = list[tuple[float, str, _Block]]
"""left edge, sign before it, panel"""
