"""Keras 2's models, saved by it and read without it: as files, and as configurations with weights beside them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from unstride.models.opening import open_model
from unstride.network import Opaque
from unstride.network.evaluate import run
from unstride.testing.live import installed

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not installed("keras2"):
        pytest.skip("tf_keras is not installed")
    made = tmp_path_factory.mktemp("zoo")
    command = [sys.executable, "-m", "tests.models.keras2_zoo", str(made)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(  # noqa: S603 - our own script
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return made


@pytest.mark.parametrize("name", ["outer", "functions"])
@pytest.mark.parametrize("beside", [False, True])
def test_a_read_network_answers_as_the_model_did(folder: Path, name: str, beside: bool) -> None:
    path = folder / f"{name}.keras"
    graph = open_model(folder / f"{name}.json", weights=folder / f"{name}.weights.h5") if beside else open_model(path)
    assert not [node for node in graph.nodes if isinstance(node.operation, Opaque)]
    with np.load(folder / f"{name}.npz") as arrays:
        made = run(graph, arrays["given"])
        assert len(made) == len(arrays.files) - 1
        for index, array in enumerate(made):
            want = arrays[f"out/{index}"]
            assert array.shape == want.shape
            assert np.abs(array - want).max() <= 1e-5 * np.abs(want).max()
