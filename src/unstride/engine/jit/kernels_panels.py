"""A chunk's two sides made ready for the tiles of a weight gradient: channels side by side, positions in panels."""

from __future__ import annotations

from dataclasses import dataclass

from . import ir
from .emit import INT, Code
from .gradient_records import PAIR, Call, Chunk, Plan, Task
from .memory import ALIGNMENT
from .records import WORD

INDEX = ir.IntType(32)


@dataclass(frozen=True, slots=True)
class Form:
    """What the code depends on."""

    dtype: str
    rows: int
    vectors: int
    small_lanes: bool
    """lanes are small channels and rows large ones, rather than the other way"""
    large: str = "direct"
    """where tiles read the large side: ``direct``, or in panels gathered for each ``chunk`` or each ``part``"""
    lanewise: bool = False
    """lanes are channels of both sides, and rows taps"""
    masked: bool = False
    """vectors may reach beyond what can be read"""
    rests: tuple[int, ...] = ()
    """rows of the tiles that have fewer"""
    few: tuple[int, int] = (0, 0)
    """channels of the small and of the large side, where they are so few that packing is a shuffle; else 0"""

    @property
    def key(self) -> str:
        """Tells its code from any other's."""
        return f"gradient {self}"

    @property
    def item(self) -> int:
        """Bytes of an element."""
        return 8 if self.dtype == "float64" else 4

    def widths(self, kind: ir.VectorType) -> tuple[int, int]:
        """Channels in a block of the small and of the large side."""
        lanes = self.vectors * kind.count
        if self.lanewise:
            return lanes, lanes
        return (lanes, self.rows) if self.small_lanes else (self.rows, lanes)


class Reader:
    """Fields of records, loaded where they are asked for."""

    def __init__(self, c: Code, address: ir.Value) -> None:
        self.c, self.address = c, address

    def __getitem__(self, field: int) -> ir.Value:
        return self.c.load(self.address, INT, field * WORD)


def emit_gather(
    module: ir.Module, name: str, kind: ir.VectorType, width: int, item: int, *, paired: bool
) -> ir.Function:
    """``gather(source, row, pairs, count, items, target)``: positions' elements in panels of ``width``.

    A block is read and written as whole vectors: what is too much belongs to the same position, and the next position
    overwrites it.
    """
    c = Code(module, name, 6, internal=True)
    source, row, pairs, count, items, target = c.arguments
    lanes = kind.count
    starts = range(0, width, lanes)
    whole = c.mul(c.div(c.maximum(c.sub(items, len(starts) * lanes - width), 0), width), width)
    panel = panel_bytes(c, count, width * item)
    left = c.sub(items, whole)
    # in the last blocks a vector would reach beyond the items
    rests = [c.minimum(c.sub(left, first), width) for first in range(0, len(starts) * lanes, width)]
    masks = [[c.within(0, rest, v, lanes) for v in starts] for rest in rests]
    with c.loop(count, [target]) as loop:
        number = index(c, c.add(pairs, c.mul(loop.index, PAIR)), 4) if paired else loop.index
        with c.loop(whole, [c.add(source, c.mul(number, row)), loop.values[0]], step=width) as block:
            at, to = block.values
            for v in starts:
                c.store(c.load(at, kind, v * item), to, v * item)
            block.next = [c.add(at, width * item), c.add(to, panel)]

        at, to = block.values
        for last, mask in enumerate(masks):
            with c.builder.if_then(c.less(last * width, left)):
                here, there = c.add(at, last * width * item), c.add(to, c.mul(panel, last))
                for v, kept in zip(starts, mask, strict=True):
                    c.store(c.masked_load(c.add(here, v * item), kept, kind), there, v * item)
        loop.next = [c.add(loop.values[0], width * item)]
    return c.done()


def panel_bytes(c: Code, count: ir.Value, position: int) -> ir.Value:
    """Bytes from panel to panel: an odd number of cache lines, that neighbours share no set of the cache."""
    lines = c.div(c.add(c.mul(count, position), 2 * ALIGNMENT - 1), ALIGNMENT)
    return c.mul(c.builder.or_(lines, c.constant(1)), ALIGNMENT)


