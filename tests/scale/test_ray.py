"""The recipe for Ray, run as it is told; nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="the recipe is for Ray")
pytestmark = pytest.mark.parity
EXAMPLE = Path(__file__).parents[2] / "examples" / "ray_batches.py"


def test_the_recipe_for_ray(tmp_path: Path) -> None:
    # sockets in the folder for temporary files: their names may have no more than 107 characters
    environment = os.environ | {"HOME": str(tmp_path)}
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(EXAMPLE)], check=False, capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "40 items of (1, 8, 120, 160), 40 of them equal to the bit"
    assert not list(tmp_path.glob(".ray*"))
