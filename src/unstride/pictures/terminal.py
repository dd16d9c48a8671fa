"""The picture as text: numbers in columns, boxes of line-drawing signs, colours where there is a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from textwrap import wrap

from .numerals import DIGITS, number
from .panels import elided
from .scene import Box, Cell, Grid, Panel, Role, Scene, Sign

WIDTH = 80
CELL_WIDTH = 7
"""Most signs of one cell"""
GAP = 3
GLUE = "\u00a0×\u00a0"
"""sizes are not broken over lines"""

FRAMES = ("│─┌┐└┘", "│─┌┐└┘", "┃━┏┓┗┛", "║═╔╗╚╝", "╎╌╭╮╰╯")
"""by the box's order: vertical, horizontal, four corners"""

STYLES = {
    Role.SMALL: "36",
    Role.KERNEL: "33",
    Role.LARGE: "32",
    Role.OVERLAP: "32;1",
    Role.CROPPED: "90",
    Role.PADDED: "90",
    Role.BARE: "90",
    Role.ZERO: "90",
    Role.PENDING: "90",
    Role.ELIDED: "90",
    Role.OUTSIDE: "",
    Role.HEAT: "34",
}
ACTIVE = "7"
MARKS = {
    **dict.fromkeys((Role.SMALL, Role.KERNEL, Role.LARGE), "□"),
    Role.OVERLAP: "■",
    Role.CROPPED: "×",
    **dict.fromkeys((Role.PENDING, Role.BARE, Role.ZERO), "·"),
}
"""what stands for a cell without text"""
SHADES = "░▒▓█"
"""for heat without text, faint to strong"""


@dataclass(slots=True)
class _Sheet:
    """Signs on a sheet of squares, each with a style."""

    signs: dict[tuple[int, int], tuple[str, str]] = field(default_factory=dict)
    width: int = 0
    height: int = 0

    def put(self, row: int, column: int, text: str, style: str = "") -> None:
        """Write text to the right from a square."""
        for offset, sign in enumerate(text):
            self.signs[row, column + offset] = (sign, style)
        self.width, self.height = max(self.width, column + len(text)), max(self.height, row + 1)

    def paste(self, other: _Sheet, row: int, column: int) -> None:
        """Put another sheet on this one."""
        for (r, c), found in other.signs.items():
            self.signs[row + r, column + c] = found
        self.width, self.height = max(self.width, column + other.width), max(self.height, row + other.height)

    def text(self, *, colour: bool) -> str:
        """The sheet's lines, without blanks at their ends."""
        lines = []
        for row in range(self.height):
            squares = [self.signs.get((row, column), (" ", "")) for column in range(self.width)]
            while squares and squares[-1] == (" ", ""):
                squares.pop()
            lines.append(_coloured(squares) if colour else "".join(sign for sign, _ in squares).rstrip())
        return "\n".join(lines)


def to_text(scene: Scene, width: int = WIDTH, *, colour: bool = False) -> str:
    """The scene as lines of at most ``width`` signs, wherever one panel fits into that."""
    width = max(1, width)
    parts = ["\n".join(wrap(scene.title, width)), "\n".join(wrap(scene.subtitle, width)), ""]
    for line in scene.lines:
        if line.heading:
            parts += [*wrap(line.heading, width)]
        parts += [_flow(line.parts, width).text(colour=colour), ""]
    parts += [row for note in scene.notes for row in wrap(note, width)]
    parts += wrap(_legend(scene), width)
    return "\n".join(parts)


