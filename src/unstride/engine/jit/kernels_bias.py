"""The gradient of the bias: sums of an array's rows, or of its columns, in the blocks that tasks share."""

from __future__ import annotations

from enum import IntEnum

from . import ir
from .emit import FLOATS, Code
from .kernels_panels import Reader
from .target import Target

VECTORS = 8
"""vectors of sums side by side"""


class Call(IntEnum):
    """One call: addresses, and the array's size."""

    DATA = 0
    SUMS = 1
    ROWS = 2
    WIDTH = 3
    """elements of a row"""
    BLOCK = 4
    """rows of a task"""


def emit(dtype: str, target: Target) -> ir.Module:
    """The module with ``rows``, one sum for each row, and ``columns``, a row of sums for each task."""
    module, item = ir.Module("bias"), 8 if dtype == "float64" else 4
    kind = ir.VectorType(FLOATS[dtype], target.lanes(item))
    _emit_rows(module, kind, item)
    _emit_columns(module, kind, item)
    return module


def _begin(module: ir.Module, name: str) -> tuple[Code, Reader, ir.Value, ir.Value]:
    """A task with its rows: from, to."""
    c = Code(module, name, 3)
    call = Reader(c, c.arguments[0])
    first = c.mul(c.arguments[1], call[Call.BLOCK])
    return c, call, first, c.minimum(c.add(first, call[Call.BLOCK]), call[Call.ROWS])


def _emit_rows(module: ir.Module, kind: ir.VectorType, item: int) -> None:
    c, call, first, last = _begin(module, "rows")
    width, lanes = call[Call.WIDTH], kind.count
    data, out = call[Call.DATA], call[Call.SUMS]
    size = c.mul(width, item)
    with c.loop(last, start=first) as row:
        at, done = c.add(data, c.mul(row.index, size)), c.constant(0)
        values: list[ir.Value] = [ir.Constant(kind, None)] * VECTORS
        for vectors in (VECTORS, 1):
            step = vectors * lanes * item
            end = c.mul(c.div(size, step), step)
            with c.loop(end, values[:vectors], done, step) as loop:
                places = [c.add(at, loop.index, v * lanes * item) for v in range(vectors)]
                loop.next = [c.builder.fadd(s, c.load(p, kind)) for s, p in zip(loop.values, places, strict=True)]
            values, done = [*loop.values, *values[vectors:]], end
        total = c.builder.extract_element(_folded(c, values), 0)
        with c.loop(size, [total], done, item) as rest:
            rest.next = [c.builder.fadd(rest.values[0], c.load(c.add(at, rest.index), kind.element))]
        c.store(rest.values[0], c.add(out, c.mul(row.index, item)))
        row.next = []
    c.done()


def _folded(c: Code, values: list[ir.Value]) -> ir.Value:
    """A vector whose first lane is the sum of all lanes of all vectors: halves added to halves."""
    while len(values) > 1:
        half = len(values) // 2
        values = [c.builder.fadd(a, b) for a, b in zip(values[:half], values[half:], strict=True)]
    value = values[0]
    distance = value.type.count // 2
    while distance:
        other = c.shuffle(value, value, [(lane + distance) % value.type.count for lane in range(value.type.count)])
        value, distance = c.builder.fadd(value, other), distance // 2
    return value


def _emit_columns(module: ir.Module, kind: ir.VectorType, item: int) -> None:
    c, call, first, last = _begin(module, "columns")
    size = c.mul(call[Call.WIDTH], item)
    out = c.add(call[Call.SUMS], c.mul(c.arguments[1], size))
    origin, done = c.add(call[Call.DATA], c.mul(first, size)), c.constant(0)
    for unit, vectors in ((kind, VECTORS), (kind, 1), (kind.element, 1)):
        span = item * (kind.count if unit is kind else 1)
        end = c.mul(c.div(size, vectors * span), vectors * span)
        with c.loop(end, start=done, step=vectors * span) as column:
            zeros = [ir.Constant(unit, None if unit is kind else 0.0)] * vectors
            with c.loop(last, [c.add(origin, column.index), *zeros], first) as row:
                at, *values = row.values
                found = [c.builder.fadd(s, c.load(at, unit, v * span)) for v, s in enumerate(values)]
                row.next = [c.add(at, size), *found]
            for v, value in enumerate(row.values[1:]):
                c.store(value, c.add(out, column.index), v * span)
            column.next = []
        done = end
    c.done()
