"""Memory that compiled code reads and writes: aligned arrays, tables of integers."""

from __future__ import annotations

import ctypes
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Table = NDArray[np.int64]
ALIGNMENT = 64
"""bytes of a cache line"""
_BYTE = np.dtype(np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What a call needs beside its arrays."""

    plan: Table
    task_count: int
    scratch: int
    """bytes for each worker"""
    kept: tuple[Table, ...]
    """the tables that the plan points to"""
    once: bool = False
    """whether one task alone reads each block of weights"""


class Scratch:
    """Memory that one call uses and the next may use again."""

    __slots__ = ("address", "words")

    def __init__(self, size: int) -> None:
        self.words = empty((size // 8,), np.dtype(np.int64))
        self.address = int(self.words.ctypes.data)


_FREE: dict[int, list[Scratch]] = defaultdict(list)
"""for each power of two, scratches of so many bytes that no call uses"""
KEPT = 4
"""scratches of one size that are kept"""
LARGEST = 2**26
"""bytes beyond which none is kept"""
LEARNT = 2**25 - 2**16
"""bytes: a little below the largest block that glibc's allocator learns from (mallopt(3), M_MMAP_THRESHOLD)"""


def take(size: int) -> Scratch:
    """A scratch of at least ``size`` bytes, of any content."""
    try:
        return _FREE[size.bit_length()].pop()
    except IndexError:
        return Scratch(1 << size.bit_length())


def give(scratch: Scratch, size: int) -> None:
    """A scratch that was taken for ``size`` bytes, to be used again."""
    free = _FREE[size.bit_length()]
    if len(free) < KEPT and size <= LARGEST:
        free.append(scratch)


_allocate: Callable[[int], Array] | None = None


def follow(allocate: Callable[[int], Array]) -> None:
    """Take the memory of outputs where the framework that calls takes its own: so many bytes on a cache line.

    What one frees the other takes again: blocks of another size, from elsewhere, would be asked of the system and
    given back to it with every call, a page at a time.
    """
    global _allocate  # noqa: PLW0603 - a setting of the process
    _allocate = allocate


@cache
def keep_freed() -> None:
    """Bring the allocator to keep what is freed for the next call.

    glibc gives it back to the system unless a block as large has been freed before, and then each call asks for the
    pages of its output again.
    """
    np.empty(LEARNT, np.uint8)  # freed at once, never touched


def output(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A new array for a layer's output, that starts on a cache line."""
    keep_freed()
    if _allocate is None:
        return empty(shape, dtype)
    return _allocate(prod(shape) * dtype.itemsize).view(dtype).reshape(shape)


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A new array that starts on a cache line."""
    raw = np.empty(prod(shape) * dtype.itemsize + ALIGNMENT, _BYTE)
    return np.ndarray(shape, dtype, raw, -address(raw) % ALIGNMENT)


def address(array: Array) -> int:
    """Where an array's elements lie; NumPy takes longer to tell."""
    offset = address_offset()
    return int(array.ctypes.data) if offset is None else ctypes.c_size_t.from_address(id(array) + offset).value


@cache
def address_offset() -> int | None:
    """Bytes in an array object before its elements' address; none where arrays are not built as CPython's are.

    NumPy's C API: in ``PyArrayObject_fields`` the address follows the object's head.
    """
    probe, offset = np.zeros(1), object.__basicsize__
    if sys.implementation.name != "cpython" or np.ndarray.__basicsize__ < offset + ctypes.sizeof(ctypes.c_void_p):
        return None
    found = ctypes.c_void_p.from_address(id(probe) + offset).value
    return offset if found == probe.ctypes.data else None


def table(rows: Iterable[Iterable[int]]) -> Table:
    """The integers of all rows, one after the other."""
    return np.array([value for row in rows for value in row], np.int64)