def _legend(scene: Scene) -> str:
    """What the marks mean that are on the picture."""
    words, cells = dict(scene.words), [cell for grid in scene.grids for cell in grid.cells]
    roles = {cell.role for cell in cells}
    marks = []
    if "box" in words and any(not box.order for grid in scene.grids for box in grid.boxes):
        marks.append(f"box: {words['box']}")
    if Role.CROPPED in roles and "cropped" in words and "box" in words:
        several = any(box.order for grid in scene.grids for box in grid.boxes)
        marks.append(f"outside {'every' if several else 'the'} box: {words['cropped']}")
    if any(cell.active for cell in cells):
        marks.append(f"[] or *: {words.get('active', 'this step')}")
    shaded = [cell.level for cell in cells if cell.role is Role.HEAT and not cell.text]
    if shaded:
        marks.append(f"{SHADES[0]} to {SHADES[-1]}: {words['heat']}")
    if any(level < 0 for level in shaded):
        marks.append(f"−: {words['negative']}")
    empty = {cell.role for cell in cells if not cell.text and MARKS.get(cell.role) in ("·", "■")}
    marks += [f"{MARKS[role]}: {words[role]}" for role in sorted(empty) if role in words]
    return "; ".join(marks)


def _flow(parts: Sequence[Panel | Sign], width: int) -> _Sheet:
    """Panels from left to right, a new row of panels where the line is full."""
    page, row, column, sign = _Sheet(), 0, 0, ""
    for part in parts:
        if isinstance(part, Sign):
            sign = part.text
            continue
        block, first = _block(part, width)
        lead = GAP if column else 0
        if column and column + lead + len(sign) + block.width > width:
            row, column, lead = page.height + 1, 0, 0
        if sign:
            page.put(row + first, column + (1 if column else 0), sign)
            lead += 2
        page.paste(block, row, column + lead)
        column, sign = column + lead + block.width, ""
    return page


def _block(panel: Panel, width: int) -> tuple[_Sheet, int]:
    """A panel, and the row of its middle."""
    grids = _narrowed(panel.grids, width) if panel.stacked else [_narrowed([grid], width)[0] for grid in panel.grids]
    least = max((_wide(grid, width) for grid in grids), default=1) if panel.stacked else 1
    inner = _Sheet()
    for grid, sheet in ((grid, _grid(grid, width, least)) for grid in grids):
        row, column = (inner.height, 0) if panel.stacked else (0, inner.width + (2 if inner.width else 0))
        if not panel.stacked and column + sheet.width > width and column:
            row, column = inner.height + 1, 0
        captions = wrap(grid.caption, max(sheet.width, 24))
        for at, caption in enumerate(captions):
            inner.put(row + at, column, caption)
        inner.paste(sheet, row + len(captions), column)
    block = _Sheet()
    title = wrap(panel.title.replace(" × ", GLUE), max(inner.width, 18))
    for at, line in enumerate(title):
        block.put(at, 0, line.replace(GLUE, " × "))
    block.paste(inner, len(title), 0)
    return block, len(title) + max(0, inner.height - 1) // 2


