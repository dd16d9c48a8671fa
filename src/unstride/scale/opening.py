"""Which array a name means: a Zarr array or a level of a group, a ``.npy`` file, a TIFF file; and the output's own."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Reason, UnstrideError
from .arrays import TIFF, Chunked, Memory, Npy, Written, unreadable, unwritable


def library() -> Any:
    """Zarr, which is optional."""
    try:
        import zarr
    except ImportError:
        rule, hint = "arrays in files need the zarr library", "pip install 'unstride[scale]'"
        raise UnstrideError(Reason.FILE, rule, hint=hint) from None
    return zarr


def open_input(source: Any) -> Memory:
    """The array to read: a NumPy or Zarr array, a Zarr store, or the name of a Zarr array, ``.npy`` or TIFF file.

    A level of a TIFF file or a group is named after it: ``cells.ome.tif:1``, ``cells.zarr/0``. Raises UnstrideError
    for what cannot be read.
    """
    if isinstance(source, np.ndarray):
        return Memory("input", source)
    zarr = library()
    if isinstance(source, zarr.Array):
        return Chunked(str(source.store_path), source, _local(source))
    if not isinstance(source, (str, Path)):
        return _opened(zarr, source, str(source))
    path, level = _level(str(source))
    if "://" not in str(source) and not path.exists():
        rule = "cannot be read: there is no such file or folder"
        raise UnstrideError(Reason.FILE, rule, argument="input", value=str(path))
    if path.suffix.lower() in TIFF:
        return _tiff(zarr, path, level)
    return Npy(path) if path.suffix.lower() == ".npy" else _opened(zarr, source, str(source))


def _level(name: str) -> tuple[Path, int]:
    """A file's name and the level after it; ``cells.tif:1`` is level 1."""
    head, colon, last = name.rpartition(":")
    return (
        (Path(head), int(last)) if colon and last.isdecimal() and Path(head).suffix.lower() in TIFF else (Path(name), 0)
    )


def _tiff(zarr: Any, path: Path, level: int) -> Memory:
    try:
        import tifffile
    except ImportError:
        rule, hint = "TIFF files need the tifffile library", "pip install 'unstride[scale]'"
        raise UnstrideError(Reason.FILE, rule, argument="input", value=str(path), hint=hint) from None
    try:
        store = tifffile.imread(path, aszarr=True, level=level)
    except Exception as error:  # a damaged file may raise anything
        raise unreadable(str(path), error) from None
    return Chunked(f"{path}:{level}" if level else str(path), zarr.open_array(store, mode="r"), path, store)


def _opened(zarr: Any, source: Any, name: str) -> Memory:
    try:
        found = zarr.open(source, mode="r")
    except Exception as error:  # a store may raise anything
        raise unreadable(name, error) from None
    if isinstance(found, zarr.Group):
        held = ", ".join(sorted(key for key, _ in found.arrays())) or "none"
        rule, hint = f"is a group, with the arrays: {held}", f"name one: {name}/0"
        raise UnstrideError(Reason.FILE, rule, argument="input", value=name, hint=hint)
    return Chunked(name, found, _local(found))


def _local(array: Any) -> Path | None:
    """The folder that holds a Zarr array, where one does."""
    root = getattr(array.store, "root", None)
    return root / array.path if isinstance(root, Path) else None


def open_output(
    target: Any, shape: tuple[int, ...], dtype: Any, chunks: tuple[int, ...], shards: tuple[int, ...] | None = None
) -> Written:
    """The Zarr array to write: created, or the one that is there where it has this shape, type and chunks.

    Raises UnstrideError for one that does not fit, and for a store that cannot be written to.
    """
    zarr = library()
    found = target if isinstance(target, zarr.Array) else existing(target)
    if found is None:
        found = _created(zarr, target, shape, dtype, chunks, shards)
    _check_fits(found, shape, dtype, chunks, shards)
    name = str(target) if isinstance(target, (str, Path)) else str(found.store_path)
    return Written(name, found, _local(found))


def existing(target: Any) -> Any:
    """The Zarr array that is there, or None."""
    zarr = library()
    if isinstance(target, zarr.Array):
        return target
    try:
        return zarr.open_array(target, mode="r+")
    except FileNotFoundError:  # zarr.errors.ArrayNotFoundError among them
        return None
    except Exception as error:  # a store may raise anything
        raise unwritable(str(target), error) from None


def _created(zarr: Any, target: Any, shape: tuple[int, ...], dtype: Any, chunks: Any, shards: Any) -> Any:
    try:
        return zarr.create_array(target, shape=shape, dtype=dtype, chunks=chunks, shards=shards)
    except zarr.errors.ContainsArrayError:  # another process was faster
        return zarr.open_array(target, mode="r+")
    except Exception as error:  # a store may raise anything
        raise unwritable(str(target), error) from None


def _check_fits(found: Any, shape: tuple[int, ...], dtype: Any, chunks: Any, shards: Any) -> None:
    wanted = {"shape": shape, "dtype": np.dtype(dtype), "chunks": chunks, "shards": shards}
    has = {"shape": found.shape, "dtype": np.dtype(found.dtype), "chunks": found.chunks, "shards": found.shards}
    for name, want in wanted.items():
        if want is not None and has[name] != want:
            rule = f"the array that is there has the {name} {has[name]}, the output has {want}"
            raise UnstrideError(
                Reason.FILE, rule, argument="output", value=str(found.store_path), hint="give another name"
            )


def chunk_shape(
    shape: tuple[int, ...], itemsize: int, whole: tuple[int | None, int | None], most: int
) -> tuple[int, ...]:
    """Chunks of at most so many bytes: one element of the batch, all channels, powers of two along the spatial axes.

    ``whole`` are the axes of batch and channels. Channels are divided where a single place is too large.

    >>> chunk_shape((2, 3, 1000, 1000), 4, (0, 1), 2**20)
    (1, 3, 256, 256)
    """
    batch, channels = whole
    own = [1 if axis == batch else length for axis, length in enumerate(shape)]
    while prod(own) * itemsize > most and max(own) > 1:
        free = [axis for axis in range(len(own)) if axis != channels and own[axis] > 1] or [channels or 0]
        axis = max(reversed(free), key=own.__getitem__)
        own[axis] = 1 << ((own[axis] - 1).bit_length() - 1)
    return tuple(own)


def chunks_of(tile: tuple[int, ...], itemsize: int, most: int) -> tuple[int, ...]:
    """Chunks of at most so many bytes of which a tile is whole multiples, as far as its lengths are even.

    >>> chunks_of((1, 600, 600), 4, 2**20)
    (1, 300, 600)
    """
    own = list(tile)
    while prod(own) * itemsize > most and any(length % 2 == 0 for length in own):
        axis = max((each for each in range(len(own)) if own[each] % 2 == 0), key=own.__getitem__)
        own[axis] //= 2
    return tuple(own)
