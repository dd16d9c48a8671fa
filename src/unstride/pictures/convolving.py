"""Scatter and gather: the input, the kernel and the output of one layer, linked by one element's products."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, islice, product
from math import prod

from . import captions
from .example import TERM_LIMIT, Example, Index, Term, inside, met
from .numerals import exact, number
from .panels import Extents, Paint, Sides, Step, elided, framed, indices, shown_text
from .scene import Box, Cell, Grid, Line, Panel, Role, Scene, Sign, View

STEPS_LIMIT = 120
"""Most steps of an animation; of more, the first ones and the finished picture are shown"""
REPEAT_LIMIT = 10
"""Longest output that is drawn again, apart from what is cropped"""
STAMPS_DRAWN = 6
"""Most inputs whose stamps are drawn one by one beside their sum"""
STAMP_EXTENT = 9
"""Longest extent on which they are"""


def scatter(example: Example, step: Step | None = None) -> Scene:
    """Each input element gives its products."""
    return _scene(View.SCATTER, example, step)


def gather(example: Example, step: Step | None = None) -> Scene:
    """Each output element collects its products."""
    return _scene(View.GATHER, example, step)


def steps(example: Example, *, scatters: bool) -> tuple[Step, ...]:
    """One step for each drawn element of the input (scatter) or of the output (gather), in order."""
    extents = Extents.of(example.layer)
    on_small = scatters == example.transposed
    rulers = extents.small if on_small else extents.large
    elements: Iterable[Index] = product(*(ruler.shown for ruler in rulers))
    if on_small and not all(ruler.whole for ruler in extents.large):  # what lands in the part left out is not seen
        elements = (at for at in elements if _drawn_landings(example, extents, at))
    return tuple(Step(at, scatters) for at in islice(elements, STEPS_LIMIT + 1))


def _scene(view: View, example: Example, step: Step | None) -> Scene:
    extents = Extents.of(example.layer)
    apart = view is View.SCATTER and _apart(example, extents)
    shown = step or (None if apart else typical(example, extents, scatters=view is View.SCATTER))
    sides = Sides(example, extents, shown)
    lines = [Line(_first_line(view, example, sides))]
    if apart and step is None and example.layer.rank == 2:
        lines.append(_stamps(example, extents))
    notes = (*([_told(example, shown)] if shown else []), *captions.channel_notes(example))
    return Scene(
        view,
        example.label or captions.named(example),
        captions.SUBTITLES[view, example.transposed],
        captions.described(example),
        tuple(lines),
        notes,
        captions.legend(example, view),
    )


def _first_line(view: View, example: Example, sides: Sides) -> tuple[Panel | Sign, ...]:
    layer = example.layer
    kernel = Panel(f"kernel {captions.size(layer.kernel)}", sides.kernel())
    if not layer.transposed:
        padded = "padded input" if any(a.before > 0 or a.after > 0 for a in layer.axes) else "input"
        return (
            Panel(f"{padded} (box: input {captions.size(layer.input_size)})", sides.canvas()),
            Sign("×"),
            kernel,
            Sign("="),
            Panel(f"output {captions.size(layer.output_size)}", sides.small()),
        )
    title = f"all stamps {captions.size(axis.full for axis in layer.axes)} (box: output)"
    rows = view is View.SCATTER and layer.rank == 1
    grids = (_stamp_rows(sides), *sides.canvas()) if rows else sides.canvas()
    whole = (Panel(title, grids, stacked=rows),)
    given = (Panel(f"input {captions.size(layer.input_size)}", sides.small()), Sign("×"), kernel, Sign("="))
    if view is View.GATHER or rows or max(map(len, sides.extents.large)) > REPEAT_LIMIT:
        return (*given, *whole)
    return (*given, *whole, Sign("→"), Panel(f"output {captions.size(layer.output_size)}", sides.large()))


def _apart(example: Example, extents: Extents) -> bool:
    """Whether there is room to draw the stamps one by one."""
    layer, whole = example.layer, all(ruler.whole for ruler in extents.canvas)
    if not layer.transposed or not whole:
        return False
    few = 1 < prod(layer.input_size) <= STAMPS_DRAWN and max(map(len, extents.canvas)) <= STAMP_EXTENT
    return layer.rank == 1 or (layer.rank == 2 and few)


def _stamps(example: Example, extents: Extents) -> Line:
    """Each input's stamp on the full extent."""
    sizes = tuple(axis.large for axis in example.layer.axes)
    parts: list[Panel | Sign] = []
    for small in product(*(ruler.shown for ruler in extents.small)):
        value = example.input_at(small)
        title = f"x[{captions.place(small)}]" if value is None else number(value)
        grids = framed(extents.canvas, _stamp_painter(example, small), ("", (0,) * len(sizes), sizes), headed=False)
        parts += [Panel(f"{title} × kernel", grids), Sign("+")]
    heading = "each input element stamps the kernel, one stride apart; all stamps together are the sum above"
    return Line(tuple(parts[:-1]), heading, compact=True)