def _narrowed(grids: Sequence[Grid], width: int) -> list[Grid]:
    """Grids over the same columns without so many in the middle that the others have room for their numbers."""
    needed = max(1, *(_longest(grid, DIGITS[-1]) for grid in grids))
    return [_shortened(grid, (width - 4) // (needed + 1)) for grid in grids]


def _shortened(grid: Grid, most: int) -> Grid:
    columns = grid.columns.shortened(most)
    if columns is grid.columns:
        return grid
    moved = {grid.columns.position(element): columns.position(element) for element in columns.shown}
    kept = (cell for cell in grid.cells if cell.place[1] in moved and cell.role is not Role.ELIDED)
    cells = [replace(cell, place=(cell.place[0], moved[cell.place[1]])) for cell in kept]
    return replace(grid, columns=columns, cells=(*cells, *elided(grid.rows, columns)), heads=((), ()))


def _wide(grid: Grid, width: int) -> int:
    """Signs of each of its cells."""
    return max(map(len, _fitting(grid, width)), default=1)


def _fitting(grid: Grid, width: int) -> list[str]:
    """What is written for each cell where the whole grid has ``width`` signs."""
    texts, room = _texts(grid, CELL_WIDTH), (width - 4) // max(1, grid.size[1]) - 1
    return texts if max(map(len, texts), default=1) <= room else _texts(grid, max(1, room))


def _grid(grid: Grid, width: int, least: int = 1) -> _Sheet:
    sheet = _Sheet()
    texts = _fitting(grid, width)
    wide = max(least, *map(len, texts), 1)
    edges = sorted({ceil(grid.rows.edge(at)) for box in grid.boxes for at in (box.start[0], box.stop[0])})
    sides = sorted({ceil(grid.columns.edge(at)) for box in grid.boxes for at in (box.start[1], box.stop[1])})

    def down(row: int) -> int:
        return row + sum(edge <= row for edge in edges)

    def across(column: int) -> int:
        return column * (wide + 1) + sum(side <= column for side in sides)

    for cell, text in zip(grid.cells, texts, strict=True):
        style = ACTIVE if cell.active else STYLES[cell.role]
        sheet.put(down(cell.place[0]), across(cell.place[1]), text.rjust(wide), style)
        if cell.active and not text.startswith("["):  # no room for brackets: a star in the gap behind the cell
            sheet.put(down(cell.place[0]), across(cell.place[1]) + wide, "*", style)
    for box in grid.boxes:
        top, bottom = (down(ceil(grid.rows.edge(at))) - 1 for at in (box.start[0], box.stop[0]))
        left, right = (across(ceil(grid.columns.edge(at))) - 1 for at in (box.start[1], box.stop[1]))
        _frame(sheet, box, (top, left, bottom, right))
    return sheet


def _frame(sheet: _Sheet, box: Box, ends: tuple[int, int, int, int]) -> None:
    top, left, bottom, right = ends
    if top >= bottom or left >= right:
        return
    upright, level, *corners = list(FRAMES[box.order])
    for row in range(top + 1, bottom):
        sheet.put(row, left, upright)
        sheet.put(row, right, upright)
    name = f"{level}{box.name}" if box.order else ""
    for row, (start, stop), text in ((top, corners[:2], name), (bottom, corners[2:], "")):
        sheet.put(row, left, start + text + level * (right - left - 1 - len(text)) + stop)


def _texts(grid: Grid, most: int) -> list[str]:
    """What is written for each cell, in ``most`` signs at most: numbers rounded, marks where indices do not fit."""
    active = any(cell.active for cell in grid.cells)
    opening, closing = ("[", "]") if active and _longest(grid, DIGITS[1]) + 2 <= most else ("", "")
    room = max(1, most - len(opening + closing))
    indexed = all(len(cell.text) <= room for cell in grid.cells if cell.value is None)
    texts, digits = [], next((d for d in DIGITS if _longest(grid, d) <= room), DIGITS[-1])
    for cell in grid.cells:
        known = cell.text and (indexed or cell.value is not None or cell.role is Role.ELIDED)
        text = _written(cell, digits) if known else _mark(cell)
        text = text if len(text) <= room else f"{text[: room - 1]}…"
        texts.append(f"{opening}{text}{closing}" if cell.active else f"{text}{' ' * len(closing)}")
    return texts


def _mark(cell: Cell) -> str:
    """What stands for a cell that is not written on."""
    if cell.role is not Role.HEAT:
        return MARKS.get(cell.role, "")
    return ("−" if cell.level < 0 else "") + SHADES[ceil(abs(cell.level) * len(SHADES)) - 1] * 2


def _longest(grid: Grid, digits: int) -> int:
    return max((len(_written(cell, digits)) for cell in grid.cells if cell.value is not None), default=0)


def _written(cell: Cell, digits: int) -> str:
    return number(cell.value, digits) if cell.text and cell.value is not None else cell.text


def _coloured(squares: Sequence[tuple[str, str]]) -> str:
    text, current = "", ""
    for sign, style in squares:
        if style != current:
            text += f"\x1b[0;{style}m" if style else "\x1b[0m"
            current = style
        text += sign
    return f"{text}\x1b[0m" if current else text
