"""Lanes are products: neighbouring elements of a run times those of a column's weights, added up at the end.

A tile of ``P`` positions × ``C`` columns reads ``P + C`` vectors for ``P·C`` multiply-adds of vectors, however few
columns there are. Each sum is added lane by lane in the order of the runs, then across lanes in one order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from . import ir
from .emit import Code, Number

AHEAD = 4096
"""bytes that inputs are asked for before they are needed: in other pages, which no CPU foresees"""

Load = Callable[[ir.Value], ir.Value]
"""the elements at an address, and zeros where there are not as many as lanes"""


def size(kind: ir.Type) -> int:
    """Bytes of an element."""
    return 8 if isinstance(kind.element, ir.DoubleType) else 4


def positions(columns: int, registers: int) -> int:
    """Positions of a tile: what the registers hold beside the smaller of its sides and one vector of the other."""
    most = registers // columns
    return next(p for p in range(most, 0, -1) if p * columns + min(p, columns) < registers or p == 1)


def products(
    c: Code,
    kind: ir.Type,
    inputs: list[ir.Value],
    weights: list[ir.Value],
    length: ir.Value,
    sums: list[ir.Value],
) -> list[ir.Value]:
    """The sums, position by position, with one run's products added."""
    lanes, item = kind.count, size(kind)

    def step(at: ir.Value, load: Load, sums: list[ir.Value]) -> list[ir.Value]:
        columns, found = len(weights), list(sums)
        few = len(inputs) <= columns
        kept, passed = (inputs, weights) if few else (weights, inputs)
        held = [load(c.add(start, at)) for start in kept]
        for start in inputs:
            c.prefetch(c.add(start, at, AHEAD))
        for j, start in enumerate(passed):
            value = load(c.add(start, at))
            for i, other in enumerate(held):
                number = i * columns + j if few else j * columns + i
                found[number] = c.fma(other, value, sums[number])
        return found

    whole = c.builder.and_(length, c.constant(-lanes))
    end = c.mul(whole, item)
    with c.loop(end, sums, step=lanes * item) as loop:
        loop.next = step(loop.index, lambda at: c.load(at, kind), loop.values)
    if lanes * item > 16:  # narrower vectors' CPUs have no loads under a mask
        rest = c.sub(length, whole)
        before = c.builder.block
        with c.builder.if_then(c.less(0, rest)):
            mask = c.within(0, rest, 0, lanes)
            some = step(end, lambda at: c.masked_load(at, mask, kind), loop.values)
            within = c.builder.block
        return [_joined(c, (value, before), (other, within)) for value, other in zip(loop.values, some, strict=True)]
    with c.loop(c.mul(length, item), loop.values, end, item) as single:
        single.next = step(single.index, lambda at: _alone(c, at, kind), single.values)
    return single.values


def _joined(c: Code, *ways: tuple[ir.Value, ir.Block]) -> ir.Value:
    """The value of the way that was taken."""
    phi = c.builder.phi(ways[0][0].type)
    for value, block in ways:
        phi.add_incoming(value, block)
    return phi


def _alone(c: Code, address: Number, kind: ir.Type) -> ir.Value:
    """One element in the first lane."""
    return c.builder.insert_element(ir.Constant(kind, None), c.load(address, kind.element), 0)


def added(c: Code, kind: ir.Type, sums: list[ir.Value], columns: int) -> list[ir.Value]:
    """Each position's sums across lanes: vectors of columns, the last one filled up with anything."""
    lanes, found = kind.count, []
    together = max(1, lanes // columns) * columns
    for first in range(0, len(sums), together):
        rows = sums[first : first + together]
        vectors = [_across(c, rows[at : at + lanes]) for at in range(0, len(rows), lanes)]
        if columns > lanes:
            found += vectors
        for at in range(0, len(rows) if columns <= lanes else 0, columns):
            order = [(at + lane) % lanes for lane in range(lanes)]
            found.append(c.shuffle(vectors[0], vectors[0], order) if at else vectors[0])
    return found


def _across(c: Code, rows: list[ir.Value]) -> ir.Value:
    """The sum of each row's lanes, in the lane of the row's number."""
    for low, high in _halves(rows[0].type):
        pairs = [(rows[at], rows[min(at + 1, len(rows) - 1)]) for at in range(0, len(rows), 2)]
        rows = [c.builder.fadd(c.shuffle(a, b, low), c.shuffle(a, b, high)) for a, b in pairs]
    return rows[0]


def _halves(kind: ir.Type) -> Iterator[tuple[list[int], list[int]]]:
    """For units of 1, 2, 4 … lanes: those of two vectors in turn, from their lower halves and from their upper ones.

    Within 16 bytes as long as the units are smaller: there it is one instruction.
    """
    lanes, near, unit = kind.count, 16 // size(kind), 1
    while unit < lanes:
        block = near if unit < near else lanes
        places = [(lane - lane % block, *divmod(lane % block, unit)) for lane in range(lanes)]
        low = [start + number // 2 * unit + within + number % 2 * lanes for start, number, within in places]
        yield low, [lane + block // 2 for lane in low]
        unit *= 2
