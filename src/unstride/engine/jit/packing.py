"""Weights brought into the order of the code: for each block of columns its taps, inputs, columns."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from . import binary, kernels_weights, pool
from .memory import Array, Table, address, table
from .target import Target

BY_ROWS = 2**20
"""bytes of weights from which on rows of columns, where these lie side by side, are packed for all blocks at once"""


@dataclass(frozen=True, slots=True, eq=False)
class Packing:
    """How weights with certain strides are packed."""

    record: Table
    """that of ``kernels_weights``, but for the addresses of source and target"""
    task: int
    """address of the function that packs a part in its place"""
    count: int
    """parts"""
    block: int
    """address of the function that packs a block anywhere; 0 where all had better be packed at once"""
    shape: tuple[int, ...]
    """blocks of columns, taps, input channels, columns; zeros, or the last column again, where one does not exist"""
    size: int
    """bytes of a block"""
    kept: tuple[Table, ...]

    @classmethod
    def of(
        cls,
        dtype: str,
        target: Target,
        width: int,
        taps: Table,
        columns: list[int],
        inputs: tuple[int, int],
        groups: tuple[int, int],
    ) -> Packing:
        """From the offsets of taps and of a group's columns in bytes; how many inputs and groups, and bytes between."""
        item, blocks = np.dtype(dtype).itemsize, -(-len(columns) // width)
        # the last column again where there is none: lanes that are not written may hold anything
        places = table([columns, columns[-1:] * (blocks * width - len(columns))])
        order = np.argsort(taps, kind="stable")
        beside = _beside(item, inputs[1], places[: len(columns)], taps[order])
        if width == 1 and (beside == "inputs" or (beside == "columns" and len(columns) > target.lanes(item))):
            beside = ""
        fields = (taps.ctypes.data, len(taps), *inputs, places.ctypes.data, len(columns), groups[1], blocks)
        record = np.array([0, 0, *fields, order.ctypes.data], np.int64)
        key = (dtype, width, target.lanes(item), beside)
        code = binary.load(f"weights {key}", lambda _: kernels_weights.emit(*key), target)
        shape = (groups[0] * blocks, len(taps), inputs[0], width)
        task, count = "task", groups[0] * blocks
        if beside == "columns" and width == 1:
            task, count = "tap", groups[0] * len(taps)
        elif beside == "columns" and prod(shape) * item >= BY_ROWS:
            task, count = "row", groups[0] * inputs[0]
        block = code.address("block") if task == "task" else 0
        return cls(record, code.address(task), count, block, shape, prod(shape[1:]) * item, (taps, places, order))

    def pack(self, weights: Array, packed: Array) -> None:
        """Fill an array of the ``shape``."""
        record = self.record.copy()
        record[:2] = address(weights), address(packed)
        pool.run(self.task, address(record), self.count)


def _beside(item: int, inputs: int, columns: Table, taps: Table) -> str:
    """What lies side by side in an array of weights: the offsets of its columns and of its taps in order tell."""
    if len(columns) > 1 and np.all(np.diff(columns) == item):
        return "columns"
    if inputs == item:
        return "inputs"
    # taps that meet no output are not packed
    return "taps" if len(taps) > 1 and taps[0] == 0 and np.all(np.diff(taps) == item) else ""
