"""Inside Keras, on each of its backends in a process of its own: our tests of the layers, and Keras's own.

The values of all backends are compared with one reference, for equality.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.parity

HERE = Path(__file__).parent
FASTER = {"jax": {"XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"}}
"""most of the time is XLA's, which compiles for every new shape"""


@pytest.mark.parametrize("name", ["keras_layers.py", "keras_upstream.py"])
@pytest.mark.parametrize("backend", ["jax", "tensorflow", "torch"])
def test_layers(backend: str, name: str, tmp_path: Path) -> None:
    for package in ("keras", backend):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    words = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    words |= FASTER.get(backend, {})
    command = [sys.executable, "-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", "-W", "default"]
    found = subprocess.run(  # noqa: S603 - our own tests
        [*command, f"--basetemp={tmp_path / 'inner'}", str(HERE / name)],
        env={**os.environ, **words},
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-2000:]
    least = 25 if name == "keras_layers.py" else 183
    passed = re.match(r"(\d+) passed", found.stdout.splitlines()[-1])
    assert passed is not None, found.stdout[-500:]
    assert int(passed[1]) >= least, found.stdout[-500:]
