"""``unstride draw``: values on the line or from files, every kind of output, errors with their codes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest

from unstride import UnstrideError, draw
from unstride.cli import commands, main
from unstride.illustration.command import VIEWS
from unstride.pictures import View

from .cases import KERAS, KERNEL, LECTURE, X

NUMBERS = ("--x", json.dumps(X), "--kernel-values", json.dumps(KERNEL))


def called(*arguments: str) -> str:
    answer = click.testing.CliRunner().invoke(commands, ["draw", *arguments], catch_exceptions=False)
    assert answer.exit_code == 0
    return answer.output


def status(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(["draw", *arguments])
    return int(ended.value.code or 0), capsys.readouterr().err


def test_it_prints_the_picture_as_text() -> None:
    text = called(LECTURE, *NUMBERS, "--view", "gather")
    assert "│10" in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("kind", ["svg", "png", "gif", "html", "txt"])
def test_it_writes_every_kind_of_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"lecture.{kind}"
    assert called(LECTURE, *NUMBERS, "-o", str(path)).startswith(f"{path}: Transposed convolution from 2 × 2 to 4 × 4")
    assert path.stat().st_size > 500


def test_values_come_from_files_too(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array(X).reshape(1, 1, 2, 2))
    np.savez(tmp_path / "w.npz", kernel=np.array(KERNEL).reshape(1, 1, 3, 3))
    files = ("--x", str(tmp_path / "x.npy"), "--kernel-values", f"{tmp_path / 'w.npz'}:kernel")
    assert called(LECTURE, *files) == called(LECTURE, *NUMBERS)


def test_layers_are_compared() -> None:
    assert "B begins 1 row later and 1 column later" in called(KERAS, *NUMBERS, "--compare", LECTURE).replace("\n", " ")


def test_every_view_of_one_layer_can_be_asked_for() -> None:
    assert set(VIEWS) == set(View) - {View.COMPARE}


def test_a_folder_is_no_file_to_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "picture.svg").mkdir()
    code, text = status(capsys, LECTURE, *NUMBERS, "-o", str(tmp_path / "picture.svg"))
    assert (code, "it is a folder" in text) == (1, True)


def test_both_causes_of_a_checkerboard_from_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.arange(8 * 4 * 16).reshape(8, 4, 4, 4))
    line = "torch.nn.ConvTranspose2d(8, 4, 4, stride=2)"
    given = ("--input", "1,8,4,4", "--kernel-values", str(tmp_path / "w.npy"), "--view", "gain", "--channels", "1", "2")
    text = called(line, *given)
    assert "1. Coverage: how many stamps meet at an output — even, alternation 0" in text
    assert "2. Weights: what an input of ones comes out as — uneven, alternation" in text
    assert "alternate most from input channel" in text
    assert called(line, *given, "-o", str(tmp_path / "both.svg")).startswith(str(tmp_path / "both.svg"))


def test_json_tells_what_is_on_the_picture(tmp_path: Path) -> None:
    path = str(tmp_path / "lecture.svg")
    document = json.loads(called(LECTURE, *NUMBERS, "--json", "-o", path))
    assert document["output"] == path
    assert document["view"] == "scatter"
    assert document["axes"][0][0]["before"] == 1


def test_the_shape_alone_is_enough() -> None:
    assert "input 8 × 8" in called("Conv2DTranspose(512, 3, strides=2, padding='same')", "--input", "1,8,8,1024")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((LECTURE,), "[size]"),
        ((LECTURE, "--x", "[[1,2"), "[argument]"),
        ((LECTURE, "--x", "[" * 50_000), "[argument]"),
        ((LECTURE, "--x", f"[{'1,' * 60_000}1]"), "[argument]"),
        ((LECTURE, "--x", "nowhere.npy"), "[file]"),
        ((LECTURE, "--x", "photo.png"), "[argument]"),
        ((LECTURE, "--x", "7"), "[rank]"),
        ((LECTURE, "--input", "1,1,2,2", "--x", "[1,2]"), "[size]"),
        ((LECTURE, "--input", "1,1,2,2", "--x", '[["a"]]'), "[dtype]"),
        ((LECTURE, "--input", "1,1,2,2", "--view", "gain"), "[argument]"),
        ((LECTURE, "--input", "1,1,2,2", "--view", "gain", "--compare", LECTURE), "[argument]"),
        ((LECTURE, "--input", "1,1,2,2", "--channels", "1", "0"), "[channels]"),
        (("Conv1DTranspose(1, 2)", "--x", f"[{'9' * 400},1]", "--kernel-values", "[1.5,2]"), "[dtype]"),
        ((LECTURE, *NUMBERS, "-o", "picture"), "[file]"),
        ((LECTURE, *NUMBERS, "-o", "."), "[file]"),
        ((LECTURE, *NUMBERS, "-o", "a\0b.svg"), "[file]"),
        ((LECTURE, *NUMBERS, "-o", "picture.pdf"), "[file]"),
        ((LECTURE, *NUMBERS, "-o", "no-such-folder/picture.svg"), "[file]"),
        ((LECTURE, *NUMBERS, "--compare", "no such layer"), "[syntax]"),
    ],
)
def test_errors_carry_their_reason(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], reason: str) -> None:
    code, text = status(capsys, *arguments)
    assert code == 1
    assert reason in text


@pytest.mark.parametrize(
    ("code", "shape"),
    [
        ("torch.nn.ConvTranspose1d(512, 256, 16, stride=8)", "1,512,8"),
        ("torch.nn.ConvTranspose3d(4, 2, 3)", "1,4,8,8,8"),
        ("keras.layers.Conv2DTranspose(1, 3, 2)", "1,8,8,1"),
        ("jax.lax.conv_transpose(x, w, (2,), 'SAME')", "1,8,1"),
    ],
)
def test_a_missing_input_is_asked_for_in_the_layers_own_shape(
    code: str, shape: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answer, told = status(capsys, code)
    assert answer == 1
    assert f"such as --input {shape} [size]" in told
    options = ["--kernel", "3,1,1"] if code.startswith("jax") else []
    assert called(code, "--input", shape, *options)
    with pytest.raises(UnstrideError, match=re.escape(f"such as input_shape=({shape.replace(',', ', ')})")):
        draw(code)


@pytest.mark.parametrize("option", ["--x", "--kernel-values"])
def test_rows_of_different_lengths_are_named(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer, told = status(capsys, LECTURE, "--input", "1,1,2,2", option, "[[1,2],[3]]")
    assert answer == 1
    assert f"{option}=[[1, 2], [3]]: rows differ in length: 2 and 1; give every row as many numbers" in told
    ragged: Any = [1, [2]]
    with pytest.raises(UnstrideError, match=r"^x=\[1, \[2\]\]: rows differ in length: 0 and 1"):
        draw(LECTURE, x=ragged)


def test_what_takes_long_tells_how_far_it_is_also_where_nobody_watches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unstride.illustration.command.SILENT_SECONDS", 0.0)
    path = str(tmp_path / "a.gif")
    answer = click.testing.CliRunner().invoke(commands, ["draw", LECTURE, *NUMBERS, "-o", path], catch_exceptions=False)
    told = answer.stderr.splitlines()
    assert told == [
        f"{what}: {done} of 4"
        for what in ("steps computed", "frames laid out", "frames painted")
        for done in range(1, 5)
    ]


def test_a_view_without_steps_is_said_to_be_still(tmp_path: Path) -> None:
    path = str(tmp_path / "a.gif")
    assert called(LECTURE, *NUMBERS, "--view", "matrix", "-o", path).startswith(f"{path}: a still picture, ")
    assert "still" not in called(LECTURE, *NUMBERS, "-o", path)
