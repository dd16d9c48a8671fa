"""The caches of a core, as the system tells of them."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path

_FOLDER = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


@cache
def levels() -> dict[int, int]:
    """Bytes of the largest cache of each level; empty where the system does not say.

    Source: Linux's Documentation/ABI/testing/sysfs-devices-system-cpu.
    """
    found: dict[int, int] = {}
    for folder in _FOLDER.glob("index*"):
        with suppress(OSError, ValueError):
            text = (folder / "size").read_text().strip()
            size = int(text.rstrip("KMG")) * _UNITS.get(text[-1], 1)
            level = int((folder / "level").read_text())
            found[level] = max(found.get(level, 0), size)
    return found
