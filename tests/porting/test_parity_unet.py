"""A real U-Net, and one with open sizes, from Keras to PyTorch and ONNX and back: the same function within rounding.

Each runs in a process of its own, because Keras runs on one backend only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from unstride.testing.live import installed

ROOT = Path(__file__).parents[2]
ROUNDING = 2e-5
"""of the largest number: some hundred roundings in single precision"""

pytestmark = pytest.mark.parity


@pytest.mark.parametrize(("which", "batches"), [("unet", 2), ("open", 6)])
def test_a_unet_goes_to_pytorch_and_to_onnx_and_back(which: str, batches: int, tmp_path: Path) -> None:
    for name in ("keras", "torch", "onnxruntime"):
        if not installed(name):
            pytest.skip(f"{name} is not installed")
    command = [sys.executable, str(ROOT / "tests" / "porting" / "unet_hops.py"), str(tmp_path), which]
    found = subprocess.run(  # noqa: S603 - our own script
        command, env={**os.environ, "KERAS_BACKEND": "torch"}, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr[-3000:]
    apart = json.loads(found.stdout.splitlines()[-1])
    assert len(apart) == 4 * batches + 1
    assert {hop: share for hop, share in apart.items() if not share <= ROUNDING} == {}
    # the weights are not special, or every wrong port would pass
    assert any(share > 0 for share in apart.values())