def _stamp_painter(example: Example, small: Index) -> Paint:
    stamp = {term.large: term for term in example.terms_at_small(small)}

    def paint(index: Index, at: tuple[int, int]) -> Cell:
        kept = inside(example.layer, index)
        if index not in stamp:
            return Cell(at, index, Role.PENDING if kept else Role.OUTSIDE)
        value = example.product(stamp[index])
        return Cell(at, index, Role.LARGE if kept else Role.CROPPED, shown_text(value, stamp[index].tap), value)

    return paint


def _stamp_rows(sides: Sides) -> Grid:
    """The stamps of one axis, a row for each input: the sum is taken down the columns."""
    example, (rows,), (columns,) = sides.example, sides.extents.small, sides.extents.canvas
    cells = list(elided(rows, columns))
    for small, large in product(rows.shown, columns.shown):
        term = _product_at(example, small, large)
        if term is not None and sides.drawn(term):
            at = (rows.position(small), columns.position(large))
            role = Role.LARGE if inside(example.layer, term.large) else Role.CROPPED
            value = example.product(term)
            cells.append(Cell(at, term.large, role, shown_text(value, term.tap), value, sides.takes_part(term)))
    box = Box("", (0, 0), (rows.stop, example.layer.axes[0].large))
    heads = tuple(f"x[{head}]" if head else "" for head in indices(rows))
    return Grid(rows, columns, tuple(cells), (box,), "one row for each input, added down the columns:", (heads, ()))


def _product_at(example: Example, small: int, large: int) -> Term | None:
    """The product by which a small element of the only axis adds to a large one."""
    (axis,) = example.layer.axes
    tap, rest = divmod(large + axis.before - axis.stride * small, axis.dilation)
    return Term((small,), (tap,), (large,)) if not rest and 0 <= tap < axis.kernel else None


def typical(
    example: Example, extents: Extents, *, scatters: bool, drawn: Callable[[Index], int] | None = None
) -> Step | None:
    """An element near the middle with as many products as any, all of them drawn if possible, for a still picture.

    ``drawn`` counts the products of an element that can be seen.
    """
    on_small = scatters == example.transposed
    rulers = extents.small if on_small else extents.large
    elements = list(product(*(ruler.shown for ruler in rulers)))
    if not elements:
        return None

    def counted(index: Index) -> int:
        return _drawn_landings(example, extents, index) if on_small else _drawn_sources(example, extents, index)

    def rank(index: Index) -> tuple[bool, int, int]:
        seen = (drawn or counted)(index)
        away = sum(abs(2 * at - ruler.stop + 1) for at, ruler in zip(index, rulers, strict=True))
        return not on_small and 0 < seen == met(example.layer, index), seen, -away

    return Step(max(elements, key=rank), scatters, still=True)


def _drawn_landings(example: Example, extents: Extents, small: Index) -> int:
    """How many of the large elements that a small one shares a product with are drawn."""
    drawn = [set(ruler.shown) for ruler in extents.large]
    found = islice(example.terms_at_small(small), TERM_LIMIT)
    return sum(all(at in shown for at, shown in zip(term.large, drawn, strict=True)) for term in found)


def _drawn_sources(example: Example, extents: Extents, large: Index) -> int:
    """How many products of a large element have both their small element and their tap drawn."""
    drawn = [set(ruler.shown) for ruler in extents.small], [set(ruler.shown) for ruler in extents.kernel]
    found = islice(example.terms_at_large(large), TERM_LIMIT)
    return sum(
        all(at in shown for at, shown in zip((*term.small, *term.tap), chain(*drawn), strict=True)) for term in found
    )


def _told(example: Example, step: Step) -> str:
    """What happens at a step, in numbers."""
    at, terms = captions.place(step.at), step.terms(example)
    if not step.scatters:
        value = example.sum(example.output_terms(step.at))
        return f"output[{at}] = {captions.sum_text(example, terms, value)}"
    value = example.input_at(step.at)
    giver = f"x[{at}]" if value is None else f"x[{at}] = {exact(value)}"
    outputs = [term.small if not example.transposed else term.large for term in terms]
    if not outputs:
        return f"{giver} is not read by any output"
    names = captions.axis_names(example.layer.rank)
    places = (captions.where(name, [output[axis] for output in outputs]) for axis, name in enumerate(names))
    verb = "stamps the kernel onto" if example.transposed else "is read by"
    return f"{giver} {verb} output {', '.join(places)}"
