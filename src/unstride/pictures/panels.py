"""The grids of one layer: small side, kernel, and the large side on its full extent with the box of the crop or pad."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, product

from ..geometry import Axis, Layer
from .captions import place, sum_text
from .example import TERM_LIMIT, Example, Index, Term, inside, met
from .numerals import number
from .ruler import Ruler
from .scene import Box, Cell, Grid, Number, Role

LIMITS = {1: 26, 2: 18, 3: 8}
"""Longest axis of which every element is drawn, by rank"""
FEW = {1: 14, 2: 10, 3: 6}
"""How many elements are drawn of a longer one"""
KERNEL_LIMIT = 9
SLICE_LIMIT = 5
"""Most slices of an axis that has no room on the page"""
INDEX_LIMIT = 12
"""Longest grid whose cells repeat the indices at its edges where they have no numbers"""
TAG_LIMIT = 36
"""Most products of one step whose two factors carry a common number"""

Rulers = tuple[Ruler, ...]


@dataclass(frozen=True, slots=True)
class Extents:
    """Which elements of each side are drawn."""

    small: Rulers
    kernel: Rulers
    canvas: Rulers
    """the large side together with the full extent"""
    large: Rulers

    @classmethod
    def of(cls, layer: Layer) -> Extents:
        """As many as fit on a page."""
        pairs = tuple(zip(layer.axes, limits(layer.rank), strict=True))
        canvas = tuple(canvas_ruler(axis, limit) for axis, limit in pairs)
        return cls(
            tuple(short_ruler(0, axis.small, limit) for axis, limit in pairs),
            tuple(short_ruler(0, axis.kernel, (min(KERNEL_LIMIT, limit[0]), limit[1])) for axis, limit in pairs),
            canvas,
            tuple(ruler.within(0, axis.large) for ruler, axis in zip(canvas, layer.axes, strict=True)),
        )


Limit = tuple[int, int]
"""the longest axis drawn whole, and how many elements are drawn of a longer one"""


def limits(rank: int) -> tuple[Limit, ...]:
    """The limit of each axis."""
    if rank <= 2:
        return ((LIMITS[rank], FEW[rank]),) * rank
    slices = SLICE_LIMIT if rank == 3 else 2
    return (*(((slices, slices - 1),) * (rank - 2)), *(((LIMITS[3], FEW[3]),) * 2))


def short_ruler(start: int, stop: int, limit: Limit, marks: tuple[int, ...] = ()) -> Ruler:
    """All of a short axis, the ends of a long one."""
    return Ruler.of(start, stop, limit=limit[0], few=limit[1], marks=marks)


def canvas_ruler(axis: Axis, limit: Limit) -> Ruler:
    """The large side and the full extent together, both ends of the box marked."""
    full = axis.full if axis.small else 0
    start, stop = min(0, -axis.before), max(axis.large, full - axis.before)
    if not axis.small:
        start, stop = 0, axis.large
    last_stamp = (axis.small - 1) * axis.stride - axis.before
    return short_ruler(start, stop, limit, (0, last_stamp, axis.large))


@dataclass(frozen=True, slots=True)
class Step:
    """One moment: an element of the input that gives (scatter), or of the output that collects (gather)."""

    at: Index
    scatters: bool
    still: bool = False
    """whether the rest of the picture is complete, as at the end"""

    def on_small(self, example: Example) -> bool:
        """Whether the element is one of the small side."""
        return self.scatters == example.transposed

    def terms(self, example: Example) -> tuple[Term, ...]:
        """The products of this step, as many as can be drawn."""
        found = example.terms_at_small(self.at) if self.on_small(example) else example.terms_at_large(self.at)
        if not example.transposed and self.scatters:
            found = (term for term in found if inside(example.layer, term.large))
        return tuple(islice(found, TERM_LIMIT))


Paint = Callable[[Index, tuple[int, int]], Cell]


def framed(rulers: Rulers, paint: Paint, *boxes: tuple[str, Index, Index], headed: bool = True) -> tuple[Grid, ...]:
    """One grid, or one for each slice of the axes before the last two."""
    *outer, rows, columns = (Ruler.of(0, 1, limit=1), *rulers) if len(rulers) == 1 else rulers
    single = len(rulers) == 1
    grids = []
    for slice_index in product(*(ruler.shown for ruler in outer)):
        cells = []
        for row, column in product(rows.shown, columns.shown):
            index = (column,) if single else (*slice_index, row, column)
            cells.append(paint(index, (rows.position(row), columns.position(column))))
        if max(len(rows), len(columns)) > INDEX_LIMIT and headed:
            cells = [replace(cell, text="") if cell.value is None else cell for cell in cells]
        cells += elided(rows, columns)
        frames = tuple(frame for box in enumerate(boxes) for frame in _sliced(*box, len(boxes), slice_index))
        name = f"slice {place(slice_index)}" if slice_index else ""
        heads = (() if single else indices(rows), indices(columns)) if headed else ((), ())
        grids.append(Grid(rows, columns, tuple(cells), frames, name, heads))
    return tuple(grids)


def indices(ruler: Ruler) -> tuple[str, ...]:
    """The shown elements' indices by position, the last digits of long ones, empty at the gaps."""
    written = {element: place((element,)) for element in ruler.shown}
    known = {ruler.position(e): text if len(text) <= 5 else f"…{text[-3:]}" for e, text in written.items()}
    return tuple(known.get(position, "") for position in range(len(ruler)))


