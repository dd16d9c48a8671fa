"""Members of a zip file, read within stated bounds; nothing is unpacked onto the disk."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ..errors import Reason, UnstrideError
from .limits import EXPANSION_LIMIT, FILE_LIMIT, JSON_LIMIT, MEBIBYTE, MEMBER_LIMIT, SMALL, checked_file

UNPACKED_LIMIT = 2048 * MEBIBYTE
"""bytes of a compressed member that are unpacked in memory"""
DIRECTORY_LIMIT = 32 * MEBIBYTE
"""bytes of an archive's list of members"""
_ENCRYPTED = 0x1
_TAIL = 2**16 + 64
"""bytes at the end of an archive in which the end record lies, with its comment"""
_HEADER = 30
"""bytes of a member's own header before its name"""


@contextmanager
def opened(path: str | Path | IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """The archive; UnstrideError where the file is none or is damaged, also later, while its members are read."""
    name = str(path) if isinstance(path, (str, Path)) else "archive"
    source = checked_file(path) if isinstance(path, (str, Path)) else path
    if isinstance(source, Path):
        _check_directory(source)
    try:
        with zipfile.ZipFile(source) as archive:
            if len(archive.infolist()) > MEMBER_LIMIT:
                rule = f"holds more than {MEMBER_LIMIT} files"
                raise UnstrideError(Reason.TOO_LARGE, rule, argument="file", value=name)
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, ValueError) as error:
        if isinstance(error, UnstrideError):
            raise
        raise UnstrideError(Reason.FILE, f"is no sound zip archive: {error}", argument="file", value=name) from None


def _check_directory(path: Path) -> None:
    """UnstrideError where the list of members is so long that reading it would fill the memory."""
    with path.open("rb") as file:
        length = file.seek(0, io.SEEK_END)
        file.seek(max(0, length - _TAIL))
        tail = file.read(_TAIL)
        at = tail.rfind(b"PK\x05\x06")
        size = int.from_bytes(tail[at + 12 : at + 16], "little") if at >= 0 else 0
        if at >= 20 and tail[at - 20 : at - 16] == b"PK\x06\x07":  # the longer form, for large archives
            file.seek(min(int.from_bytes(tail[at - 12 : at - 4], "little"), length))
            size = int.from_bytes(file.read(56)[40:48], "little")
    if size > DIRECTORY_LIMIT:
        rule = f"lists its members in {size} bytes, more than the {DIRECTORY_LIMIT} that are read"
        raise UnstrideError(Reason.TOO_LARGE, rule, argument="file", value=str(path))


def member(archive: zipfile.ZipFile, name: str, limit: int = JSON_LIMIT) -> bytes:
    """One member's bytes, at most ``limit`` of them; UnstrideError where it is missing or longer than that.

    What the archive declares is not believed: reading stops at the limit whatever comes out.
    """
    try:
        declared = archive.getinfo(name).file_size
    except KeyError:
        raise UnstrideError(Reason.FILE, f"has no member {name}", argument="file", value=_name(archive)) from None
    if declared <= limit:
        with archive.open(name) as stream:
            read = stream.read(limit + 1)
        if len(read) <= limit:
            return read
    rule = f"{name} is longer than the {limit} bytes that are read"
    raise UnstrideError(Reason.TOO_LARGE, rule, argument="file", value=_name(archive))


@contextmanager
def stream(path: str | Path, name: str) -> Iterator[IO[bytes]]:
    """One member as a seekable file: a window into the archive where it is stored as it is, else unpacked in memory."""
    with opened(path) as archive:
        try:
            entry = archive.getinfo(name)
        except KeyError:
            raise UnstrideError(Reason.FILE, f"has no member {name}", argument="file", value=str(path)) from None
        if entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & _ENCRYPTED:
            with Path(path).open("rb") as file, io.BufferedReader(Window(file, entry)) as window:
                yield window
            return
        yield io.BytesIO(member(archive, name, min(UNPACKED_LIMIT, SMALL + EXPANSION_LIMIT * entry.compress_size)))


class Window(io.RawIOBase):
    """The bytes of one stored member; UnstrideError where the archive ends before it does."""

    def __init__(self, file: IO[bytes], entry: zipfile.ZipInfo) -> None:
        file.seek(entry.header_offset)
        head = file.read(_HEADER)
        if len(head) < _HEADER or head[:4] != b"PK\x03\x04":
            raise UnstrideError(Reason.FILE, "is no sound zip archive", argument="file", value=entry.filename)
        self._file = file
        self._start = entry.header_offset + _HEADER + sum(struct.unpack("<HH", head[-4:]))
        self._size = entry.file_size
        self._at = 0
        if self._start + self._size > file.seek(0, io.SEEK_END) or entry.compress_size != entry.file_size:
            rule = "ends before its member does"
            raise UnstrideError(Reason.FILE, rule, argument="file", value=entry.filename)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = max(0, min(len(buffer), self._size - self._at))
        self._file.seek(self._start + self._at)
        part = self._file.read(wanted)
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)


def checked_total(archive: zipfile.ZipFile, limit: int = FILE_LIMIT) -> None:
    """UnstrideError where the members together declare more than ``limit`` bytes."""
    total = sum(entry.file_size for entry in archive.infolist())
    if total > limit:
        rule = f"its members hold {total} bytes, more than the {limit} that are read"
        raise UnstrideError(Reason.TOO_LARGE, rule, argument="file", value=_name(archive))


def _name(archive: zipfile.ZipFile) -> str:
    return archive.filename or "archive"
