"""The records of ``kernels_rows``, and what its code depends on: each field is one 64-bit integer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from . import ir
from .emit import INT, Code, Number
from .ends import End
from .records import WORD

At: TypeAlias = tuple[ir.Value, ir.Value, ir.Value]
"""where a tile is: the frame, the row's record, the place"""
Shifts: TypeAlias = tuple[tuple[int, ...], ...]
"""for each phase of a pass, its taps' shifts, the least of all phases' being 0"""


class Rows(IntEnum):
    """What all calls of a layer share: addresses of tables, sizes, strides in bytes."""

    TASKS = 0
    ROWS = 1
    RUNS = 2
    PASSES = 3
    CHANNELS = 4
    """input channels of a group"""
    X_CHANNEL = 5
    """between two of them where the code reads them"""
    Y_CHANNEL = 6
    INPUTS = 7
    """elements of an input row"""
    OUTPUTS = 8
    """elements of an output row"""
    SCRATCH = 9
    """bytes of one worker's scratch"""
    SOURCE = 10
    """between two input channels in the array"""
    LEADS = 11
    """between two input rows, in the array: two axes, two fields"""
    PLANE = 13
    """between two packed rows of the first of these axes"""
    LEFT = 14
    """bytes of zeros before the first packed row of each plane"""
    STEP = 15
    """between neighbours of an input row, in the array"""
    APART = 16
    """between two packed rows"""
    DIFFER = 17
    """whether some packed rows have more inputs than others"""
    MOST = 18
    """input indices that any window has on each of two axes before the last, two fields"""


class Task(IntEnum):
    """A block of channels of one image; ranges of rows, of places in a row, of passes."""

    X = 0
    Y = 1
    WEIGHTS = 2
    BIAS = 3
    COUNT = 4
    """channels that exist"""
    ROW = 5
    ROW_END = 6
    PLACE = 7
    PLACE_END = 8
    PASS = 9
    PASS_END = 10
    WINDOW = 11
    """numbers its packed inputs, from 1"""
    FROM = 12
    """bytes before the inputs to pack"""
    ROWS = 13
    """input indices on each of two axes before the last, two fields"""
    LENGTH = 15
    """elements of an input row to pack"""
    BACK = 16
    """bytes from the start of the packed inputs back to where the row of index 0 would begin"""
    NEXT = 17
    """bytes before the inputs of a channel that will be packed next: the task's share of them …"""
    NEXT_END = 18
    """… and bytes up to its end"""


class Row(IntEnum):
    """Output rows that meet the same taps and are computed at once."""

    RUNS = 0
    """bytes before their runs: for each tap of the axes before the last, bytes before its inputs and its weights"""
    RUN_COUNT = 1
    X = 2
    """of the first row; then Y of the first, X of the second, …"""
    Y = 3


class Pass(IntEnum):
    """Phases that are computed together."""

    FIRST = 0
    """the first one"""
    SHIFT = 1
    """its least shift"""
    WEIGHTS = 2
    TAP = 3
    """bytes of the weights of one tap of the axes before the last"""
    SHAPE = 4


class Frame(IntEnum):
    """What the tiles of one pass share, in the task's stack frame."""

    X = 0
    WEIGHTS = 1
    RUNS = 2
    TAP = 3
    Y = 4
    RESIDUAL = 5
    BIAS = 6
    COUNT = 7
    LOW = 8
    """inputs exist from here …"""
    HIGH = 9
    """… up to here, counted like the places"""
    OUTPUTS = 10
    """outputs from the pass's first phase on"""
    FINITE = 11
    CHANNELS = 12
    X_CHANNEL = 13
    Y_CHANNEL = 14
    SOURCE = 15
    NEXT = 16
    """the line of the inputs that will be packed next that is asked for now …"""
    NEXT_END = 17
    """… up to here"""


@dataclass(frozen=True, slots=True)
class Form:
    """What the code of a layer depends on."""

    dtype: str
    channels: int
    """output channels of a tile"""
    vectors: int
    """vectors of places of a tile, in each of its rows"""
    rows: int
    """output rows of a tile"""
    stride: int
    """outputs from one place to the next"""
    shapes: tuple[Shifts, ...]
    """the passes that differ"""
    single: bool
    """groups have one input channel"""
    packs: bool
    """inputs are packed in a worker's scratch, row by row, with zeros around them"""
    end: End
    beside: int = 0
    """output channels of a position where they lie side by side, all in one tile; 0: each channel lies apart"""
    few: int = 0
    """input channels of a position where they lie side by side, if so few that packing them is a shuffle"""

    @property
    def item(self) -> int:
        """Bytes of an element."""
        return 8 if self.dtype == "float64" else 4

    @property
    def asks(self) -> bool:
        """Whether inputs that will be packed are asked for while others are read."""
        return self.packs and not self.beside

    @property
    def record(self) -> int:
        """Bytes of the record of a tile's rows."""
        return (Row.X + 2 * self.rows) * WORD

    @property
    def key(self) -> str:
        """Tells its code from any other's."""
        return f"rows {self}"


def field(c: Code, record: Number, number: int) -> ir.Value:
    """A field of the record at an address."""
    return c.load(record, INT, number * WORD)
