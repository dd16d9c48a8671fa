"""The process of a runtime, started again when a case has ended it: a crash is an answer about one case only."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import IO, Any, Self

from .asking import Told
from .runtimes import Runtime
from .worker import unpacked

START_SECONDS = 300.0
"""time to import a framework"""
_PATIENCE = 5
"""seconds that an idle process has to end by itself"""
_QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "JAX_PLATFORMS": "cpu",
    "CUDA_VISIBLE_DEVICES": "-1",
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
}
_DEFAULTS = {"TF_ENABLE_ONEDNN_OPTS": "1"}
"""unless the caller says otherwise: TensorFlow would choose its kernels by the processor"""


class LostError(Exception):
    """The process ended or did not answer in time; the message says which."""


class Holder:
    """A runtime in a process of its own."""

    def __init__(self, runtime: Runtime, folder: Path, seconds: float) -> None:
        self.runtime, self._folder, self._seconds = runtime, folder, seconds
        self.version: str | None = None
        """what the runtime says of itself, once it has started"""
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        self._log = tempfile.TemporaryFile("w+", errors="replace")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(now=True)
        self._log.close()

    def start(self) -> str | None:
        """Start the process unless it runs; why it could not start, or None."""
        if self._process is not None:
            return None
        self._log.seek(0)
        self._log.truncate()
        self._process = process = subprocess.Popen(  # noqa: S603 - this package's own module, by this interpreter
            [sys.executable, "-m", "unstride.conformance.worker", self.runtime.name, str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**_DEFAULTS, **os.environ, **_QUIET, **self.runtime.environment},
            text=True,
            start_new_session=True,  # an interrupt from the terminal is for the parent, which ends this process
        )
        self._lines = queue.SimpleQueue()
        threading.Thread(target=_read, args=(process.stdout, self._lines), daemon=True).start()
        try:
            answer = self._receive(START_SECONDS)
        except LostError as error:
            self._end(now=True)
            return str(error)
        if "failed" in answer:
            self._end(now=True)
            return str(answer["failed"]["message"])
        self.version = str(answer["ready"]["version"])
        return None

    def ask(self, case: str) -> Told:
        """The answer. Raises LostError; the next call then starts another process."""
        failed = self.start()
        if failed or self._process is None or self._process.stdin is None:
            raise LostError(failed or "the process has no input")
        try:
            self._process.stdin.write(json.dumps({"case": case}) + "\n")
            self._process.stdin.flush()
            return unpacked(self._receive(self._seconds))
        except OSError:
            self._end(now=True)
            raise LostError(f"its process ended{self._last_words()}") from None
        except LostError:
            self._end(now=True)
            raise

    def _receive(self, seconds: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise LostError(f"no answer within {seconds:g} s") from None
        if line:
            return dict(json.loads(line))
        code = None
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                code = self._process.wait(_PATIENCE)
        ended = Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
        raise LostError(f"its process ended with {ended}{self._last_words()}")

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = [line.strip() for line in self._log.read().splitlines() if line.strip()]
        return f": {lines[-1][:200]}" if lines else ""

    def _end(self, *, now: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
        try:
            process.wait(0 if now else _PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _read(stream: IO[str] | None, lines: queue.SimpleQueue[str]) -> None:
    """Every line of the process, then an empty one."""
    if stream is not None:
        with suppress(ValueError, OSError), stream:
            for line in stream:
                lines.put(line)
    lines.put("")
