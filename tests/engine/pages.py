"""Memory pages that a script asks of the system."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what glibc keeps is asked")


def printed(script: str) -> float:
    """The number that a script prints in a process of its own.

    No variable tells glibc what to keep: Dask sets one where it starts workers, and then glibc learns nothing.
    """
    variables = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=variables, timeout=120)  # noqa: S603 - a test's script
    return float(done.stdout)
