"""Archives of ``torch.export.save``: the program's JSON and the weights' raw bytes; nothing in them is unpickled.

Layout: ``models/NAME.json``, ``data/weights/NAME_weights_config.json`` that says which member holds which tensor, and
``data/weights/weight_0`` …; the same under ``data/constants``. Up to torch 2.7 the weights were pickled: of these only
the shapes are read.

Source: torch/export/pt2_archive, torch/export/__init__.py (torch 2.13).
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import Reason, UnstrideError
from ..network import Stored
from .archive import Window, member, opened
from .limits import MEBIBYTE, parse_json
from .pt2_program import Meta, Program, damaged, field, meta, read_program

LEGACY = "serialized_exported_program.json"
"""the program's name up to torch 2.7"""
RANK_LIMIT = 32
"""axes of a weight"""
PICKLED = "load it with torch 2.8 or later and save it again: the weights are pickled here, and no pickle is opened"


@dataclass(frozen=True, slots=True)
class Archive:
    """A program and the arrays it keeps, by their names in the program."""

    name: str
    program: Program
    weights: Mapping[str, Stored]


def read_archive(source: str | Path | bytes) -> Archive:
    """The program in a file, or in an archive's bytes. Raises UnstrideError where it is damaged, too large or other."""
    with opened(io.BytesIO(source) if isinstance(source, bytes) else source) as archive:
        members = {entry.filename: entry for entry in archive.infolist()}
        root, name = _program_name(list(members))
        text = member(archive, name)
        program = read_program(parse_json(text, name))
        if name.endswith(LEGACY):
            payloads: dict[str, Stored] = {}
        else:
            model = name.removeprefix(f"{root}models/").removesuffix(".json")
            order = member(archive, f"{root}byteorder", 16) if f"{root}byteorder" in members else b"little"
            folder = _Folder(source, archive, members, ">" if order.strip() == b"big" else "<")
            payloads = {**folder.payloads(root, "weights", model), **folder.payloads(root, "constants", model)}
    stem = Path(source).stem if isinstance(source, (str, Path)) else "model"
    return Archive(stem, program, _weights(program, payloads))


def _program_name(names: list[str]) -> tuple[str, str]:
    """The folder that all lies in, and the member that holds the program: ``model``, or the only one."""
    root = f"{names[0].split('/')[0]}/" if names and "/" in names[0] else ""
    if f"{root}archive_format" not in names:
        legacy = [name for name in names if name == LEGACY]
        if legacy:
            return "", LEGACY
        hint = "give a file that torch.export.save wrote (.pt2)"
        raise UnstrideError(Reason.FILE, "holds no exported program", argument="file", hint=hint)
    found = [name for name in names if name.startswith(f"{root}models/") and name.endswith(".json")]
    if f"{root}models/model.json" in found:
        return root, f"{root}models/model.json"
    if len(found) != 1:
        rule = f"holds {len(found)} programs and none named model" if found else "holds compiled code, no program"
        hint = "save one program with torch.export.save"
        raise UnstrideError(Reason.FILE, rule, argument="file", hint=hint)
    return root, found[0]


def _weights(program: Program, payloads: Mapping[str, Stored]) -> dict[str, Stored]:
    """What the archive keeps for each of the program's own arrays; by its shape alone where it keeps no values."""
    found = {}
    for name, target in program.stored.items():
        known = program.metas.get(name)
        if known is None:
            raise damaged(f"{name} has no shape")
        stored = payloads.get(target) or Stored(fixed_shape(known), known.dtype, hint=PICKLED)
        if known.sizes != stored.shape:
            rule = f"{target} is stored with the shape {stored.shape}, the program takes {known.sizes}"
            raise UnstrideError(Reason.FILE, rule, argument="weights", value=target)
        found[name] = stored
    return found


def fixed_shape(known: Meta) -> tuple[int, ...]:
    """A tensor's shape, where nothing of it depends on the input's size; UnstrideError otherwise."""
    sizes = tuple(size for size in known.sizes if isinstance(size, int) and size >= 0)
    if len(sizes) != len(known.sizes) or len(sizes) > RANK_LIMIT:
        raise damaged(f"a stored array has the shape {known.sizes}")
    return sizes


