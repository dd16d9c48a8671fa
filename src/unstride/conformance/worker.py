"""A process that holds one runtime: ``python -m unstride.conformance.worker RUNTIME SUITE``.

It says first whether it could start, then answers the names of cases, one JSON line each. What frameworks print goes
to standard error.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import warnings
from importlib import import_module
from typing import Any, TextIO

import numpy as np

from ..testing.live import adapter
from .asking import Told, ask, said
from .cases import suite
from .runtimes import RUNTIMES, Runtime


def main(name: str, folder: str) -> None:
    """Answer until standard input ends."""
    answers = _own_output()
    warnings.simplefilter("ignore")
    runtime = next(each for each in RUNTIMES if each.name == name)
    try:
        known = {case.name: case for case in suite(folder).cases}
        ready = {"ready": {"version": _version(runtime)}}
    except Exception as error:  # whatever an import raises is why this runtime is not asked
        ready = {"failed": {"message": said(error)}}
    _say(answers, ready)
    for line in sys.stdin:
        _say(answers, packed(ask(runtime, known[json.loads(line)["case"]])))


def packed(told: Told) -> dict[str, Any]:
    """The answer as JSON values."""
    y = None if told.y is None else np.ascontiguousarray(told.y)
    array = None
    if y is not None:
        array = {"dtype": y.dtype.str, "shape": y.shape, "bytes": base64.b64encode(y.tobytes()).decode()}
    return {"y": array, "message": told.message, "asked": told.asked, "steps": told.steps}


def unpacked(answer: dict[str, Any]) -> Told:
    """What ``packed`` made JSON of."""
    array, y = answer["y"], None
    if array is not None:
        flat = np.frombuffer(base64.b64decode(array["bytes"]), np.dtype(array["dtype"]))
        y = flat.reshape(array["shape"])
    return Told(y, answer["message"], answer["asked"], tuple(answer["steps"]))


def _version(runtime: Runtime) -> str:
    """The runtime's version; for Keras with that of its backend, for TensorFlow with its kernels."""
    found = [adapter(runtime.adapter).version()]
    backend = runtime.environment.get("KERAS_BACKEND")
    if backend:
        found.append(f"{backend} {import_module(backend).__version__}")
    if "tensorflow" in (runtime.package, backend):
        found.append("oneDNN" if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "1" else "Eigen")
    return ", ".join(found)


def _own_output() -> TextIO:
    """Standard output for the answers alone: what else is printed, by C code too, goes to standard error."""
    kept = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(kept, "w", encoding="utf-8")


def _say(stream: TextIO, answer: dict[str, Any]) -> None:
    stream.write(json.dumps(answer) + "\n")
    stream.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
