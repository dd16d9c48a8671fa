"""Whether memory holds what it held: a fingerprint of its bytes, which are read once as fast as memory gives them.

Each 32-bit lane takes its words as xxHash32 does, ``lane = rotate(lane + word·P2, 13)·P1``
(https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md): for odd factors one-to-one in the lane and in the
word, so that no single change is missed; of several in one lane, one in 2³² cases. All lanes of all blocks are kept, so
that a change of everything would have to be missed by each.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from enum import IntEnum
from functools import cache

import numpy as np

from . import binary, ir, pool
from .calls import Job
from .emit import INT, Code
from .kernels_panels import Reader
from .memory import ALIGNMENT, empty, table
from .records import WORD, size
from .target import Target

FIRST, SECOND, ROTATION = 2654435761, 2246822519, 13
"""xxHash32's two odd factors, and its rotation"""
STRIPE = 128
"""bytes that the lanes take at once"""
AHEAD = 4096
"""bytes that are asked for before they are needed: they come from memory, and no CPU foresees so much"""
BLOCK = 2**16
"""bytes of a task"""
MANY = 2**19
"""bytes from which on threads share them"""


class Call(IntEnum):
    """One call."""

    BLOCKS = 0
    """address of the records of ``Block``"""
    CHANGED = 1
    """where bytes are compared: whether any are others"""


class Block(IntEnum):
    """Bytes that a task reads."""

    DATA = 0
    """their address"""
    BYTES = 1
    LANES = 2
    """address of their fingerprint"""


class Fingerprint:
    """Of stretches of memory, each an address and bytes: taken at once, and compared later."""

    def __init__(self, stretches: Iterable[tuple[int, int]]) -> None:
        blocks = [
            (address + start, min(BLOCK, length - start))
            for address, length in stretches
            for start in range(0, length, BLOCK)
        ]
        self._lanes = empty((len(blocks), STRIPE), np.dtype(np.uint8))
        lanes = int(self._lanes.ctypes.data)
        self._blocks = table((*block, lanes + STRIPE * number) for number, block in enumerate(blocks))
        self._code, self.count, self._records = _code(), len(blocks), int(self._blocks.ctypes.data)
        self._threads = None if sum(length for _, length in blocks) >= MANY else 1
        self._run("take", self.record())

    def holds(self) -> bool:
        """Whether the memory, which must still be there, holds what it held; all but surely not where it does not."""
        record = self.record()
        self._run("compare", record)
        return self.held(record)

    def record(self) -> array[int]:
        """Of a comparison."""
        return array("q", (self._records, 0))

    def job(self, record: array[int]) -> Job:
        """The comparison, to be done with other tasks; afterwards ``held`` tells what came of it."""
        return Job(self._code.address("compare"), record.buffer_info()[0], self.count)

    @staticmethod
    def held(record: array[int]) -> bool:
        """Whether a comparison that is done found no change."""
        return not record[Call.CHANGED]

    def _run(self, task: str, record: array[int]) -> None:
        pool.run(self._code.address(task), record.buffer_info()[0], self.count, self._threads)


@cache
def _code() -> binary.Binary:
    return binary.load("fingerprint", _emit)


def _emit(target: Target) -> ir.Module:
    """The tasks ``take`` and ``compare``."""
    module = ir.Module("fingerprint")
    kind = ir.VectorType(ir.IntType(32), target.lanes(4))
    _emit_take(Code(module, "take", 3), kind)
    _emit_compare(Code(module, "compare", 3), kind)
    return module


def _emit_take(c: Code, kind: ir.VectorType) -> None:
    block = _block(c)
    for number, lane in enumerate(_lanes(c, block, kind)):
        c.store(lane, block[Block.LANES], number * 4 * kind.count)
    c.done()


def _emit_compare(c: Code, kind: ir.VectorType) -> None:
    block, b = _block(c), c.builder
    others: ir.Value = ir.Constant(kind, None)
    for number, lane in enumerate(_lanes(c, block, kind)):
        others = b.or_(others, b.xor(lane, c.load(block[Block.LANES], kind, number * 4 * kind.count)))
    word = b.extract_element(others, 0)
    for number in range(1, kind.count):
        word = b.or_(word, b.extract_element(others, number))
    found = b.icmp_signed("!=", word, ir.Constant(ir.IntType(32), 0))
    c.either(found, lambda: c.store(c.constant(1), c.arguments[0], Call.CHANGED * WORD))
    c.done()


def _block(c: Code) -> Reader:
    """The task's record."""
    context, index, _ = c.arguments
    return Reader(c, c.add(Reader(c, context)[Call.BLOCKS], c.mul(index, size(Block))))


def _lanes(c: Code, block: Reader, kind: ir.VectorType) -> list[ir.Value]:
    """A block's fingerprint: its whole stripes, and what is left as a stripe that ends in zeros."""
    first, second, left, right = (ir.Constant(kind, n) for n in (FIRST, SECOND, ROTATION, 32 - ROTATION))
    b, wide = c.builder, 4 * kind.count

    def taken(lanes: list[ir.Value], stripe: ir.Value) -> list[ir.Value]:
        words = (c.load(stripe, kind, number * wide) for number in range(len(lanes)))
        totals = [b.add(lane, b.mul(word, second)) for lane, word in zip(lanes, words, strict=True)]
        return [b.mul(b.or_(b.shl(total, left), b.lshr(total, right)), first) for total in totals]

    data, length = block[Block.DATA], block[Block.BYTES]
    rest = c.sub(length, c.mul(c.div(length, STRIPE), STRIPE))
    whole, last = c.sub(length, rest), b.ptrtoint(b.alloca(ir.ArrayType(INT, STRIPE // WORD)), INT)
    with c.loop(whole, [first] * (STRIPE // wide), step=STRIPE) as loop:
        stripe = c.add(data, loop.index)
        for line in range(0, STRIPE, ALIGNMENT):
            c.prefetch(c.add(stripe, AHEAD + line))
        loop.next += taken(loop.values, stripe)
    for number in range(STRIPE // wide):
        c.store(ir.Constant(kind, None), last, number * wide)
    with c.loop(rest) as byte:
        c.store(c.load(c.add(data, whole, byte.index), ir.IntType(8)), c.add(last, byte.index))
    return taken(loop.values, last)
