"""Arrays that are not in memory: a region is read, a region is written, and what lies there is told apart.

Inputs are Zarr arrays, ``.npy`` files and TIFF files; outputs are Zarr arrays, whose chunks are written whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Reason, UnstrideError
from .chunks import Files, Place

Array = NDArray[Any]

TIFF = (".tif", ".tiff")
AT_ONCE = 2**22
"""bytes of chunks that Zarr may have in hand at once, for each thread"""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Files as they were: a digest of their names, sizes and times, and the latest of these times."""

    digest: str
    latest: int


def stamp(path: Path) -> Stamp:
    """The stamp of a file, or of every file in a folder: one ``stat`` each, nothing is read.

    >>> stamp(Path(__file__)) == stamp(Path(__file__))
    True
    """
    digest, latest = sha256(), 0
    for name, size, time in sorted(_files(path, "")):
        digest.update(f"{name}\0{size}\0{time}\n".encode())
        latest = max(latest, time)
    return Stamp(digest.hexdigest(), latest)


def _files(path: Path, below: str) -> Iterator[tuple[str, int, int]]:
    if path.is_file():
        found = path.stat()
        yield below, found.st_size, found.st_mtime_ns
        return
    with suppress(FileNotFoundError), os.scandir(path) as entries:
        for entry in entries:
            name = f"{below}/{entry.name}"
            if entry.is_dir():
                yield from _files(Path(entry.path), name)
            else:
                found = entry.stat()
                yield name, found.st_size, found.st_mtime_ns


class Memory:
    """An array that is in memory already, read like the others."""

    def __init__(self, name: str, array: Any) -> None:
        self.name = name
        self.array: Any = array
        self.shape, self.dtype = tuple(array.shape), array.dtype
        self.buffer = 0
        """bytes that a read takes besides what it returns"""

    def read(self, place: Place) -> Array:
        """A copy of a region; UnstrideError where it cannot be read."""
        return np.array(self.array[place])

    def keep(self, most: int) -> None:
        """Keep at most so many bytes of what was read, where that saves work."""

    def trace(self, place: Place) -> str:
        """What tells whether the files of a region are those that were read; empty where it has none.

        Raises UnstrideError where one is younger than the array was when it was opened.
        """
        del place
        return ""

    def about(self) -> str:
        """What tells this array from another, as far as it does not lie in the files of regions."""
        return f"{self.shape} {self.dtype} {sha256(np.ascontiguousarray(self.array).data).hexdigest()}"

    def identity(self) -> str:
        """The same with all files: it changes when anything of the array does."""
        return self.about()

    def close(self) -> None:
        """Let go of files."""


class Npy(Memory):
    """A ``.npy`` file; each region is mapped as long as it is copied, so that no page is kept."""

    def __init__(self, path: Path) -> None:
        self.path, self._stamp = path, stamp(path)
        super().__init__(str(path), self._mapped())
        del self.array

    def _mapped(self) -> Array:
        try:
            found: Array = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise unreadable(str(self.path), error) from None
        return found

    def read(self, place: Place) -> Array:
        return np.array(self._mapped()[place])

    def trace(self, place: Place) -> str:
        del place
        return _same(self.name, self.path, self._stamp)

    def about(self) -> str:
        return f"{self.shape} {self.dtype}"

    def identity(self) -> str:
        return f"{self.about()} {stamp(self.path).digest}"