@dataclass(frozen=True, slots=True)
class _Folder:
    """Where payloads lie: the open archive, and how to reach it again when values are asked for."""

    source: str | Path | bytes
    archive: zipfile.ZipFile
    members: Mapping[str, zipfile.ZipInfo]
    order: Literal["<", ">"]

    def payloads(self, root: str, kind: str, model: str) -> dict[str, Stored]:
        """The arrays of one configuration file, by their names in the module."""
        config = f"{root}data/{kind}/{model}_{kind}_config.json"
        if config not in self.members:
            return {}
        entries = field(parse_json(member(self.archive, config), config), "config", dict)
        found = {name: self._payload(f"{root}data/{kind}/", name, entry) for name, entry in entries.items()}
        return {name: stored for name, stored in found.items() if stored is not None}

    def _payload(self, folder: str, name: str, entry: Any) -> Stored | None:
        if field(entry, "use_pickle", bool):
            return None
        known = meta(field(entry, "tensor_meta", dict))
        held = self.members.get(folder + field(entry, "path_name", str))
        if held is None:
            raise UnstrideError(Reason.FILE, "the archive lacks the values of a tensor", argument="weights", value=name)
        if held.compress_type != zipfile.ZIP_STORED or held.compress_size != held.file_size:
            rule = "are compressed, which torch.export.save never does"
            raise UnstrideError(Reason.FILE, rule, argument="weights", value=name)
        shape = fixed_shape(known)
        if known.dtype not in _LOADED or (held.file_size == 0 and prod(shape) > 0):
            hint = f"{known.dtype} has no counterpart in NumPy" if held.file_size else "save it with real weights"
            return Stored(shape, known.dtype, hint=hint)
        strides, offset = _checked_extent(known, shape, held.file_size, name)
        load = partial(_load, self.source, held, self.order, known.dtype, shape, strides, offset)
        return Stored(shape, "float32" if known.dtype == "bfloat16" else known.dtype, load)


_LOADED = {
    **{name: np.dtype(name) for name in ("uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64")},
    **{name: np.dtype(name) for name in ("float16", "float32", "float64", "complex64", "complex128", "bool")},
    "bfloat16": np.dtype("uint16"),
}
"""torch's element types -> what their bytes are read as"""


def _checked_extent(known: Meta, shape: tuple[int, ...], held: int, name: str) -> tuple[tuple[int, ...], int]:
    """Strides and offset in elements, if every element lies within the ``held`` bytes; UnstrideError otherwise."""
    numbers = (*known.strides, known.offset)
    strides = tuple(number for number in numbers if isinstance(number, int) and number >= 0)
    if len(strides) != len(shape) + 1:
        rule = f"has the strides {known.strides} and the offset {known.offset}, which no stored tensor has"
        raise UnstrideError(Reason.FILE, rule, argument="weights", value=name)
    *steps, offset = strides
    width = _LOADED[known.dtype].itemsize
    count = prod(shape)
    last = offset + sum((length - 1) * step for length, step in zip(shape, steps, strict=True))
    if count and (last + 1) * width > held:
        rule = f"takes {(last + 1) * width} bytes of the {held} that are stored for it"
        raise UnstrideError(Reason.FILE, rule, argument="weights", value=name)
    if count * width > max(held, MEBIBYTE):
        rule = f"repeats {held} stored bytes to {count * width}"
        raise UnstrideError(Reason.TOO_LARGE, rule, argument="weights", value=name)
    return tuple(steps), offset


def _load(
    source: str | Path | bytes,
    held: zipfile.ZipInfo,
    order: Literal["<", ">"],
    dtype: str,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
) -> NDArray[Any]:
    """The tensor's values: a read-only view of the bytes; bfloat16 widened to float32, which holds it exactly."""
    flat = np.frombuffer(_payload(source, held), _LOADED[dtype].newbyteorder(order))
    if not prod(shape):
        return np.zeros(shape, _LOADED[dtype])
    steps = tuple(step * flat.itemsize for step in strides)
    view = np.lib.stride_tricks.as_strided(flat[offset:], shape, steps, writeable=False)
    native = view.astype(_LOADED[dtype], copy=False)
    return (native.astype(np.uint32) << 16).view(np.float32) if dtype == "bfloat16" else native


def _payload(source: str | Path | bytes, held: zipfile.ZipInfo) -> bytes:
    """One uncompressed member's bytes, without reading the whole directory again."""
    try:
        with _reopened(source) as file, io.BufferedReader(Window(file, held)) as window:
            read = window.read(held.file_size)
    except OSError as error:
        rule = f"cannot be read: {error.strerror}"
        raise UnstrideError(Reason.FILE, rule, argument="file", value=str(source)) from None
    if len(read) != held.file_size or zlib.crc32(read) != held.CRC:
        rule = "is damaged, or has changed since its program was read"
        raise UnstrideError(Reason.FILE, rule, argument="weights", value=held.filename)
    return read


def _reopened(source: str | Path | bytes) -> IO[bytes]:
    return io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb")
