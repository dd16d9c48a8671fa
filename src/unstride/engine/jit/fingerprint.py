"""Whether memory holds what it held: a fingerprint of its bytes, which are read once as fast as memory gives them.

Each 32-bit lane takes its words as xxHash32 does, ``lane = rotate(lane + word·P2, 13)·P1``
(https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md): for odd factors one-to-one in the lane and in the
word, so that no single change is missed; of several in one lane, one in 2³² cases. All lanes of all blocks are kept, so
that a change of everything would have to be missed by each.
"""

from __future__ import annotations

import ctypes
from array import array
from enum import IntEnum
from functools import cache

from . import binary, ir, pool
from .emit import Code
from .kernels_panels import Reader
from .target import Target

FIRST, SECOND, ROTATION = 2654435761, 2246822519, 13
"""xxHash32's two odd factors, and its rotation"""
STRIPE = 128
"""bytes that the lanes take at once"""
BLOCK = 2**16
"""bytes of a task"""
FEW = 2**13
"""bytes that are their own fingerprint"""
MANY = 2**19
"""bytes from which on threads share them"""


class Call(IntEnum):
    """One call: addresses, and bytes."""

    DATA = 0
    LANES = 1
    BYTES = 2


def fingerprint(address: int, size: int) -> bytes:
    """Of so many bytes from an address on: equal for equal bytes, for others all but surely not."""
    if size <= FEW:
        return ctypes.string_at(address, size)
    whole = size // STRIPE * STRIPE
    blocks = -(-whole // BLOCK)
    lanes = ctypes.create_string_buffer(blocks * STRIPE)
    context = array("q", (address, ctypes.addressof(lanes), whole))
    task, _ = _code()
    pool.run(task, context.buffer_info()[0], blocks, 1 if size < MANY else None)
    return lanes.raw + ctypes.string_at(address + whole, size - whole)


@cache
def _code() -> tuple[int, binary.Binary]:
    """The task's address, and what keeps it in memory."""
    code = binary.load("fingerprint", _emit)
    return code.address("fingerprint"), code


def _emit(target: Target) -> ir.Module:
    module, kind = ir.Module("fingerprint"), ir.VectorType(ir.IntType(32), target.lanes(4))
    first, second, left, right = (ir.Constant(kind, n) for n in (FIRST, SECOND, ROTATION, 32 - ROTATION))
    size = 4 * kind.count
    c = Code(module, "fingerprint", 3)
    call = Reader(c, c.arguments[0])
    begin = c.mul(c.arguments[1], BLOCK)
    end = c.minimum(c.add(begin, BLOCK), call[Call.BYTES])
    data, lanes = call[Call.DATA], c.add(call[Call.LANES], c.mul(c.arguments[1], STRIPE))
    with c.loop(end, [first] * (STRIPE // size), begin, STRIPE) as loop:
        for number, lane in enumerate(loop.values):
            word = c.load(c.add(data, loop.index), kind, number * size)
            total = c.builder.add(lane, c.builder.mul(word, second))
            rotated = c.builder.or_(c.builder.shl(total, left), c.builder.lshr(total, right))
            loop.next.append(c.builder.mul(rotated, first))
    for number, lane in enumerate(loop.values):
        c.store(lane, lanes, number * size)
    c.done()
    return module
