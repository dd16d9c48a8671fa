"""The examples as a reader runs them: they write their figures, they learn, and the engine changes no loss."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from .running import ENGINES, EXAMPLES, NAMES

for package in ("torch", "keras", "sklearn", "matplotlib", "PIL"):
    pytest.importorskip(package, reason="the examples use it")
pytestmark = pytest.mark.parity

Curves: TypeAlias = dict[str, list[float]]

ROOT = EXAMPLES.parent
STEPS = 10


def run(command: Sequence[str], folder: Path = ROOT) -> str:
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": paths, "KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(  # noqa: S603 - our own scripts
        [sys.executable, *command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


class Ran:
    """Every example by both engines, in one process for a framework."""

    def __init__(self, framework: str, folder: Path) -> None:
        self.folder = folder
        self.framework = framework
        out = run(["-m", "tests.examples.running", framework, str(folder), str(STEPS)]).splitlines()
        self.reports = [line for line in out if "convolutions run on" in line]
        self.lines = [line for line in out if line not in self.reports]

    def curves(self, name: str, engine: str) -> Curves:
        found: Curves = json.loads((self.folder / f"{name}-{engine}" / "losses.json").read_text(encoding="utf-8"))
        return found


@pytest.fixture(scope="module", params=["torch", "keras"])
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return Ran(request.param, tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("name", NAMES)
def test_the_engine_changes_no_loss(ran: Ran, name: str) -> None:
    ours, stock = (ran.curves(name, engine) for engine in ENGINES)
    assert list(ours) == list(stock)
    for each, losses in ours.items():
        assert len(losses) == STEPS
        np.testing.assert_allclose(losses, stock[each], rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_falls(ran: Ran, name: str) -> None:
    for losses in ran.curves(name, "unstride").values():
        assert np.mean(losses[-3:]) < np.mean(losses[:3])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", NAMES)
def test_the_figures_show_something(ran: Ran, name: str, engine: str) -> None:
    from PIL import Image

    for figure in ("curve.png", "pictures.png"):
        with Image.open(ran.folder / f"{name}-{engine}" / figure) as picture:
            shades = np.asarray(picture.convert("L"))
        assert min(shades.shape) > 200
        assert len(np.unique(shades)) > 20


def test_every_run_ends_with_its_numbers(ran: Ran) -> None:
    assert len(ran.lines) == len(NAMES) * len(ENGINES)
    for line, engine in zip(ran.lines, ENGINES * len(NAMES), strict=True):
        assert f", {engine}: " in line
        assert str(ran.folder) in line


def test_every_stock_convolution_of_torch_runs_on_the_engine(ran: Ran) -> None:
    """The U-Net's three transposed convolutions are unstride's own, and so not counted."""
    counts = (6, 6, 6, 15, 8) if ran.framework == "torch" else ()
    assert ran.reports == [f"{n} of {n} convolutions run on unstride's engine" for n in counts]


def test_an_autoencoder_for_every_size(ran: Ran) -> None:
    assert list(ran.curves("autoencoder", "unstride")) == ["8×8", "8×7", "7×5"]
    for size in ("8×8", "8×7", "7×5"):
        assert f"{size} 0." in ran.lines[0]


def test_as_a_command(tmp_path: Path) -> None:
    out = run([str(EXAMPLES / "upsampler.py"), "--engine", "stock", "--steps", "1"], tmp_path)
    assert out.startswith("torch, stock: error 0.")
    assert {path.name for path in (tmp_path / "runs" / "upsampler-torch-stock").iterdir()} == {
        *("curve.png", "losses.json", "pictures.png")
    }
