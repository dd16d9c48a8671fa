"""The example of tiles as a reader runs it: ours leave no seam, the other ways do, and it is drawn."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from .running import EXAMPLES
from .test_parity_examples import run

for package in ("torch", "sklearn", "matplotlib", "PIL", "dask"):
    pytest.importorskip(package, reason="the example uses it")
pytestmark = pytest.mark.parity


def test_exact_tiles_alone_leave_no_seam(tmp_path: Path) -> None:
    from PIL import Image

    out = run([str(EXAMPLES / "mosaic.py"), "--steps", "5", "--output", "found"], tmp_path)
    gaps = json.loads((tmp_path / "found" / "gaps.json").read_text(encoding="utf-8"))
    assert set(gaps.pop("exact tiles").values()) == {0}
    lines, bell = (gaps.pop(name) for name in list(gaps) if name.startswith("blended"))
    assert lines["largest"] > 1e-4
    assert lines["visible"] > 0
    assert bell["differing"] > 0.5
    reach = int(re.findall(r"depends on (\d+) pixels before it and \1 behind", out)[0])
    depths = {int(name.split()[-1]): gap["mean"] for name, gap in gaps.items()}
    assert list(depths) == [16, 8, 32, 48]
    # what map_overlap leaves out is felt until the depth is the reach that the tiling states
    assert depths[8] > depths[16] > depths[32] > 0
    assert depths[48] <= min(1e-7, depths[32])
    assert 32 < reach < 48
    with Image.open(tmp_path / "found" / "seams.png") as picture:
        assert len(np.unique(np.asarray(picture.convert("RGBA").convert("L")))) > 20
