"""The processes that time: started together, asked by JSON lines, replaced when they end or hang."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import IO, Any, Self

Name = tuple[str, int]
"""a competitor and its number of threads"""
Answer = dict[str, Any]

_PATIENCE = 5
"""seconds that an idle worker has to end by itself"""
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "-1"}
_COUNTS = (
    *("UNSTRIDE_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    *("VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS"),
)


class WorkerLostError(Exception):
    """A process that ended or did not answer in time; the message says which."""


class Worker:
    """One process and the lines to and from it."""

    def __init__(self, name: Name, log: Path) -> None:
        self.name, self._log = name, log
        competitor, threads = name
        environment = {**os.environ, **_QUIET, **dict.fromkeys(_COUNTS, str(threads))}
        with log.open("w") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - this package's own module, by this interpreter
                [sys.executable, "-m", "unstride.bench.worker", competitor, str(threads)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
                start_new_session=True,  # an interrupt from the terminal is for the parent, which ends the workers
            )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with suppress(ValueError, OSError):
            for line in _open(self._process.stdout):
                self._lines.put(line)
        self._lines.put("")

    def send(self, request: Answer) -> None:
        """Ask. Raises WorkerLostError."""
        stream = _open(self._process.stdin)
        try:
            stream.write(json.dumps(request) + "\n")
            stream.flush()
        except OSError:
            raise self._lost() from None

    def receive(self, timeout: float) -> Answer:
        """The answer. Raises WorkerLostError."""
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise WorkerLostError(f"no answer within {timeout:g} s") from None
        if not line:
            raise self._lost()
        return dict(json.loads(line))

    def _lost(self) -> WorkerLostError:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE)
        code = self._process.returncode
        ended = Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return WorkerLostError(f"its process ended with {ended}{': ' + lines[-1][:200] if lines else ''}")

    def end(self, *, now: bool) -> None:
        """Let it finish, or kill it."""
        with suppress(OSError):
            _open(self._process.stdin).close()
        try:
            self._process.wait(0 if now else _PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        _open(self._process.stdout).close()


def _open(stream: IO[str] | None) -> IO[str]:
    """A pipe that the process was started with."""
    if stream is None:
        raise WorkerLostError("its process has no pipes")
    return stream


class Crew:
    """All workers of a run."""

    def __init__(self, folder: Path, timeout: float) -> None:
        self._folder, self._timeout = folder, timeout
        self._workers: dict[Name, Worker] = {}
        self.unable: dict[Name, str] = {}
        """who could not start, and why"""
        self.told: dict[Name, Answer] = {}
        """what the others said of themselves"""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers.values():
            worker.end(now=True)
        self._workers.clear()

    def start(self, names: Iterable[Name]) -> None:
        """Start processes side by side, and wait until each is ready or has said why not."""
        for name in names:
            self._workers[name] = Worker(name, self._folder / f"{name[0]}-{name[1]}.log")
        for name in list(self._workers):
            if name not in self.told:
                self._greet(name)

    def _greet(self, name: Name) -> bool:
        try:
            answer = self._workers[name].receive(self._timeout)
        except WorkerLostError as error:
            answer = {"failed": str(error)}
        if "ready" in answer:
            self.told[name] = answer["ready"]
            return True
        self.unable[name] = answer["failed"]
        self._workers.pop(name).end(now=True)
        return False

    def has(self, name: Name) -> bool:
        """Whether it can be asked."""
        return name in self._workers

    def ask(self, name: Name, request: Answer) -> Answer:
        """One request, one answer. Raises WorkerLostError."""
        if name not in self._workers:
            raise WorkerLostError(self.unable.get(name, "was not started"))
        self._workers[name].send(request)
        return self._workers[name].receive(self._timeout)

    def restart(self, name: Name) -> bool:
        """Replace a worker that was lost; whether the new one is ready."""
        if name in self._workers:
            self._workers.pop(name).end(now=True)
        if name in self.unable:
            return False
        self._workers[name] = Worker(name, self._folder / f"{name[0]}-{name[1]}.log")
        return self._greet(name)

    def drop(self) -> None:
        """Have every worker forget its calls; one that cannot is replaced when it is asked next."""
        for name, worker in list(self._workers.items()):
            try:
                worker.send({"do": "drop"})
                worker.receive(self._timeout)
            except WorkerLostError:
                self.restart(name)
