"""Models that the real torch saved, read where torch cannot be imported, and read live: the same answers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import pytest

from unstride.errors import UnstrideError
from unstride.models import torch as reader

ROOT = Path(__file__).parents[2]


def parity(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that asks the installed torch."""
    skipped = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
    return cast("Callable[..., None]", pytest.mark.parity(skipped(test)))


def ask(verb: str, folder: Path) -> None:
    command = [sys.executable, "-m", "tests.models.torch_models", verb, str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    done = subprocess.run(  # noqa: S603 - our own script
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("torch")
    ask("record", folder)
    ask("check", folder)
    return folder


def loaded(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


@parity
def test_files_answer_as_torch_does_without_torch(recorded: Path) -> None:
    found = loaded(recorded, "read.json")
    assert len(found) >= 15
    assert {name: complaints for name, complaints in found.items() if complaints} == {}


@parity
def test_live_modules_answer_as_torch_does_and_keep_their_modes(recorded: Path) -> None:
    found = {case["name"]: case["live"] for case in loaded(recorded, "cases.json")}
    assert len(found) >= 15
    assert {name: complaints for name, complaints in found.items() if complaints} == {}


@parity
def test_what_cannot_be_read_live_is_refused(recorded: Path) -> None:
    found = loaded(recorded, "refusals.json")
    assert {name: words.partition(":")[0] for name, words in found.items()} == {
        "no module": "argument",
        "no shape": "size",
        "an empty shape": "size",
        "a negative size": "size",
        "the values decide": "unsupported",
        "another shape": "unsupported",
    }
    assert "torch.export cannot follow it" in found["the values decide"]
    assert "5 channels" in found["another shape"]


def test_live_modules_need_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UnstrideError, match="pip install torch"):
        reader.read_live(object(), inputs=(1, 2))
