"""A stand-in for ONNX Runtime that answers, crashes, hangs and talks as it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

FAKE = """
import json, os, sys, time
from pathlib import Path
import safetensors.numpy

__version__ = "0.0-fake"
INDEX = {}


class SessionOptions:
    pass


class InferenceSession:
    def __init__(self, path, options, providers):
        self.path = Path(path)

    def run(self, names, feeds):
        case = self.path.stem
        print("a runtime that talks", flush=True)
        os.write(1, b"and writes from C\\n")
        if case == "valid-1d":
            os.abort()
        if case == "valid-2d":
            time.sleep(600)
        if case == "valid-3d":
            raise ValueError(f"cannot do this in {path_of(self)}")
        if case == "valid-dilations":
            os._exit(3)
        arrays = safetensors.numpy.load_file(self.path.parent / "arrays.safetensors")
        y = arrays.get(f"{case}/y", arrays[f"{case}/x"])
        return [y[..., :-1] if case == "valid-strides" else y]


def path_of(session):
    return session.path
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``onnxruntime``, here and in every process that is started, is the one above."""
    folder = tmp_path / "packages" / "onnxruntime"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(FAKE, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder.parent))
    monkeypatch.syspath_prepend(str(folder.parent))
