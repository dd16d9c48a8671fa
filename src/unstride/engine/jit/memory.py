"""Memory that compiled code reads and writes: aligned arrays, tables of integers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Table = NDArray[np.int64]
ALIGNMENT = 64
"""bytes of a cache line"""


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What a call needs beside its arrays."""

    plan: Table
    task_count: int
    scratch: int
    """bytes for each worker"""
    kept: tuple[Table, ...]
    """the tables that the plan points to"""


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A new array that starts on a cache line."""
    size = prod(shape) * dtype.itemsize
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


def table(rows: Iterable[Iterable[int]]) -> Table:
    """The integers of all rows, one after the other."""
    return np.array([value for row in rows for value in row], np.int64)
