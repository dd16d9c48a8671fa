"""Asking one framework in a process of its own: a call that crashes it becomes its answer, and the next one goes on.

python tools/corpus_asking.py torch        reads questions as JSON lines, writes rows as JSON lines
"""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from unstride.testing.corpus import Row
from unstride.testing.live import adapter

LARGEST = 500
"""elements of an output whose values are recorded; larger ones keep their shape only"""
UNWRITTEN = "garbage: numbers that no sum of these integers gives"
SETTINGS = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "OMP_NUM_THREADS": "1",
    # TensorFlow turns oneDNN on by the processor's model; only with it do its CPU kernels dilate and group
    "TF_ENABLE_ONEDNN_OPTS": "1",
    # some errors show a set of words, in hash order
    "PYTHONHASHSEED": "0",
    # tinygrad's interpreter needs no compiler
    "DEV": "PYTHON",
}


def ask(name: str, row: Row) -> Row:
    """The row with the framework's answer, or the beginning of its error."""
    options = {} if row.opset is None else {"opset": row.opset}
    x, kernel, bias = row.arrays()
    try:
        answer = adapter(name).evaluate(row.code, x, kernel, bias, **options)
    except Exception as error:
        return row._replace(error=f"{type(error).__name__}: {_shortened(str(error))}"[:160])
    if answer.size > LARGEST:
        return row._replace(output=answer.shape)
    values = answer.reshape(-1)
    if not np.array_equal(values, np.rint(values)) or np.abs(values).max(initial=0) > 2**24:
        # oneDNN leaves outputs unwritten here and there
        return row._replace(error=UNWRITTEN)
    return row._replace(output=answer.shape, values=tuple(values.astype(np.int64).tolist()))


def _shortened(message: str) -> str:
    """The message on one line, without TensorFlow's prefixes and colours."""
    prefixes = r"\x1b\[[0-9;]*m|\{\{.*?\}\} ?|Exception encountered when calling [^ ]* |/\S*/(?=\w+\.\w+)"
    return " ".join(re.sub(prefixes, "", message).split())


def provenance(name: str) -> dict[str, object]:
    """What stands at the head of a framework's file."""
    found: dict[str, object] = {"framework": name, "version": adapter(name).version()}
    if name == "keras":
        found["backend"] = os.environ.get("KERAS_BACKEND", "tensorflow")
    if name == "tensorflow":
        found["backend"] = "onednn" if os.environ["TF_ENABLE_ONEDNN_OPTS"] == "1" else "eigen"
    return {**found, "python": platform.python_version()}


class Worker:
    """A process that answers for one framework, started again after a crash."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._start()
        self.provenance: dict[str, object] = json.loads(self._output.readline())

    def _start(self) -> None:
        command = [sys.executable, str(Path(__file__).resolve()), self.name]
        environment = {**SETTINGS, **os.environ}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("a worker needs its pipes")
        self._input: IO[str] = self._process.stdin
        self._output: IO[str] = self._process.stdout

    def answer(self, row: Row) -> Row:
        """The framework's answer to the row; where the process dies of it, the signal that killed it."""
        self._input.write(f"{json.dumps(row.as_json())}\n")
        self._input.flush()
        line = self._output.readline()
        if line:
            return Row.from_json(json.loads(line))
        code = self._process.wait()
        self._start()
        if not self._output.readline():
            raise RuntimeError(f"{self.name} does not start")
        return row._replace(error=f"crash: {signal.Signals(-code).name if code < 0 else f'exit {code}'}")

    def close(self) -> None:
        """End the process; some frameworks crash when they leave, which is no answer."""
        self._input.close()
        self._output.close()
        self._process.wait()


def _serve(name: str, questions: IO[str], answers: IO[str]) -> Iterator[None]:
    print(json.dumps(provenance(name)), file=answers, flush=True)
    for line in questions:
        row = ask(name, Row.from_json(json.loads(line)))
        print(json.dumps(row.as_json()), file=answers, flush=True)
        yield


def main(name: str) -> None:
    """Answer questions from standard input; what the framework prints goes nowhere."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers, Path(os.devnull).open("w", encoding="utf-8") as sink:
        os.dup2(sink.fileno(), 1)
        warnings.simplefilter("ignore")
        for _ in _serve(name, sys.stdin, answers):
            pass


if __name__ == "__main__":
    main(sys.argv[1])
