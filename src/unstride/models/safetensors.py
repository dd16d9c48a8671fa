"""Arrays in ``.safetensors`` files: which there are, from the header alone; values are mapped when asked for.

The file is the header's length in 8 bytes, the header as JSON (name -> element type, shape, where its bytes lie), and
the bytes of all arrays without gaps. Source: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Reason, UnstrideError
from ..files import save_safetensors
from ..network import Stored
from .limits import JSON_LIMIT, MEMBER_LIMIT, checked_file, parse_json

_WIDTHS = (8, 16, 32, 64)
_DTYPES: Mapping[str, str] = {
    **{f"I{bits}": f"int{bits}" for bits in _WIDTHS},
    **{f"U{bits}": f"uint{bits}" for bits in _WIDTHS},
    **{f"F{bits}": f"float{bits}" for bits in _WIDTHS[1:]},
    "BOOL": "bool",
    "C64": "complex64",
}
_FLOAT8 = ("E5M2", "E4M3", "E8M0", "E4M3FNUZ", "E5M2FNUZ")
_NARROW: Mapping[str, tuple[str, int]] = {
    "BF16": ("bfloat16", 2),
    **{f"F8_{name}": (f"float8_{name.lower()}", 1) for name in _FLOAT8},
}
"""element types that NumPy has not: their names, and bytes an element"""
_RANK_LIMIT = 32


def read_header(path: str | Path) -> Mapping[str, Stored]:
    """The arrays in a file by their names; their values are read from the file when they are asked for.

    bfloat16 is widened to float32, which holds it exactly. Raises UnstrideError where the file is damaged, or declares
    other lengths than it has.
    """
    file = checked_file(path)
    header, start, held = _header(file)
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    if len(entries) > MEMBER_LIMIT:
        rule = f"holds more than {MEMBER_LIMIT} arrays"
        raise UnstrideError(Reason.TOO_LARGE, rule, argument="file", value=str(path))
    spans = sorted((_span(name, entry), name) for name, entry in entries.items())
    end = 0
    for (first, last), name in spans:
        if first != end:
            raise _damaged(name, f"starts at byte {first}, what is before it ends at {end}")
        end = last
    if end != held:
        raise _damaged(str(path), f"its arrays take {end} bytes of {held}")
    return {name: _stored(file, start, name, entry) for name, entry in entries.items()}


def write(path: str | Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write the arrays; the file is whole or untouched. Raises UnstrideError where it cannot be written."""
    save_safetensors(Path(path), arrays)


def _header(file: Path) -> tuple[dict[str, Any], int, int]:
    """The header, the byte at which the arrays begin, and how many bytes they have."""
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            size = file.stat().st_size
            if not 2 <= length <= size - 8:
                raise _damaged(str(file), f"declares a header of {length} bytes in a file of {size}")
            if length > JSON_LIMIT:
                rule = f"has a header of {length} bytes, more than the {JSON_LIMIT} that are read"
                raise UnstrideError(Reason.TOO_LARGE, rule, argument="file", value=str(file))
            text = stream.read(length)
    except OSError as error:
        rule = f"cannot be read: {error.strerror}"
        raise UnstrideError(Reason.FILE, rule, argument="file", value=str(file)) from None
    header = parse_json(text, str(file))
    if not isinstance(header, dict):
        raise _damaged(str(file), "its header is no JSON object")
    return header, 8 + length, size - 8 - length


def _damaged(name: str, what: str) -> UnstrideError:
    return UnstrideError(Reason.FILE, f"is no sound safetensors file: {what}", argument="file", value=name)


def _span(name: str, entry: Any) -> tuple[int, int]:
    """Where an array's bytes lie, checked against its shape and element type."""
    parts: list[Any] = [
        entry.get(key) if isinstance(entry, dict) else None for key in ("dtype", "shape", "data_offsets")
    ]
    dtype, shape, offsets = parts
    if not isinstance(dtype, str) or not _naturals(shape) or not _naturals(offsets) or len(offsets) != 2:
        raise _damaged(name, "its entry is no element type, shape and pair of offsets")
    if len(shape) > _RANK_LIMIT or (dtype not in _DTYPES and dtype not in _NARROW):
        raise _damaged(name, f"an array of type {dtype} with {len(shape)} axes is not known")
    width = _NARROW[dtype][1] if dtype in _NARROW else np.dtype(_DTYPES[dtype]).itemsize
    first, last = offsets
    if last - first != prod(shape) * width:
        raise _damaged(name, f"its {last - first} bytes are not {prod(shape)} elements of {dtype}")
    return first, last


def _naturals(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(n) is int and 0 <= n < 2**63 for n in numbers)


def _stored(file: Path, start: int, name: str, entry: Any) -> Stored:
    dtype, shape, offset = entry["dtype"], tuple(entry["shape"]), start + entry["data_offsets"][0]
    if dtype in _DTYPES:
        return Stored(shape, _DTYPES[dtype], partial(_mapped, file, np.dtype(_DTYPES[dtype]), shape, offset))
    if dtype == "BF16":
        return Stored(shape, "float32", partial(_widened, file, shape, offset))
    return Stored(shape, _NARROW[dtype][0], hint=f"{name} is {dtype}, which NumPy has not: save it as F32")


def _mapped(file: Path, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int) -> NDArray[Any]:
    """The values as they lie in the file, read-only."""
    if not prod(shape):
        return np.zeros(shape, dtype)
    try:
        mapped = np.memmap(file, dtype.newbyteorder("<"), "r", offset, shape or (1,))
    except (OSError, ValueError) as error:
        rule = f"cannot be read any more: {error}"
        raise UnstrideError(Reason.FILE, rule, argument="file", value=str(file)) from None
    return np.asarray(mapped).reshape(shape)


def _widened(file: Path, shape: tuple[int, ...], offset: int) -> NDArray[Any]:
    return (_mapped(file, np.dtype("uint16"), shape, offset).astype(np.uint32) << 16).view(np.float32)
