"""Random layers of every framework, read live: the right spec, the right weights, and exactly the right result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from unstride.testing.live import PACKAGES, installed

pytestmark = pytest.mark.parity

ROOT = Path(__file__).parents[2]
SEED = os.environ.get("UNSTRIDE_PARITY_SEED", "1905")
COUNT = os.environ.get("UNSTRIDE_LIVE_COUNT", "8")
ASKED = [
    *(("torch", ""), ("keras", "torch"), ("keras", "jax"), ("keras", "tensorflow"), ("keras2", "")),
    *(("flax", ""), ("equinox", ""), ("haiku", ""), ("onnx", ""), ("mlx", ""), ("paddle", ""), ("tinygrad", "")),
]


@pytest.mark.parametrize(("name", "backend"), ASKED)
def test_random_layers_are_read_exactly(name: str, backend: str) -> None:
    needed = "onnxruntime" if name == "onnx" else name
    for package in (needed, *([backend] if backend else [])):
        if not installed(package):
            pytest.skip(f"{PACKAGES[package]} is not installed")
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "tests.live.asking", name, COUNT, SEED],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend or "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "DEV": "PYTHON"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["wrong"] == []
    assert found["answered"] >= int(COUNT) // 4
    assert found["built again"] >= found["answered"] // 2
