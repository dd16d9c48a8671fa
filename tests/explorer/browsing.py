"""What the tests of the page share: where the browser is, how it is started, how a server is run beside it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

SEED = "keras.layers.Conv2DTranspose(filters=1, kernel_size=(3,3), strides=(2,2), padding='same', output_padding=1)"
"""the line of the question that began it"""


def chromium() -> str | None:
    """The browser's path; None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def serving() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """``unstride explore`` as a process of its own: its URL, and the process; interrupted at the end."""
    command = [sys.executable, "-m", "unstride", "explore", "--no-browser"]
    with subprocess.Popen(  # noqa: S603 - our own command
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as run:
        try:
            assert run.stdout is not None
            yield run.stdout.readline().split()[0], run
        finally:
            if run.poll() is None:
                run.send_signal(signal.SIGINT)
                try:
                    run.wait(20)
                except subprocess.TimeoutExpired:
                    run.kill()


def artefacts(folder: Path) -> Path:
    """Where screenshots go: the folder that UNSTRIDE_SCREENSHOTS names, else ``folder``."""
    named = os.environ.get("UNSTRIDE_SCREENSHOTS")
    chosen = Path(named) if named else folder
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen
