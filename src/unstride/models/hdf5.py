"""Arrays of an HDF5 file, read with the guards that a file from elsewhere needs.

Only plain arrays of numbers, stored in the file itself, of a shape that is known beforehand: no links to other places,
no external or virtual storage, no filters but gzip, and no array that unpacks to many times its stored bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from math import prod
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import Reason, UnstrideError
from .limits import EXPANSION_LIMIT, SMALL

Array = NDArray[Any]
Opener: TypeAlias = Callable[[], AbstractContextManager[IO[bytes]]]
"""opens the file's bytes anew"""

_FILTERS = (1, 2, 3)
"""gzip, shuffle, and a checksum: the ones that the HDF5 library itself has"""
_DAMAGE = (OSError, RuntimeError, KeyError, TypeError, AttributeError, OverflowError, IndexError, MemoryError, EOFError)
"""what the library raises for files that are not what they say"""


@contextmanager
def opened(opener: Opener, name: str) -> Iterator[Any]:
    """The file's root group; UnstrideError where it is no HDF5 file, is damaged, or the library is not installed."""
    try:
        import h5py
    except ImportError:
        hint = "pip install 'unstride[models]', or leave the weights out"
        raise UnstrideError(
            Reason.FILE, "HDF5 files need the h5py library", argument="file", value=name, hint=hint
        ) from None
    with opener() as stream:
        try:
            with h5py.File(stream, "r") as file:
                yield file
        except UnstrideError:
            raise
        except (*_DAMAGE, ValueError) as error:
            rule = f"its weights are no sound HDF5 file: {_line(error)}"
            raise UnstrideError(Reason.FILE, rule, argument="file", value=name) from None


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0][:200]


def checked(root: Any, path: str, shape: tuple[int, ...]) -> Any:
    """The dataset at ``path``, if it is a plain array of that shape; UnstrideError otherwise."""
    import h5py

    found = root
    parts = path.split("/")
    for depth, part in enumerate(parts):
        if part not in found:
            raise _refused(path, "is not in the file")
        if not isinstance(found.get(part, getlink=True), h5py.HardLink):
            raise _refused(path, "is a link to another place")
        found = found[part]
        wanted = h5py.Dataset if depth == len(parts) - 1 else h5py.Group
        if not isinstance(found, wanted):
            raise _refused(path, "is no array" if wanted is h5py.Dataset else "lies in no group")
    _check_storage(found, path)
    _check_type(found, path)
    if found.shape != shape:
        rule = f"has the shape {found.shape}, the model needs {shape}"
        raise _refused(path, rule)
    _check_stored(found, path)
    return found


def _check_storage(dataset: Any, path: str) -> None:
    if dataset.is_virtual or dataset.external:
        raise _refused(path, "keeps its numbers in another place")
    created = dataset.id.get_create_plist()
    if any(created.get_filter(i)[0] not in _FILTERS for i in range(created.get_nfilters())):
        raise _refused(path, "is compressed with something else than gzip")


def _check_type(dataset: Any, path: str) -> None:
    kind = dataset.dtype
    plain = kind.kind in "fiu" and kind.itemsize <= 8 and kind.subdtype is None
    if not plain and not _is_bfloat16(dataset):
        raise _refused(path, f"holds {kind} instead of numbers")


def _is_bfloat16(dataset: Any) -> bool:
    """Whether the numbers are the upper halves of single-precision ones, which HDF5 has no type for."""
    return bool(dataset.dtype.kind == "V" and dataset.dtype.itemsize == 2 and dataset.attrs.get("dtype") == "bfloat16")


def _check_stored(dataset: Any, path: str) -> None:
    """An array must not be many times as large as what is stored of it, nor a chunk larger than the array."""
    declared, stored = prod(dataset.shape) * dataset.dtype.itemsize, dataset.id.get_storage_size()
    chunk = prod(dataset.chunks or (1,)) * dataset.dtype.itemsize
    allowed = SMALL + EXPANSION_LIMIT * stored if dataset.chunks else stored
    if declared > allowed or chunk > max(declared, SMALL):
        rule = f"declares {max(declared, chunk)} bytes, {stored} are stored"
        raise UnstrideError(Reason.TOO_LARGE, rule, argument="weights", value=path)


def values(root: Any, path: str, shape: tuple[int, ...]) -> Array:
    """The numbers of a checked dataset; bfloat16 as single precision, which holds the same values."""
    dataset = checked(root, path, shape)
    if not _is_bfloat16(dataset):
        plain: Array = np.asarray(dataset[()])
        return plain
    halves = np.asarray(dataset[()]).view("<u2").reshape(shape)
    return (halves.astype("<u4") << 16).view("<f4")


def _refused(path: str, rule: str) -> UnstrideError:
    return UnstrideError(Reason.FILE, rule, argument="weights", value=path)
