"""The arrays of an ONNX model: shapes checked before anything is allocated, values read when somebody asks."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Reason, UnstrideError
from ..geometry.layer import ELEMENT_LIMIT
from ..network import Stored

Array = NDArray[Any]

_TYPES: Mapping[int, tuple[str, str]] = {
    1: ("float32", "float_data"),
    2: ("uint8", "int32_data"),
    3: ("int8", "int32_data"),
    4: ("uint16", "int32_data"),
    5: ("int16", "int32_data"),
    6: ("int32", "int32_data"),
    7: ("int64", "int64_data"),
    9: ("bool", "int32_data"),
    10: ("float16", "int32_data"),
    11: ("float64", "double_data"),
    12: ("uint32", "uint64_data"),
    13: ("uint64", "uint64_data"),
    16: ("bfloat16", "int32_data"),
}
"""element type -> its name, and the field that holds values which are not raw bytes"""
_BFLOAT16 = 16
_EXTERNAL = 1
_ENTRIES = ("location", "offset", "length", "checksum", "basepath")


@dataclass(frozen=True, slots=True)
class Folder:
    """Where external data may lie; None: it is not read."""

    path: Path | None = None


def element_type(number: int) -> str:
    """The name of an element type; that of ``bfloat16`` is the wider type it is read as."""
    name = _TYPES.get(number, (f"type {number}", ""))[0]
    return "float32" if name == "bfloat16" else name


def stored(tensor: Any, folder: Folder) -> Stored:
    """A TensorProto as an array that is read on demand; UnstrideError where what it declares is not what it holds."""
    shape = tuple(tensor.dims)
    if any(length < 0 for length in shape) or prod(shape) > ELEMENT_LIMIT:
        raise _broken(tensor, "declares a shape that no array has", shape)
    number = tensor.data_type
    if number not in _TYPES:
        return Stored(shape, element_type(number))
    if tensor.data_location == _EXTERNAL:
        return _external(tensor, shape, folder)
    size = _stored_type(number).itemsize
    if tensor.HasField("raw_data"):
        if len(tensor.raw_data) != prod(shape) * size:
            raise _broken(tensor, f"holds {len(tensor.raw_data)} bytes, its shape needs {prod(shape) * size}", shape)
        return Stored(shape, element_type(number), lambda: _from_bytes(tensor.raw_data, number, shape))
    field = _TYPES[number][1]
    if len(getattr(tensor, field)) != prod(shape):
        raise _broken(tensor, f"holds {len(getattr(tensor, field))} numbers, its shape needs {prod(shape)}", shape)
    return Stored(shape, element_type(number), lambda: _from_numbers(getattr(tensor, field), number, shape))


def _stored_type(number: int) -> np.dtype[Any]:
    """How one element lies in bytes."""
    return np.dtype("<u2") if number == _BFLOAT16 else np.dtype(_TYPES[number][0]).newbyteorder("<")


def _from_bytes(raw: Any, number: int, shape: tuple[int, ...]) -> Array:
    return _widened(np.frombuffer(raw, _stored_type(number)).reshape(shape), number)


def _from_numbers(values: Any, number: int, shape: tuple[int, ...]) -> Array:
    name = _TYPES[number][0]
    try:
        if name in ("float16", "bfloat16"):
            bits = np.array(values, np.uint16).reshape(shape)
            return _widened(bits, number) if name == "bfloat16" else bits.view(np.float16)
        return np.array(values, name).reshape(shape)
    except OverflowError:
        rule = f"holds numbers that are no {name}"
        raise UnstrideError(Reason.FILE, rule, argument="initializer", value=shape) from None


def _widened(array: Array, number: int) -> Array:
    """``bfloat16`` is the upper half of single precision."""
    if number == _BFLOAT16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _broken(tensor: Any, rule: str, shape: tuple[int, ...]) -> UnstrideError:
    return UnstrideError(Reason.FILE, rule, argument=f"initializer {tensor.name[:80]}", value=shape)


# --- external data --------------------------------------------------------------------------------------------


def _external(tensor: Any, shape: tuple[int, ...], folder: Folder) -> Stored:
    """Values in a file under the model's folder; nothing is opened before somebody asks for them."""
    number = tensor.data_type
    if folder.path is None:
        return Stored(shape, element_type(number))
    entries = {entry.key: entry.value for entry in tensor.external_data}
    if set(entries) - set(_ENTRIES):
        raise _broken(tensor, f"external data knows {', '.join(_ENTRIES)} only", shape)
    path = _inside(folder.path, entries.get("location", ""))
    needed = prod(shape) * _stored_type(number).itemsize
    offset, length = _count(entries.get("offset", "0")), _count(entries.get("length", str(needed)))
    if length != needed:
        raise _broken(tensor, f"has {length} bytes of external data, its shape needs {needed}", shape)
    with _opened(path) as file:
        if offset + length > os.fstat(file.fileno()).st_size:
            raise _broken(tensor, f"its external data ends at byte {offset + length}, past the end of the file", shape)
    return Stored(shape, element_type(number), lambda: _mapped(path, offset, number, shape))


def _inside(folder: Path, location: str) -> Path:
    """The file at a relative place in the folder; UnstrideError where the place leads out of it or through a link."""
    parts = PurePosixPath(location).parts
    windows = PureWindowsPath(location)
    odd = not parts or "\0" in location or "\\" in location or ".." in parts
    if odd or PurePosixPath(location).is_absolute() or windows.drive or windows.root:
        rule = "external data must be a file under the model's own folder, named from there"
        raise UnstrideError(Reason.FILE, rule, argument="location", value=location)
    root = folder.resolve()
    path = root.joinpath(*parts)
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError) as error:
        raise UnstrideError(Reason.FILE, f"cannot be read: {error}", argument="location", value=location) from None
    if resolved != path or not path.is_relative_to(root):
        rule = "external data must lie under the model's own folder, not be reached through a link"
        raise UnstrideError(Reason.FILE, rule, argument="location", value=location)
    return path


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise UnstrideError(Reason.FILE, "must be a number of bytes", argument="external data", value=text)
    return int(text)


def _opened(path: Path) -> Any:
    """The file, open to be read; UnstrideError unless it is a regular file that has this one name."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        file = os.fdopen(os.open(path, flags), "rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnstrideError(Reason.FILE, f"cannot be read: {reason}", argument="location", value=path.name) from None
    state = os.fstat(file.fileno())
    if not stat.S_ISREG(state.st_mode) or state.st_nlink > 1:
        file.close()
        rule = "external data must be a regular file without other names (hard links)"
        raise UnstrideError(Reason.FILE, rule, argument="location", value=path.name)
    return file


def _mapped(path: Path, offset: int, number: int, shape: tuple[int, ...]) -> Array:
    if 0 in shape:
        return np.zeros(shape, element_type(number))
    with _opened(path) as file:
        try:
            array = np.memmap(file, _stored_type(number), "r", offset, shape)
        except (OSError, ValueError) as error:
            rule = f"cannot be read: {error}"
            raise UnstrideError(Reason.FILE, rule, argument="location", value=path.name) from None
    return _widened(array, number)
