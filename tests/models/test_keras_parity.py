"""Keras's own models, saved by Keras and read without it: the network computes what the model answered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from unstride.models import keras
from unstride.network import Opaque
from unstride.network.evaluate import run
from unstride.testing.live import installed

NAMES = (
    *("unet", "generator", "vocoder", "volumes", "depthwise", "nested"),
    *("twice", "operations", "channels_first", "flattened"),
)
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for name in ("keras", "torch"):
        if not installed(name):
            pytest.skip(f"{name} is not installed")
    made = tmp_path_factory.mktemp("zoo")
    command = [sys.executable, "-m", "tests.models.keras_zoo", str(made)]
    done = subprocess.run(  # noqa: S603 - our own script
        command, cwd=ROOT, env={**os.environ, "KERAS_BACKEND": "torch"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return made


@pytest.mark.parametrize("name", NAMES)
def test_a_read_network_answers_as_the_model_did(folder: Path, name: str) -> None:
    graph = keras.read(folder / f"{name}.keras")
    assert not [node for node in graph.nodes if isinstance(node.operation, Opaque)]
    with np.load(folder / f"{name}.npz") as arrays:
        cases = {key.split("/")[0] for key in arrays}
        assert len(cases) in (2, 4)
        for case in cases:
            given, wanted = (
                [arrays[f"{case}/{side}/{i}"] for i in range(9) if f"{case}/{side}/{i}" in arrays]
                for side in ("in", "out")
            )
            made = run(graph, *given)
            for array, want in zip(made if isinstance(made, tuple) else (made,), wanted, strict=True):
                assert array.shape == want.shape
                assert np.abs(array - want).max() <= 1e-5 * np.abs(want).max()


@pytest.mark.parametrize("name", NAMES)
def test_the_shapes_are_known_without_the_weights(folder: Path, name: str) -> None:
    bare, whole = keras.read(folder / f"{name}.keras", weights=False), keras.read(folder / f"{name}.keras")
    assert [node.name for node in bare.nodes] == [node.name for node in whole.nodes]
    for one, other in zip(bare.nodes, whole.nodes, strict=True):
        for key, stored in one.operation.weights.items():
            assert stored.shape == other.operation.weights[key].shape


def test_every_model_of_the_zoo_is_asked(folder: Path) -> None:
    assert {path.stem for path in folder.glob("*.keras")} == set(NAMES)
