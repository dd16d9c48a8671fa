"""``unstride verify``: lines of source, modules of the user's, what is printed, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from unstride.cli import main
from unstride.porting.subjects import integers

KERAS = "keras.layers.Conv2DTranspose(2, 3, strides=2, padding='same')"
TORCH = "torch.nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1)"
MOVED = "b's output is a's moved 1 row down and 1 column right"
MODULE = """
import numpy as np

class layers:
    def up(x):
        return np.repeat(x, 2, 1)

def wrong(x):
    return np.roll(layers.up(x), -1, 1)
"""


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["verify", *arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_two_lines_that_differ(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = asked(capsys, TORCH, KERAS, "--input", "1,3,4,4")
    assert code == 1
    assert out.splitlines() == [
        "different",
        f"  shifted by (1, 1): {MOVED}; a crops 1+0 × 1+0 (before+after), b 0+1 × 0+1",
        f"a: {TORCH}",
        f"b: {KERAS}",
        "asked: (1, 3, 4, 4): zero, all 48 unit inputs and 8 dense random integer inputs",
        "compared: integers, for equality",
    ]


def test_two_lines_that_are_the_same_as_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    function = "tf.nn.conv2d_transpose(x, w, [1, 8, 8, 2], 2, 'SAME')"
    plain = KERAS.replace(")", ", use_bias=False)")
    code, out, _ = asked(capsys, function, plain, "--input", "1,4,4,3", "--kernel", "3,3,2,3", "--json")
    assert (code, json.loads(out)["same"]) == (0, True)
    np.save(tmp_path / "w.npy", integers((3, 3, 2, 3), 0))
    given = ("--weights", str(tmp_path / "w.npy"))
    code, out, _ = asked(capsys, plain, function, "--input", "1,4,4,3", *given)
    assert (code, out.splitlines()[0]) == (0, "same")


def test_a_module_of_the_users_is_imported(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_to_verify.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    names = ("mine_to_verify:layers.up", "mine_to_verify:wrong")
    code, out, _ = asked(capsys, *names, "--input", "1,3,3,1", "--layouts", "NHWC,NHWC", "--size", "4,5", "--json")
    assert code == 1
    told = json.loads(out)
    assert told["differences"][0]["kind"] == "shift"
    assert [line.partition(":")[0] for line in told["probes"]] == ["(1, 3, 3, 1)", "(1, 4, 5, 1)"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere:up", KERAS), "module='nowhere:up': cannot be imported"),
        (("os:nothing", KERAS), "cannot be imported: module 'os' has no attribute 'nothing'"),
        (("missing.onnx", KERAS), "missing.onnx': is no ONNX file"),
        ((KERAS, "keras.layers.Conv2DTransposed(1)"), "Conv2DTranspose"),
        ((KERAS, TORCH), "--input=None: is needed"),
        ((KERAS, TORCH, "--input", "1,4,4,3", "--bias", "b.npy"), "needs --weights too"),
        (("os:fspath", "os:fspath", "--input", "1,4,4,3"), "--layouts NHWC,NCHW"),
    ],
)
def test_what_cannot_be_compared_is_an_error(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    code, _, err = asked(capsys, *arguments)
    assert code == 1
    assert err.startswith("error: ")
    assert words in err


def test_the_help_says_that_modules_are_run() -> None:
    from unstride.cli import commands

    text = CliRunner().invoke(commands, ["verify", "--help"]).output
    assert "its code is run" in " ".join(text.split())
