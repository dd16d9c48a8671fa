"""The records of weight gradients: what their tables say and compiled code reads, each field one 64-bit integer."""

from __future__ import annotations

from enum import IntEnum

PAIR = 8
"""bytes of a pair of positions, small and large, in a table"""


class Call(IntEnum):
    """One call: addresses."""

    PLAN = 0
    SMALL = 1
    LARGE = 2
    GRADIENT = 3
    SCRATCH = 4


class Plan(IntEnum):
    """What all calls share: addresses of tables, offsets in a worker's scratch, strides in bytes."""

    TASKS = 0
    CHUNKS = 1
    PARTS = 2
    PAIRS = 3
    SCRATCH = 4
    """bytes of one worker's scratch"""
    SMALL_TILE = 5
    LARGE_TILE = 6
    SMALL_PANELS = 7
    LARGE_PANELS = 8
    SMALL_FIRST = 9
    """whether the small side's array is channels first, and is packed through its tile"""
    LARGE_FIRST = 10
    SMALL_ROW = 11
    """bytes from position to position of a channels-last array"""
    LARGE_ROW = 12
    SMALL_CHANNEL = 13
    """bytes from channel to channel of a channels-first array"""
    LARGE_CHANNEL = 14
    SMALL_IMAGE = 15
    LARGE_IMAGE = 16
    LARGE_LEADS = 17
    """per axis before the one that is cut, two fields"""
    PANELS = 19
    """whether the small side's positions are gathered in panels"""
    GRADIENT_ROW = 20
    DILATION = 21
    """along the last axis"""
    EDGE = 22
    """where in the scratch a tile lies whose columns do not all exist"""


class Task(IntEnum):
    """A range of chunks, and a range of channels of each side."""

    FIRST = 0
    LAST = 1
    SMALL = 2
    """bytes before its small channels"""
    SMALL_COUNT = 3
    LARGE = 4
    LARGE_COUNT = 5
    GRADIENT = 6
    FRESH = 7
    """whether its first chunk meets every tap, and so may write where later ones add"""


class Chunk(IntEnum):
    """A block of small positions, and the window of large ones that they meet."""

    SMALL = 0
    """bytes before it"""
    LARGE = 1
    IMAGES = 2
    POSITIONS = 3
    """small positions of an image"""
    LEADS = 4
    """large indices on each of two axes before the one that is cut, two fields"""
    WINDOW = 6
    """large positions from there on: side by side in a channels-first array"""
    FIRST = 7
    """its parts"""
    LAST = 8
    SLOTS = 9
    """bytes before the table of large positions in the order of their panels"""
    SLOT_COUNT = 10


class Part(IntEnum):
    """A tap, or taps side by side, with the positions of a chunk at which they meet the large side."""

    PAIRS = 0
    """bytes before its table"""
    COUNT = 1
    SMALL = 2
    """positions before its first"""
    LARGE = 3
    GRADIENT = 4
    """bytes before its sums"""
    TAPS = 5
    WHOLE = 6
    """whether no part before it wrote to its sums, and it writes all of them"""
