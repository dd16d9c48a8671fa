"""Half-precision elements in memory, single-precision numbers in registers."""

from __future__ import annotations

from . import ir
from .emit import Code, Number

SIZES = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}
"""bytes of an element"""
HALVES = ("float16", "bfloat16")

_BITS, _WIDE = ir.IntType(16), ir.IntType(32)


def load(c: Code, address: Number, kind: ir.Type, stored: str, mask: ir.Value | None = None) -> ir.Value:
    """A vector of numbers from elements stored in a type; under a mask, zeros elsewhere."""
    if stored not in HALVES:
        return c.load(address, kind) if mask is None else c.masked_load(address, mask, kind)
    held = _like(kind, ir.HalfType() if stored == "float16" else _BITS)
    value = c.load(address, held) if mask is None else c.masked_load(address, mask, held)
    return widened(c, value, kind)


def widened(c: Code, value: ir.Value, kind: ir.Type) -> ir.Value:
    """Stored elements as numbers, exactly."""
    if value.type == kind:
        return value
    if isinstance(_element(value.type), ir.HalfType):
        return c.builder.fpext(value, kind)
    wide = _like(kind, _WIDE)
    # a bfloat16 is the upper half of a float32
    return c.builder.bitcast(c.builder.shl(c.builder.zext(value, wide), _constant(wide, 16)), kind)


def narrowed(c: Code, value: ir.Value, stored: str) -> ir.Value:
    """Numbers as they are stored: rounded to nearest, ties to even."""
    if stored not in HALVES:
        return value
    if stored == "float16":
        return c.builder.fptrunc(value, _like(value.type, ir.HalfType()))
    b, wide = c.builder, _like(value.type, _WIDE)
    bits = b.bitcast(value, wide)
    odd = b.and_(b.lshr(bits, _constant(wide, 16)), _constant(wide, 1))
    rounded = b.add(bits, b.add(odd, _constant(wide, 0x7FFF)))
    # rounding a NaN could carry it into infinity: its top bits with a quiet bit are a NaN
    quiet = b.or_(bits, _constant(wide, 0x400000))
    kept = b.select(b.unordered(value, value), quiet, rounded)
    return b.trunc(b.lshr(kept, _constant(wide, 16)), _like(value.type, _BITS))


def _element(kind: ir.Type) -> ir.Type:
    return kind.element if isinstance(kind, ir.VectorType) else kind


def _like(kind: ir.Type, element: ir.Type) -> ir.Type:
    return ir.VectorType(element, kind.count) if isinstance(kind, ir.VectorType) else element


def _constant(kind: ir.Type, value: int) -> ir.Constant:
    return ir.Constant(kind, [value] * kind.count if isinstance(kind, ir.VectorType) else value)
