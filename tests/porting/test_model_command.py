"""``unstride port`` of models: what is checked first, what may be named, and a quiet terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.models import keras_files as files
from unstride.cli import commands
from unstride.errors import UnstrideError
from unstride.porting.model_command import import_quietly
from unstride.testing.live import installed

needs_torch = pytest.mark.skipif(not installed("torch"), reason="torch is not installed")


def port(*words: str) -> Result:
    return CliRunner().invoke(commands, ["port", *words])


def test_a_folder_that_cannot_be_written_is_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object, **__: object) -> None:
        raise AssertionError("too early")

    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    model = files.small(tmp_path)
    monkeypatch.setattr("unstride.models.opening.open_model", work)
    monkeypatch.setattr("os.open", refuse)
    said = port(str(model), "--to", "torch", "-o", str(tmp_path / "x.py"))
    assert isinstance(said.exception, UnstrideError)
    assert said.exception.rule == "cannot be written: Permission denied"
    assert said.exception.value == str(tmp_path / "x.py")


def test_a_folder_in_a_files_place_is_told_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "x.py").mkdir()
    said = port(str(tmp_path / "none.keras"), "--to", "torch", "-o", str(tmp_path / "x.py"))
    assert isinstance(said.exception, UnstrideError)
    assert said.exception.rule == "cannot be written: Is a directory"


@pytest.mark.parametrize(
    "words", [("--weights", "k.npy"), ("--set", "k=3"), ("--dialect", "torch"), ("--kernel", "3,3")]
)
def test_options_of_lines_are_not_lost(tmp_path: Path, words: tuple[str, str]) -> None:
    said = port(str(files.small(tmp_path)), "--to", "torch", *words)
    assert isinstance(said.exception, UnstrideError)
    assert said.exception.argument == words[0]


def test_checking_leaves_nothing_behind(tmp_path: Path) -> None:
    said = port(str(tmp_path / "none.keras"), "--to", "torch", "-o", str(tmp_path / "x.py"))
    assert isinstance(said.exception, UnstrideError)
    assert "No such file" in said.exception.rule
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("output", [(), ("-o", "c.keras")])
def test_one_model_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: tuple[str, ...]) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.keras", "b.keras"):
        files.small(tmp_path, name)
    before = Path("b.keras").read_bytes()
    said = port("a.keras", "b.keras", "--to", "keras", *output)
    assert isinstance(said.exception, UnstrideError)
    assert "one model at a time" in said.exception.rule
    assert said.exception.value == "b.keras"
    assert Path("b.keras").read_bytes() == before
    assert not Path("c.keras").exists()


NETS = """
import torch

def net():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1), torch.nn.ReLU())

def broken():
    raise ValueError("of no use")
"""


@needs_torch
@pytest.mark.parity
def test_a_callable_is_ported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "users_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    said = port("users_nets:net", "--to", "torch", "--input", "1,2,5,6", "-o", "out.py")
    assert said.exit_code == 0, said.output
    assert "ConvTranspose2d(2, 3, 4" in Path("out.py").read_text()
    said = port("users_nets:net", "--to", "torch")
    assert isinstance(said.exception, UnstrideError)
    assert said.exception.argument == "--input"
    said = port("users_nets:broken", "--to", "torch")
    assert isinstance(said.exception, UnstrideError)
    assert "ValueError: of no use" in said.exception.rule
    sys.modules.pop("users_nets")


def test_a_framework_is_loaded_quietly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    (tmp_path / "loud_framework.py").write_text(
        "import os\nos.write(2, b'cudart!')\nlevel = os.environ['TF_CPP_MIN_LOG_LEVEL']\n"
    )
    import_quietly("loud_framework")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"
    assert sys.modules.pop("loud_framework").level == "3"
    import_quietly("no_such_framework")
    os.write(2, b"again")
    assert capfd.readouterr().err == "again"
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    import_quietly("loud_framework")
    assert sys.modules.pop("loud_framework").level == "0"