def elided(rows: Ruler, columns: Ruler) -> Iterator[Cell]:
    """Dots where elements are left out."""
    gap_rows, gap_columns = set(rows.gaps), set(columns.gaps)
    for row, column in product(range(len(rows)), range(len(columns))):
        if row in gap_rows or column in gap_columns:
            sign = "⋱" if row in gap_rows and column in gap_columns else "⋮" if row in gap_rows else "⋯"
            yield Cell((row, column), (), Role.ELIDED, sign)


def _sliced(order: int, box: tuple[str, Index, Index], many: int, slice_index: Index) -> Iterator[Box]:
    """The part of a box on one slice; one of several boxes is numbered from 1."""
    name, start, stop = box
    number_of = order + 1 if many > 1 else 0
    if len(start) == 1:
        yield Box(name, (0, start[0]), (1, stop[0]), number_of)
    elif all(low <= at < high for at, low, high in zip(slice_index, start, stop, strict=False)):
        yield Box(name, (start[-2], start[-1]), (stop[-2], stop[-1]), number_of)


def shown_text(value: Number | None, index: Index) -> str:
    """The number, else the last two places of the index."""
    return place(index[-2:]) if value is None else number(value)


class Sides:
    """The grids of an example's three parts at one step, or at the end."""

    def __init__(self, example: Example, extents: Extents, step: Step | None = None) -> None:
        self.example, self.extents, self.step = example, extents, step
        terms = step.terms(example) if step else ()
        self.smalls = {term.small for term in terms}
        self.taps = {term.tap for term in terms}
        self.larges = {term.large for term in terms}
        # where each product joins another tap to another element, the same tag stands on both
        tagged = terms if step and not step.on_small(example) and 1 < len(terms) <= TAG_LIMIT else ()
        self.small_tags = {term.small: str(order) for order, term in enumerate(tagged, 1)}
        self.tap_tags = {term.tap: str(order) for order, term in enumerate(tagged, 1)}

    def small(self) -> tuple[Grid, ...]:
        """The small side: input of a transposed convolution, output of a convolution."""

        def paint(index: Index, at: tuple[int, int]) -> Cell:
            active, tag = index in self.smalls, self.small_tags.get(index, "")
            if not self.example.transposed:
                return self._output(index, at, Role.SMALL, active=active, tag=tag)
            value = self.example.input_at(index)
            return Cell(at, index, Role.SMALL, shown_text(value, index), value, active, tag)

        return framed(self.extents.small, paint)

    def kernel(self) -> tuple[Grid, ...]:
        """The taps."""

        def paint(tap: Index, at: tuple[int, int]) -> Cell:
            value, tag = self.example.weight(tap), self.tap_tags.get(tap, "")
            return Cell(at, tap, Role.KERNEL, shown_text(value, tap), value, bool(tag), tag)

        return framed(self.extents.kernel, paint)

    def canvas(self, name: str = "") -> tuple[Grid, ...]:
        """The large side on the full extent, in the box that a crop keeps or that a convolution pads."""
        sizes = tuple(axis.large for axis in self.example.layer.axes)
        paint = self._stamped if self.example.transposed else self._padded
        return framed(self.extents.canvas, paint, (name, (0,) * len(sizes), sizes))

    def large(self) -> tuple[Grid, ...]:
        """The large side alone."""
        return framed(self.extents.large, self._stamped if self.example.transposed else self._padded)

    def _stamped(self, index: Index, at: tuple[int, int]) -> Cell:
        """An element of the full extent of a transposed convolution."""
        kept, count = inside(self.example.layer, index), met(self.example.layer, index)
        if count == 0:
            role = Role.BARE if kept else Role.OUTSIDE
            text = "0" if kept and self.example.numbered else ""
            return Cell(at, index, role, text, 0 if text else None, index in self.larges, tip=self._tip(index, None))
        role = Role.CROPPED if not kept else Role.OVERLAP if count > 1 else Role.LARGE
        return self._output(index, at, role, active=index in self.larges, tag="")

    def _padded(self, index: Index, at: tuple[int, int]) -> Cell:
        """An element of the padded input of a convolution."""
        kept, count = inside(self.example.layer, index), met(self.example.layer, index)
        active = index in self.larges
        if not kept:
            framing = all(0 <= i + a.before < a.full for i, a in zip(index, self.example.layer.axes, strict=True))
            role, text = (Role.PADDED, "0") if framing else (Role.OUTSIDE, "")
            return Cell(at, index, role, text, 0 if text else None, active)
        value = self.example.input_at(index)
        role = Role.BARE if count == 0 else Role.OVERLAP if count > 1 else Role.LARGE
        return Cell(at, index, role, shown_text(value, index), value, active)

    def _output(self, index: Index, at: tuple[int, int], role: Role, *, active: bool, tag: str) -> Cell:
        """An output element: all of its sum, or what it is at this step."""
        example, step = self.example, None if self.step is None or self.step.still else self.step
        pending = Cell(at, index, Role.PENDING if role is not Role.CROPPED else role, "", None, active, tag)
        if step and not step.scatters and index > step.at:
            return pending
        terms = example.output_terms(index)
        many = len(terms) > TERM_LIMIT
        if step and step.scatters:
            terms = tuple(term for term in terms if self._given(term, step))
            if not terms:
                return pending
            if role is Role.OVERLAP and len(terms) == 1:
                role = Role.LARGE
        value = None if many else example.sum(terms)
        text = "" if value is None and role is Role.CROPPED else shown_text(value, index)
        return Cell(at, index, role, text, value, active, tag, tip=self._tip(index, value))

    def drawn(self, term: Term) -> bool:
        """Whether a product has been added at this step."""
        step = self.step
        if step is None or step.still:
            return True
        return self._given(term, step) if step.scatters else self._written(term) <= step.at

    def takes_part(self, term: Term) -> bool:
        """Whether a product belongs to this step's element."""
        if self.step is None:
            return False
        return self.step.at == (self.example.source(term) if self.step.scatters else self._written(term))

    def _written(self, term: Term) -> Index:
        return term.large if self.example.transposed else term.small

    def _given(self, term: Term, step: Step) -> bool:
        """Whether a product's input element has had its turn; what a convolution pads gives nothing."""
        real = self.example.transposed or inside(self.example.layer, term.large)
        return real and self.example.source(term) <= step.at

    def _tip(self, index: Index, value: Number | None) -> str:
        """The sum behind an output element, in a still picture."""
        if (self.step is not None and not self.step.still) or self.example.count(index) > TERM_LIMIT:
            return ""
        return f"output[{place(index)}] = {sum_text(self.example, self.example.terms(index), value)}"
