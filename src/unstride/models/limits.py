"""How much of a file is believed: sizes are checked before anything is allocated for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import Reason, UnstrideError

MEBIBYTE = 2**20
JSON_LIMIT = 64 * MEBIBYTE
"""bytes of the text that describes a model"""
FILE_LIMIT = 8 * 1024 * MEBIBYTE
"""bytes of a model file with its weights"""
MEMBER_LIMIT = 100_000
"""files in an archive"""
DEPTH_LIMIT = 200
"""lists and objects within each other"""
VALUE_LIMIT = 5_000_000
"""values in a JSON text"""
EXPANSION_LIMIT = 64
"""how many times its stored size something may unpack to, beyond ``SMALL``"""
SMALL = 16 * MEBIBYTE
"""bytes that may be unpacked of anything"""


def checked_file(path: str | Path, limit: int = FILE_LIMIT) -> Path:
    """The path, if a regular file of at most ``limit`` bytes lies there; UnstrideError otherwise."""
    found = Path(path)
    try:
        size = found.stat().st_size
        regular = found.is_file()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnstrideError(Reason.FILE, f"cannot be read: {reason}", argument="file", value=str(path)) from None
    if not regular:
        raise UnstrideError(Reason.FILE, "is not a regular file", argument="file", value=str(path))
    if size > limit:
        rule = f"has {size} bytes, more than the {limit} that are read"
        raise UnstrideError(Reason.TOO_LARGE, rule, argument="file", value=str(path))
    return found


def parse_json(text: bytes, name: str) -> Any:
    """The values in a JSON text; UnstrideError where it is too long, too deep, or no JSON."""
    if len(text) > JSON_LIMIT:
        rule = f"has {len(text)} bytes, more than the {JSON_LIMIT} that are read"
        raise UnstrideError(Reason.TOO_LARGE, rule, argument="file", value=name)
    if text.count(b",") + text.count(b"[") + text.count(b"{") > VALUE_LIMIT:
        rule = f"has more than {VALUE_LIMIT} values"
        raise UnstrideError(Reason.TOO_LARGE, rule, argument="file", value=name)
    if _depth(text) > DEPTH_LIMIT:
        rule = f"nests more than {DEPTH_LIMIT} lists and objects"
        raise UnstrideError(Reason.TOO_LARGE, rule, argument="file", value=name)
    try:
        return json.loads(text)
    except (ValueError, UnicodeDecodeError) as error:
        raise UnstrideError(Reason.FILE, f"is no JSON: {error}", argument="file", value=name) from None


def _depth(text: bytes) -> int:
    """Most brackets open at once; brackets in strings may count too, which only makes the bound stricter."""
    depth = deepest = 0
    for byte in text.translate(None, _NO_BRACKETS):
        depth += 1 if byte in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
