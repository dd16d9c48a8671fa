"""The records that plans write and compiled code reads: each field is one 64-bit integer."""

from __future__ import annotations

from enum import IntEnum

WORD = 8
"""bytes of a field"""
HEADER = 64
"""bytes at the start of a worker's scratch: which chunk it holds, counted from 1, or 0"""


def size(record: type[IntEnum]) -> int:
    """Bytes of a record."""
    return WORD * (max(record) + 1)


class Call(IntEnum):
    """One call of a layer: addresses."""

    PLAN = 0
    X = 1
    WEIGHTS = 2
    BIAS = 3
    """one number for each packed column"""
    Y = 4
    RESIDUAL = 5
    SCRATCH = 6
    PACK = 7
    """a function that packs a block's weights when they are needed, ``WEIGHTS`` being its record; 0: they are packed"""
    PACKED = 8
    """where each worker keeps the block that it packed"""


class Plan(IntEnum):
    """What all calls of a layer share: addresses of tables, strides and offsets in bytes."""

    TASKS = 0
    CHUNKS = 1
    PARTS = 2
    RUNS = 3
    COLUMNS = 4
    SCRATCH = 5
    """bytes of one worker's scratch"""
    X_TILE = 6
    """where in the scratch the packed inputs lie"""
    Y_TILE = 7
    """where in the scratch the outputs of one block of columns lie"""
    CHANNELS = 8
    """input channels"""
    X_CHANNEL = 9
    X_IMAGE = 10
    X_LEADS = 11
    """per axis before the one that is cut, two fields"""
    Y_CHANNEL = 13
    Y_IMAGE = 14
    STEP = 15
    """bytes of a block's weights; where each column has its own, between those of two"""


class Task(IntEnum):
    """A chunk and a range of column blocks."""

    CHUNK = 0
    FIRST = 1
    LAST = 2


class Chunk(IntEnum):
    """A block of outputs."""

    FIRST = 0
    """its parts"""
    LAST = 1
    IMAGES = 2
    X = 3
    """bytes before its inputs"""
    LEADS = 4
    """input indices on each of two axes before the one that is cut, two fields"""
    WINDOW = 6
    """input positions from there on: side by side in a channels-first array"""
    Y = 7
    """bytes before its outputs"""
    POSITIONS = 8
    """output positions of an image"""


class Part(IntEnum):
    """Output positions of a chunk that meet the same taps."""

    COUNT = 0
    """per axis, three fields"""
    X_STEP = 3
    """per image and axis, four fields"""
    Y_STEP = 7
    X = 11
    Y = 12
    RUNS = 13
    """bytes before its runs"""
    RUN_COUNT = 14
    LENGTH = 15
    """products in a run"""
    LOW = 16
    """the first column that is written"""
    HIGH = 17
    """where the columns that are written end"""


class Column(IntEnum):
    """A block of columns."""

    X = 0
    """bytes before the input channels of its group"""
    WEIGHTS = 1
    BIAS = 2
    Y = 3
    """bytes before its outputs in a position"""
    FIRST = 4
    """number of its first column within the group"""
    COUNT = 5
    """columns that exist"""