class Chunked(Memory):
    """A Zarr array, wherever it lies; ``path`` is the file or folder that holds it, where one does."""

    def __init__(self, name: str, array: Any, path: Path | None = None, store: Any = None) -> None:
        super().__init__(name, np.empty(0))
        self.array, self.path, self._store = array, path, store
        self.shape, self.dtype = tuple(array.shape), np.dtype(array.dtype)
        self.chunks = tuple(array.shards or array.chunks)
        self.buffer = buffer(self.shape, self.chunks, self.dtype)
        self._singly = singly(self.shape, self.chunks, self.dtype)
        self._files = Files.of(array, path)
        self._stamp = None if path is None else stamp(path)

    def read(self, place: Place) -> Array:
        try:
            return self._read(place)
        except Exception as error:  # a codec may raise anything
            raise self._fault(place, error) from None

    def keep(self, most: int) -> None:
        if self._files:
            self._files = self._files.keeping(most)

    def _read(self, place: Place) -> Array:
        if self._files:
            found = np.empty(tuple(run.stop - run.start for run in place), self.dtype)
            for at, box in boxes(self.chunks, self.shape, place):
                corner = tuple(slice(i * c, (i + 1) * c) for i, c in zip(at, self.chunks, strict=True))
                self._files.read(at, within(box, corner), found[within(box, place)])
            return found
        if not self._singly:
            whole: Array = np.asarray(self.array[place])
            return whole
        part = np.empty(tuple(run.stop - run.start for run in place), self.dtype)
        for _, box in boxes(self.chunks, self.shape, place):
            part[within(box, place)] = self.array[box]
        return part

    def trace(self, place: Place) -> str:
        if self.path is None or self._stamp is None:
            return ""
        if self.path.is_file():
            return _same(self.name, self.path, self._stamp)
        digest = sha256()
        for at, _ in boxes(self.chunks, self.shape, place):
            key = self.key(at)
            with suppress(FileNotFoundError):
                found = (self.path / key).stat()
                if found.st_mtime_ns > self._stamp.latest:
                    raise changed(self.name, f"chunk {key}")
                digest.update(f"{key}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def about(self) -> str:
        metadata = json.dumps(self.array.metadata.to_dict(), sort_keys=True, default=str)
        return f"{self.shape} {self.dtype} {sha256(metadata.encode()).hexdigest()}"

    def identity(self) -> str:
        return self.about() if self.path is None else f"{self.about()} {stamp(self.path).digest}"

    def close(self) -> None:
        if self._store is not None:
            self._store.close()

    def key(self, at: tuple[int, ...]) -> str:
        """The name of the chunk at a place of the chunk grid."""
        return str(self.array.metadata.encode_chunk_key(at))

    def _fault(self, place: Place, error: Exception) -> UnstrideError:
        """The error of a read, with the chunk that cannot be read."""
        for at, box in boxes(self.chunks, self.shape, place):
            try:
                self.array[box]
            except Exception as own:
                return unreadable(self.name, own, f"chunk {self.key(at)}")
        return unreadable(self.name, error)


class Written(Chunked):
    """A Zarr array that is written to, a region of whole chunks at a time."""

    def __init__(self, name: str, array: Any, path: Path | None = None) -> None:
        super().__init__(name, array)
        self.path, self._files = path, Files.of(array, path)
        # Zarr leaves out chunks of nothing but the fill value; one whose first element is another need not be searched
        self._filled = array.with_config({**array.config.to_dict(), "write_empty_chunks": True})

    def write(self, place: Place, part: Array) -> None:
        """Write a region; each chunk is written whole or not at all. UnstrideError names the one that is not."""
        if not (self._singly or self._files):
            with suppress(Exception):  # a store or codec may raise anything: chunk by chunk, it tells at which
                self.array[place] = part
                return
        self._write_singly(place, part)

    def _write_singly(self, place: Place, part: Array) -> None:
        for at, box in boxes(self.chunks, self.shape, place):
            chunk = part[within(box, place)]
            filled = chunk.item(0) != self.array.fill_value
            try:
                if filled and self._files:
                    self._files.write(at, chunk)
                else:
                    (self._filled if filled else self.array)[box] = chunk
            except Exception as error:
                raise unwritable(self.name, error, f"chunk {self.key(at)}") from None


def _same(name: str, path: Path, was: Stamp) -> str:
    """The digest of a file's stamp; UnstrideError where the file is not what it was."""
    if stamp(path) != was:
        raise changed(name, "the file")
    return was.digest


def boxes(chunks: tuple[int, ...], shape: tuple[int, ...], place: Place) -> Iterator[tuple[tuple[int, ...], Place]]:
    """The chunks that a region meets: the place of each in the grid, and the box that the two share.

    >>> list(boxes((4,), (10,), (slice(3, 9),)))
    [((0,), (slice(3, 4, None),)), ((1,), (slice(4, 8, None),)), ((2,), (slice(8, 9, None),))]
    """
    runs = [range(own.start // size, -(-own.stop // size)) for own, size in zip(place, chunks, strict=True)]
    for at in product(*runs):
        edges = zip(at, chunks, shape, place, strict=True)
        yield at, tuple(slice(max(p.start, i * c), min(p.stop, (i + 1) * c, n)) for i, c, n, p in edges)


def within(box: Place, place: Place) -> Place:
    """Where a box lies in an array that holds a region."""
    return tuple(slice(own.start - run.start, own.stop - run.start) for own, run in zip(box, place, strict=True))


def singly(shape: tuple[int, ...], chunks: tuple[int, ...], dtype: Any) -> bool:
    """Whether chunks are read and written one by one: as many as Zarr would have in hand at once are too large."""
    return _chunk_bytes(chunks, dtype) * _at_once(shape, chunks) > AT_ONCE


def buffer(shape: tuple[int, ...], chunks: tuple[int, ...], dtype: Any) -> int:
    """Bytes of the chunks that are in hand at once, as they are stored and as they are read.

    >>> buffer((64, 64), (64, 64), "float32")
    32768
    """
    count = 1 if singly(shape, chunks, dtype) else _at_once(shape, chunks)
    return int(2 * count * _chunk_bytes(chunks, dtype))


def _chunk_bytes(chunks: tuple[int, ...], dtype: Any) -> int:
    return int(prod(chunks) * np.dtype(dtype).itemsize)


def _at_once(shape: tuple[int, ...], chunks: tuple[int, ...]) -> int:
    import zarr

    count = prod(-(-length // size) for length, size in zip(shape, chunks, strict=True))
    return min(count, int(zarr.config.get("async.concurrency") or 64))


def unreadable(name: str, error: Exception, what: str = "") -> UnstrideError:
    """The error of an input that cannot be read."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    rule = f"{what} cannot be read: {said or type(error).__name__}".strip()
    return UnstrideError(Reason.FILE, rule, argument="input", value=name)


def unwritable(name: str, error: Exception, what: str = "") -> UnstrideError:
    """The error of an output that cannot be written."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    rule = f"{what} cannot be written: {said or type(error).__name__}".strip()
    hint = "what is finished stays: make room or mend the store, and run the same again"
    return UnstrideError(Reason.FILE, rule, argument="output", value=name, hint=hint)


def changed(name: str, what: str) -> UnstrideError:
    """The error of an input that is written to while it is read."""
    rule = f"{what} was written to since this was begun: the output would be of two inputs"
    return UnstrideError(Reason.FILE, rule, argument="input", value=name, hint="begin anew: resume=False, --no-resume")
