"""Arrays in ``.npy``, ``.npz`` and ``.safetensors`` files; nothing pickled is read, nothing half written stays.

A file with several arrays is named with the array's key: ``weights.npz:kernel``.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .engine.memory import check_bytes
from .errors import Reason, UnstrideError
from .whole import write_whole

SUFFIXES = (".npy", ".npz", ".safetensors")

_DAMAGE = (
    *(ValueError, KeyError, TypeError, AttributeError, EOFError, MemoryError, OverflowError, RecursionError),
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, TokenError),
)
"""what the libraries raise for files that are not what they say"""


def load(name: str) -> NDArray[Any]:
    """The array in a file, named ``file.npy``, ``file.npz:key`` or ``file.safetensors:key``.

    The key may be left out where the file holds one array. Raises UnstrideError where the file is missing, damaged,
    pickled, of another kind, or declares more bytes than memory holds.
    """
    path, key = _split(name)
    try:
        if path.exists() and not path.is_file():
            raise _unreadable(name, "it is no regular file")
        return _READERS[path.suffix](path, key)
    except UnstrideError:
        raise
    except OSError as error:
        raise _unreadable(name, error.strerror or str(error)) from None
    except _DAMAGE as error:
        raise _unreadable(name, f"it is damaged or not what its name says: {error}") from None


def check_name(name: str) -> None:
    """UnstrideError unless the file's kind can be written and its folder exists; nothing is touched."""
    path, _ = _split(name)
    if not path.parent.is_dir():
        raise UnstrideError(Reason.FILE, "cannot be written: its folder does not exist", argument="file", value=name)
    if path.exists() and not path.is_file():
        raise UnstrideError(Reason.FILE, "cannot be written: it is no regular file", argument="file", value=name)
    if path.suffix == ".safetensors":
        _safetensors()


def save(name: str, array: NDArray[Any]) -> None:
    """Write one array; the file is whole or untouched, as ``whole.write_whole`` says."""
    path, key = _split(name)
    write_whole(path, lambda stream: _WRITERS[path.suffix](stream, key or "y", array), value=name)


def save_safetensors(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write several arrays by their names; the file is whole or untouched, as ``whole.write_whole`` says."""
    write_whole(path, lambda stream: stream.write(_packed(arrays)))


def plain_values(array: NDArray[Any]) -> object:
    """The array as nested lists of JSON's values: complex numbers as [real, imaginary], what is not finite as text."""
    if array.dtype.kind == "c":
        return plain_values(np.stack([array.real, array.imag], axis=-1))
    if array.dtype.kind == "f":
        wide = array.astype(np.float64)
        if not np.isfinite(wide).all():
            return np.where(np.isfinite(wide), wide.astype(object), wide.astype(str)).tolist()
        return wide.tolist()
    return array.tolist()


def _split(name: str) -> tuple[Path, str | None]:
    """File and key; a colon that belongs to the path itself (a drive letter) is left alone."""
    head, colon, key = name.rpartition(":")
    path = Path(head) if colon and Path(head).suffix in SUFFIXES else Path(name)
    if path.suffix not in SUFFIXES:
        rule = f"must end in {', '.join(SUFFIXES)}"
        raise UnstrideError(Reason.FILE, rule, argument="file", value=name, hint="give a file of one of these kinds")
    return path, key if path != Path(name) else None


def _unreadable(name: str, why: str) -> UnstrideError:
    return UnstrideError(Reason.FILE, f"cannot be read: {why}", argument="file", value=name)


def _load_npy(path: Path, key: str | None) -> NDArray[Any]:
    if key is not None:
        raise UnstrideError(Reason.FILE, "an .npy file holds one array, without a key", argument="file", value=key)
    with path.open("rb") as stream:
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(stream)
    check_bytes(prod(shape) * dtype.itemsize, f"the array in {path.name}")
    array: NDArray[Any] = np.load(path, allow_pickle=False)
    return array


def _load_npz(path: Path, key: str | None) -> NDArray[Any]:
    with zipfile.ZipFile(path) as archive:
        chosen = _chosen(path, key, [name.removesuffix(".npy") for name in archive.namelist()])
        check_bytes(archive.getinfo(f"{chosen}.npy").file_size, f"the array {chosen} in {path.name}")
    with np.load(path, allow_pickle=False) as arrays:
        array: NDArray[Any] = arrays[chosen]
    return array


def _load_safetensors(path: Path, key: str | None) -> NDArray[Any]:
    safetensors = _safetensors()
    check_bytes(path.stat().st_size, f"the arrays in {path.name}")
    try:
        with safetensors.safe_open(path, framework="numpy") as arrays:
            array: NDArray[Any] = arrays.get_tensor(_chosen(path, key, list(arrays.keys())))
    except safetensors.SafetensorError as error:
        raise _unreadable(str(path), str(error)) from None
    return array


def _chosen(path: Path, key: str | None, keys: list[str]) -> str:
    if key is None and len(keys) == 1:
        return keys[0]
    if key not in keys:
        held = ", ".join(sorted(keys)) or "none"
        rule = (
            f"needs the name of one of its arrays: {held}" if key is None else f"{key!r} is not in it: it holds {held}"
        )
        raise UnstrideError(Reason.FILE, rule, argument="file", value=str(path), hint=f"write it as {path.name}:name")
    return key


def _safetensors() -> Any:  # the library is optional and ships no types
    try:
        import safetensors
        import safetensors.numpy
    except ImportError:
        hint = "pip install safetensors, or use .npz"
        raise UnstrideError(Reason.FILE, ".safetensors files need the safetensors library", hint=hint) from None
    return safetensors


def _write_npy(stream: Any, key: str, array: NDArray[Any]) -> None:
    del key
    np.save(stream, array, allow_pickle=False)


def _write_npz(stream: Any, key: str, array: NDArray[Any]) -> None:
    # as np.savez does, which cannot name an array after one of its own parameters
    with zipfile.ZipFile(stream, "w") as archive, archive.open(f"{key}.npy", "w", force_zip64=True) as entry:
        np.lib.format.write_array(entry, array, allow_pickle=False)


def _write_safetensors(stream: Any, key: str, array: NDArray[Any]) -> None:
    stream.write(_packed({key: array}))


def _packed(arrays: Mapping[str, NDArray[Any]]) -> Any:
    library = _safetensors()
    for array in arrays.values():
        if array.dtype.kind not in "iufb" or array.dtype.itemsize > 8:
            rule, hint = f"a .safetensors file holds no {array.dtype}", "use .npy or .npz"
            raise UnstrideError(Reason.DTYPE, rule, argument="output", hint=hint)
    return library.numpy.save({key: np.asarray(array, order="C") for key, array in arrays.items()})


_READERS: dict[str, Callable[[Path, str | None], NDArray[Any]]] = {
    ".npy": _load_npy,
    ".npz": _load_npz,
    ".safetensors": _load_safetensors,
}
_WRITERS: dict[str, Callable[[Any, str, NDArray[Any]], None]] = {
    ".npy": _write_npy,
    ".npz": _write_npz,
    ".safetensors": _write_safetensors,
}
