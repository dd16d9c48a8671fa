"""Compiled objects on disk: one file each, private to this user, and checked before it is believed.

A file is the head (format and the digest of all that decides the object), the SHA-256 of the object, and the object.
Whatever is wrong with a file or its folder makes the object absent: it is compiled again.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from ... import __version__

FOLDER_VARIABLE = "UNSTRIDE_CACHE_DIR"
"""environment variable that names the folder; empty or ``off``: nothing is read or kept"""

LIMIT = 256 << 20
"""bytes that the folder may hold; beyond it the objects that were not used for longest go"""

SELDOM = 32
"""the folder is looked through after one object in so many, as their names fall: it may hold thousands"""

OBJECT_LIMIT = 16 << 20
"""bytes of the largest object kept"""

_MAGIC = b"unstride object 1\n"
_CHECKSUM = 32
_OURS = re.compile(r"[0-9a-f]{64}(\.[0-9a-f]{16}\.tmp)?")
_DAY = 86_400.0
_SAFE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""flags to open an entry: a link is refused, a pipe does not wait for a writer"""


@dataclass(frozen=True, slots=True)
class State:
    """What there is on disk."""

    folder: Path | None
    """none where the cache is switched off or the user has no home"""
    usable: bool
    remark: str | None
    """why it is not used, or not written"""
    entries: int
    bytes: int


def folder() -> Path | None:
    """``UNSTRIDE_CACHE_DIR``, else ``unstride`` in this user's folder of caches; none if switched off or homeless.

    Linux follows the XDG Base Directory Specification, where a relative ``XDG_CACHE_HOME`` does not count.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    if named is not None:
        return None if named in ("", "off") else Path(named).absolute()
    with suppress(RuntimeError):
        return _user_caches() / "unstride"
    return None


def read(identity: str) -> bytes | None:
    """The object kept under ``identity``; none if there is none that can be trusted."""
    place, digest = folder(), _digest(identity)
    if place is None or digest is None:
        return None
    try:
        content = None if _distrusted(place) else _content(place / digest.hex())
    except OSError:
        return None
    head = _MAGIC + digest
    if content is None or not content.startswith(head):
        return None
    checksum, code = content[len(head) : len(head) + _CHECKSUM], content[len(head) + _CHECKSUM :]
    return code if sha256(code).digest() == checksum else None


def write(identity: str, code: bytes) -> None:
    """Keep an object under ``identity``, as far as the folder allows: failing to is no error."""
    place, digest = folder(), _digest(identity)
    if place is None or digest is None or len(code) > OBJECT_LIMIT:
        return
    with suppress(OSError):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _distrusted(place):
            _put(place / digest.hex(), _MAGIC + digest + sha256(code).digest() + code)
            if digest[0] % SELDOM == 0:
                _trim(place)


def state() -> State:
    """The folder, whether it is used, and what it holds; nothing is created."""
    place = folder()
    if place is None:
        return State(None, usable=False, remark=f"switched off by {FOLDER_VARIABLE}, or no home", entries=0, bytes=0)
    try:
        remark = "the generator's source cannot be read" if sources() is None else _distrusted(place)
        sizes = [] if remark else [found.st_size for path, found in _entries(place) if not path.suffix]
    except FileNotFoundError:
        return State(place, usable=True, remark="not created yet", entries=0, bytes=0)
    except OSError as error:
        return State(place, usable=False, remark=str(error.strerror), entries=0, bytes=0)
    closed = not remark and not os.access(place, os.W_OK | os.X_OK)
    return State(place, not remark, "cannot be written" if closed else remark, len(sizes), sum(sizes))


@cache
def sources() -> str | None:
    """Digest of the source that makes objects, so that edited code never meets older ones; none where it is not there.

    It is read once, when the first object is asked for.
    """
    package, total = Path(__file__).parents[2], sha256()
    try:
        files = [path for part in ("engine", "geometry") for path in sorted((package / part).rglob("*.py"))]
        for path in files:
            total.update(sha256(path.read_bytes()).digest())
    except OSError:
        return None
    return total.hexdigest() if files else None


def _digest(identity: str) -> bytes | None:
    code = sources()
    return None if code is None else sha256(repr((__version__, code, identity)).encode()).digest()


def _user_caches() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) if local else Path.home() / "AppData" / "Local"
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return base if base.is_absolute() else Path.home() / ".cache"


def _distrusted(place: Path) -> str | None:
    """Why a folder is not used; ``FileNotFoundError`` if there is none."""
    found = place.lstat()
    return _exposed(found) if stat.S_ISDIR(found.st_mode) else "not a folder, or a link to one"


def _exposed(found: os.stat_result) -> str | None:
    """Who else could have written it; on Windows the user's profile is private by its access lists."""
    user = getattr(os, "getuid", None)
    if user is None:
        return None
    if found.st_uid != user():
        return "belongs to another user"
    return "other users may write in it" if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) else None


def _content(path: Path) -> bytes | None:
    """A private regular file of bounded size, as it is; ``OSError`` if there is none."""
    with os.fdopen(os.open(path, os.O_RDONLY | _SAFE), "rb") as file:
        found = os.fstat(file.fileno())
        most = OBJECT_LIMIT + 2 * _CHECKSUM + len(_MAGIC)
        if not stat.S_ISREG(found.st_mode) or _exposed(found) or found.st_size > most:
            return None
        if time.time() - found.st_mtime > _DAY:
            with suppress(OSError):
                os.utime(path)
        return file.read(most)


def _put(path: Path, content: bytes) -> None:
    """Replace a file at once: another process sees the old one or the new one, never a part."""
    part = path.with_name(f"{path.name}.{os.urandom(8).hex()}.tmp")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def _trim(place: Path) -> None:
    """Remove what was not used for longest, of our own files only, until the rest is within the limit."""
    kept = sorted(_entries(place), key=lambda entry: entry[1].st_mtime)
    excess = sum(found.st_size for _, found in kept) - LIMIT
    for path, found in kept:
        if excess <= 0:
            return
        with suppress(FileNotFoundError):
            path.unlink()
        excess -= found.st_size


def _entries(place: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Our own files in the folder, unfinished ones included."""
    with os.scandir(place) as found:
        for entry in found:
            if _OURS.fullmatch(entry.name):
                with suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        yield Path(entry.path), status
