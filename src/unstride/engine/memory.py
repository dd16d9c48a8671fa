"""How much memory an array may take: checked in Python integers before anything is allocated."""

from __future__ import annotations

import os

from ..errors import Reason, UnstrideError

FALLBACK_BYTES = 8 * 2**30
"""The limit where the system does not say how much memory it has."""


def available_bytes() -> int:
    """Bytes of physical memory of this machine, or the stated fallback."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return FALLBACK_BYTES


def check_bytes(needed: int, what: str) -> None:
    """UnstrideError where ``what`` needs more bytes than this machine has."""
    available = available_bytes()
    if needed > available:
        raise UnstrideError(
            Reason.TOO_LARGE,
            f"{what} needs {needed:,} bytes, this machine has {available:,}",
            hint="compute it in tiles, or check the sizes",
        )
