"""The records of ``kernels_depthwise``, and what its code depends on: each field is one 64-bit integer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from .ends import End


class Shared(IntEnum):
    """What all calls of a layer share: addresses of tables, sizes, bytes."""

    TASKS = 0
    ROWS = 1
    RUNS = 2
    STEP = 3
    """between neighbouring positions"""
    INPUTS = 4
    """positions of an input row"""
    OUTPUTS = 5
    """positions of an output row"""
    INNER = 6
    """the first place whose inputs and outputs all exist …"""
    INNER_END = 7
    """… and where such places end"""
    OUTER_TAP = 8
    """a block's weights for one tap of the axes before the last"""
    WIDTH = 9
    """a block's channels"""
    BLOCKS = 10
    TAPS = 11
    """weights of a channel"""
    SHIFT = 12
    """the least of the taps' shifts"""


class Task(IntEnum):
    """Ranges of rows of one image, of places in a row, of blocks of channels."""

    X = 0
    Y = 1
    ROW = 2
    ROW_END = 3
    PLACE = 4
    PLACE_END = 5
    BLOCK = 6
    BLOCK_END = 7


class Row(IntEnum):
    """An output row."""

    RUNS = 0
    """bytes before its runs: for each tap of the axes before the last, bytes before its inputs, and its number"""
    RUN_COUNT = 1
    X = 2
    Y = 3


class Tap(NamedTuple):
    """A tap of the last axis: outputs of the phase at place ``m`` meet it at input ``along·m + least + shift``."""

    phase: int
    shift: int
    number: int


@dataclass(frozen=True, slots=True)
class Form:
    """What the code of a layer depends on."""

    dtype: str
    vectors: int
    """vectors of channels in a block"""
    places: int
    """places of a tile"""
    along: int
    """inputs from one place to the next"""
    phases: int
    """outputs from one place to the next"""
    taps: tuple[Tap, ...]
    widths: tuple[int, ...]
    """channels that blocks have"""
    asks: bool
    """whether inputs are asked for before they are needed"""
    asks_outputs: bool
    """whether lines of outputs are, before a tile's sums"""
    end: End

    @property
    def item(self) -> int:
        """Bytes of an element."""
        return 8 if self.dtype == "float64" else 4

    @property
    def key(self) -> str:
        """Tells its code from any other's."""
        return f"depthwise {self}"