def emit_enter_small(module: ir.Module, form: Form, kind: ir.VectorType, pack: ir.Function) -> ir.Function:
    """A chunk's small side: its channels side by side, then in panels."""
    gather = emit_gather(module, "gather", kind, form.widths(kind)[0], form.item, paired=False)
    c = Code(module, "small", 5, internal=True)
    call, plan, task, chunk = (Reader(c, address) for address in c.arguments[:4])
    scratch = c.arguments[4]
    source = c.add(call[Call.SMALL], task[Task.SMALL], chunk[Chunk.SMALL])
    count, positions, images = task[Task.SMALL_COUNT], chunk[Chunk.POSITIONS], chunk[Chunk.IMAGES]
    tile, panels = c.add(scratch, plan[Plan.SMALL_TILE]), c.add(scratch, plan[Plan.SMALL_PANELS])
    row = c.mul(count, form.item)

    def gathered(source: ir.Value, row: ir.Value) -> None:
        with c.builder.if_then(true(c, plan[Plan.PANELS])):
            c.call(gather, source, row, 0, c.mul(images, positions), count, panels)

    def packed() -> None:
        with c.loop(images, [source, tile]) as loop:
            at, to = loop.values
            c.call(pack, at, to, positions, count, plan[Plan.SMALL_CHANNEL])
            loop.next = [c.add(at, plan[Plan.SMALL_IMAGE]), c.add(to, c.mul(positions, row))]
        gathered(tile, row)

    c.either(true(c, plan[Plan.SMALL_FIRST]), packed, lambda: gathered(source, plan[Plan.SMALL_ROW]))
    return c.done()


def emit_enter_large(module: ir.Module, form: Form, pack: ir.Function, gather: ir.Function) -> ir.Function:
    """A chunk's window of the large side: its channels side by side, then in panels."""
    c = Code(module, "large", 5, internal=True)
    call, plan, task, chunk = (Reader(c, address) for address in c.arguments[:4])
    window, count = chunk[Chunk.WINDOW], task[Task.LARGE_COUNT]
    row = c.mul(c.mul(window, count), form.item)
    source = c.add(call[Call.LARGE], task[Task.LARGE], chunk[Chunk.LARGE])
    counts = [chunk[Chunk.IMAGES], chunk[Chunk.LEADS], chunk[Chunk.LEADS + 1]]
    steps = [plan[Plan.LARGE_IMAGE], plan[Plan.LARGE_LEADS], plan[Plan.LARGE_LEADS + 1]]

    def walk(axis: int, at: ir.Value, to: ir.Value) -> ir.Value:
        if axis == len(counts):
            c.call(pack, at, to, window, count, plan[Plan.LARGE_CHANNEL])
            return c.add(to, row)
        with c.loop(counts[axis], [at, to]) as loop:
            here, there = loop.values
            loop.next = [c.add(here, steps[axis]), walk(axis + 1, here, there)]
        return loop.values[1]

    tile, first = c.add(c.arguments[4], plan[Plan.LARGE_TILE]), true(c, plan[Plan.LARGE_FIRST])
    with c.builder.if_then(first):
        walk(0, source, tile)
    if form.large == "chunk":
        source = c.builder.select(first, tile, source)
        large_row = c.builder.select(first, c.mul(count, form.item), plan[Plan.LARGE_ROW])
        slots = c.add(plan[Plan.PAIRS], chunk[Chunk.SLOTS])
        panels = c.add(c.arguments[4], plan[Plan.LARGE_PANELS])
        c.call(gather, source, large_row, slots, chunk[Chunk.SLOT_COUNT], count, panels)
    return c.done()


def true(c: Code, value: ir.Value) -> ir.Value:
    """Whether the value is not 0."""
    return c.builder.icmp_signed("!=", value, c.constant(0))


def index(c: Code, pair: ir.Value, offset: int) -> ir.Value:
    """The number of a position in a table of pairs."""
    return c.builder.sext(c.load(pair, INDEX, offset), INT)
