"""``unstride audit``: files, formats, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from unstride.cli import commands
from unstride.errors import UnstrideError

onnx = pytest.importorskip("onnx")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """One transposed convolution whose margins are left to the runtime."""
    helper, numpy = onnx.helper, onnx.numpy_helper
    kernel = numpy.from_array(np.ones((2, 3, 3, 3), np.float32), "w")
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], name="up", strides=[2, 2], auto_pad="SAME_UPPER")
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 2, "h", "w"])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "net", [x], [y], [kernel])
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def asked(*arguments: object) -> Result:
    return CliRunner().invoke(commands, ["audit", *map(str, arguments)], catch_exceptions=True)


def test_text_and_json(model: Path) -> None:
    text = asked(model)
    assert text.exit_code == 0
    assert "up [auto-pad]" in text.output
    answer = json.loads(asked(model, "--json", "--size", "10,12").output)
    assert answer["sizes"] == {"x": [10, 12]}
    assert [each["output_size"] for each in answer["convolutions"]] == [[20, 24]]
    assert {each["code"] for each in answer["findings"]} == {"auto-pad", "same-asymmetric", "uneven-coverage"}


def test_fail_on(model: Path) -> None:
    assert asked(model, "--fail-on", "error").exit_code == 0
    assert asked(model, "--fail-on", "hazard").exit_code == 4
    assert asked(model, "--fail-on", "note").exit_code == 4


@pytest.mark.parametrize("suffix", [".html", ".json", ".sarif", ".txt"])
def test_files(model: Path, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"report{suffix}"
    assert asked(model, "-o", target).exit_code == 0
    assert "auto-pad" in target.read_text()
    assert not list(tmp_path.glob(".*"))


def test_a_repaired_model(tmp_path: Path) -> None:
    """The U-Net that comes with the project, at a size that it does not take."""
    unet, mended = Path(__file__).parents[2] / "examples" / "unet.keras", tmp_path / "mended.onnx"
    found = asked(unet, "--size", "50,64", "--repair", "-o", mended)
    assert found.exit_code == 0, found.output
    answer = json.loads(asked(mended, "--size", "50,64", "--json").output)
    assert not [each for each in answer["findings"] if each["level"] == "error"]
    assert isinstance(asked(unet, "--repair", "-o", tmp_path / "x.html").exception, UnstrideError)


def test_several_models(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(model.read_bytes())
    assert asked(model, other).output.count("[auto-pad]") == 2
    assert len(json.loads(asked(model, other, "--json").output)) == 2
    assert len(json.loads(asked(model, other, "--sarif").output)["runs"]) == 2
    assert isinstance(asked(model, other, "-o", tmp_path / "x.html").exception, UnstrideError)


def test_the_hook_is_the_command() -> None:
    text = (Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text()
    assert "entry: unstride audit --fail-on hazard\n" in text


def test_refusals(model: Path, tmp_path: Path) -> None:
    for arguments in ((tmp_path / "no.onnx",), (model, "-o", tmp_path / "x.pdf"), (model, "--size", "a,b")):
        error = asked(*arguments).exception
        assert isinstance(error, UnstrideError)
    (tmp_path / "broken.onnx").write_bytes(b"\x00\xff" * 50)
    assert isinstance(asked(tmp_path / "broken.onnx").exception, UnstrideError)


def test_a_callable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "audited_models.py").write_text(
        "from tests.network.builders import unet\n\n\ndef build():\n    return unet(output_padding=1)\n"
    )
    monkeypatch.chdir(tmp_path)
    found = asked("audited_models:build")
    assert found.exit_code == 0, found.output
    assert "multiples of 2" in found.output
