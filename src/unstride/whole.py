"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from .errors import Reason, UnstrideError


def write_whole(
    path: Path, write: Callable[[BinaryIO], object], *, argument: str = "file", value: str | None = None
) -> None:
    """Let ``write`` fill a temporary file beside the target, which then replaces it.

    A link is followed; an existing file keeps its permissions. Raises UnstrideError where it cannot be written, about
    ``argument`` and ``value``, by default the file and its name.
    """
    temporary: Path | None = None
    try:
        target = path.resolve()
        temporary = target.with_name(f".{os.urandom(8).hex()}.part")
        with temporary.open("xb") as stream:
            write(stream)
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o777)
        temporary.replace(target)
    except OSError as error:
        rule = f"cannot be written: {error.strerror or error}"
        raise UnstrideError(Reason.FILE, rule, argument=argument, value=value or str(path)) from None
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
