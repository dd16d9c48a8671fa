"""Models of real frameworks: exactly the planted hazards, and congruences that the frameworks themselves confirm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from unstride.auditing.audit import Audit, audit
from unstride.auditing.findings import Code, Level
from unstride.testing.live import installed

pytestmark = pytest.mark.parity

ROOT = Path(__file__).parents[2]
LAST = 200


def built(name: str, folder: Path, *needed: str) -> list[Any]:
    for package in needed:
        if not installed(package):
            pytest.skip(f"{package} is not installed")
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": paths, "KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.auditing.real_models", name, str(folder)]
    done = subprocess.run(  # noqa: S603 - our own script
        command, env=environment, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[Any] = json.loads(done.stdout)
    return found


def told(found: Audit) -> set[tuple[str | None, Code]]:
    return {(each.node, each.code) for each in found.hazards}


def confirm(found: Audit, sizes: list[Any]) -> None:
    """What the congruences say of 1…200 is what the framework did."""
    assert len(found.surveys) == len(sizes)
    for survey, lengths in zip(found.surveys, sizes, strict=True):
        assert [n for n in range(1, LAST + 1) if n in survey.accepted] == lengths["taken"]
        assert survey.kept is not None
        assert [n for n in range(1, LAST + 1) if n in survey.kept] == lengths["kept"]
        assert lengths["kept"]


def test_a_keras_u_net(tmp_path: Path) -> None:
    sizes = built("keras_unet", tmp_path, "keras", "torch")
    found = audit(tmp_path / "unet.keras")
    confirm(found, sizes)
    ups = ("up2", "up3", "up4", "up5")
    codes = (Code.SAME_ASYMMETRIC, Code.UNEVEN_COVERAGE, Code.DISAGREEMENT)
    assert told(found) == {(None, Code.SIZE_MISMATCH), *((up, code) for up in ups for code in codes)}
    (rule,) = [each for each in found.findings if each.node is None]
    assert rule.says == "height and width must be multiples of 16"
    assert sum(entry.layer.transposed for entry in found.entries) == 4


def test_a_dcgan_generator(tmp_path: Path) -> None:
    built("dcgan", tmp_path, "torch")
    found = audit(tmp_path / "dcgan.pt2")
    (hazard,) = found.hazards
    assert hazard.code is Code.UNEVEN_COVERAGE
    assert hazard.fixes == ("a kernel of 6",)
    assert [entry.layer.output_size[0] for entry in found.entries] == [4, 8, 16, 32, 64]


def test_a_vocoder(tmp_path: Path) -> None:
    built("vocoder", tmp_path, "torch")
    found = audit(tmp_path / "vocoder.pt2")
    (hazard,) = found.hazards
    assert hazard.code is Code.HOLES
    assert "2 of every 3" in hazard.says
    assert found.entries[-1].layer.output_size == (20 * 8 * 8 * 2 * 3 - 1,)


def test_a_volume_network(tmp_path: Path) -> None:
    sizes = built("volumes", tmp_path, "torch")
    found = audit(tmp_path / "volumes.pt2")
    confirm(found, sizes)
    levels = Counter(each.level for each in found.findings)
    assert levels[Level.ERROR] == 0
    assert {code for _, code in told(found)} == {Code.UNEVEN_COVERAGE}
    (rule,) = [each for each in found.findings if each.code is Code.SIZE_RULE]
    assert rule.says == "depth and height and width must be multiples of 4, if the input's size were left open"
