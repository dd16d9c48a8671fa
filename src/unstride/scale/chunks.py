"""Chunks of a local Zarr array, read and written as files by the thread that needs them.

Zarr itself does so on one event loop for all threads. The two usual ways to store a chunk, as plain bytes or compressed
by Zstandard, are simple enough to be done in place: https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html
"""

from __future__ import annotations

import os
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Place: TypeAlias = tuple[slice, ...]
"""a box of an array: one slice for each axis"""
LITTLE = ({"name": "bytes"}, {"name": "bytes", "configuration": {"endian": "little"}})
"""how elements become bytes"""


class Kept:
    """Chunks that were decompressed last, as many bytes as may be: windows of neighbouring tiles meet in them.

    Their memory is taken once: pieces that come and go between others would leave gaps.
    """

    def __init__(self, most: int, chunks: tuple[int, ...], dtype: Any) -> None:
        count = most // max(1, prod(chunks) * np.dtype(dtype).itemsize)
        self._memory = np.empty((count, *chunks), dtype)
        self._free = list(range(count))
        self._slots: OrderedDict[tuple[int, ...], int] = OrderedDict()
        self._readers = Counter[int]()
        self._lock = Lock()

    def read(self, at: tuple[int, ...], inner: Place, out: Array) -> bool:
        """Copy a part of a chunk, where it is kept."""
        with self._lock:
            slot = self._slots.get(at)
            if slot is None:
                return False
            self._slots.move_to_end(at)
            self._readers[slot] += 1
        out[...] = self._memory[slot][inner]
        with self._lock:
            self._readers[slot] -= 1
        return True

    def add(self, at: tuple[int, ...], chunk: Array) -> None:
        """Keep a chunk instead of the one that was not asked for longest."""
        with self._lock:
            if at in self._slots:
                return
            if not self._free:
                idle = (known for known, slot in self._slots.items() if not self._readers[slot])
                oldest = next(idle, None)
                if oldest is None:
                    return
                self._free.append(self._slots.pop(oldest))
            slot = self._free.pop()
        self._memory[slot] = chunk
        with self._lock:
            if at in self._slots:  # another thread was as fast
                self._free.append(slot)
            else:
                self._slots[at] = slot


@dataclass(frozen=True, slots=True)
class Files:
    """The chunk files of one array."""

    folder: Path
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    fill: Any
    key: Callable[[tuple[int, ...]], str]
    """the file's name, from the chunk's place in the grid"""
    zstd: Any
    """the compressor; None for plain bytes"""
    kept: Kept | None = None
    """decompressed chunks"""

    @classmethod
    def of(cls, array: Any, folder: Path | None) -> Files | None:
        """Of a Zarr array in a folder; None where its chunks are stored in another way."""
        metadata = array.metadata
        if folder is None or not folder.is_dir() or metadata.zarr_format != 3 or array.shards is not None:
            return None
        first, *rest = (codec.to_dict() for codec in metadata.codecs)
        plain = np.dtype(array.dtype).kind in "iufc" and np.dtype(array.dtype).isnative and np.little_endian
        if not plain or first not in LITTLE or [codec["name"] for codec in rest] not in ([], ["zstd"]):
            return None
        if metadata.storage_transformers or type(metadata.chunk_grid).__name__ != "RegularChunkGrid":
            return None
        key = metadata.encode_chunk_key
        return cls(folder, tuple(array.chunks), np.dtype(array.dtype), array.fill_value, key, _zstd(rest))

    @property
    def nbytes(self) -> int:
        """Bytes of a chunk."""
        return int(prod(self.chunks) * self.dtype.itemsize)

    def keeping(self, most: int) -> Files:
        """The same, which keep at most so many bytes of what they decompress."""
        return self if self.zstd is None else replace(self, kept=Kept(most, self.chunks, self.dtype))

    def read(self, at: tuple[int, ...], inner: Place, out: Array) -> None:
        """Copy a part of a chunk; the fill value where it has no file. Raises OSError or ValueError."""
        if self.kept and self.kept.read(at, inner, out):
            return
        path = self.folder / self.key(at)
        try:
            if self.zstd is None:
                if path.stat().st_size != self.nbytes:
                    raise self._cut(path.stat().st_size)
                out[...] = np.memmap(path, self.dtype, "r", shape=self.chunks)[inner]
                return
            data = self.zstd.decode(path.read_bytes())
        except FileNotFoundError:
            out[...] = self.fill
            return
        except RuntimeError as error:  # what the compressor raises
            raise ValueError(error) from None
        if len(data) != self.nbytes:
            raise self._cut(len(data))
        chunk = np.frombuffer(data, self.dtype).reshape(self.chunks)
        out[...] = chunk[inner]
        if self.kept:
            self.kept.add(at, chunk)

    def _cut(self, had: int) -> ValueError:
        return ValueError(f"it holds {had:,} bytes, {self.nbytes:,} are due")

    def write(self, at: tuple[int, ...], chunk: Array) -> None:
        """Write a chunk, or what there is of one at the array's end, whole or not at all. Raises OSError."""
        if chunk.shape != self.chunks:
            whole = np.full(self.chunks, self.fill, self.dtype)
            whole[tuple(map(slice, chunk.shape))] = chunk
            chunk = whole
        chunk = np.ascontiguousarray(chunk, self.dtype)
        data = chunk.data if self.zstd is None else self.zstd.encode(chunk)
        path = self.folder / self.key(at)
        temporary = path.with_name(f".{os.urandom(8).hex()}.partial")
        try:
            _open(temporary, data)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def _open(path: Path, data: Any) -> None:
    try:
        path.write_bytes(data)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _zstd(codecs: list[dict[str, Any]]) -> Any:
    if not codecs:
        return None
    from numcodecs import Zstd  # what Zarr compresses with

    return Zstd(**codecs[0]["configuration"])
