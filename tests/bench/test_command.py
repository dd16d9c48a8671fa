"""The command: its options, its JSON, its files and its errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unstride.bench import cases
from unstride.bench.command import bench
from unstride.bench.jobs import Expected
from unstride.console import guard

from .tiny import DEPTHWISE, TINY

QUICK = ("--peers", "", "--threads", "1", "--rounds", "2", "--direction", "forward")


@pytest.fixture(autouse=True)
def tiny_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "CASES", (TINY, DEPTHWISE))
    monkeypatch.setattr(cases.select, "__defaults__", ((TINY, DEPTHWISE),))


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        guard(lambda: bench.main(list(arguments), standalone_mode=False), as_json="--json" in arguments)
    return int(str(ended.value.code))


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--list") == 0
    assert "tiny-depthwise" in capsys.readouterr().out
    assert call("--list", "--json") == 0
    assert [case["name"] for case in json.loads(capsys.readouterr().out)] == ["tiny", "tiny-depthwise"]


def test_the_document(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    output = tmp_path / "results.json"
    assert call("tiny", *QUICK, "--json", "--output", str(output)) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert json.loads(output.read_text()) == document
    assert document["schema"] == 1
    assert document.keys() == {
        *("schema", "machine", "versions", "missing", "settings", "groups", "comparison"),
    }
    (group,) = document["groups"]
    assert group["case"]["multiply_accumulates"] == TINY.multiply_accumulates
    assert len(group["timings"]) == 4
    rows = {(t["call"], r["layout"]): r for t in document["comparison"]["tables"] for r in t["rows"]}
    for timing in group["timings"]:
        assert timing["q1_ns"] <= timing["median_ns"] <= timing["q3_ns"]
        row = rows[timing["call"], timing["layout"]]
        assert row["milliseconds"] == pytest.approx(timing["median_ns"] / 1e6)
        assert row["gflops"] == pytest.approx(2 * TINY.multiply_accumulates / timing["median_ns"])


def test_the_report_and_the_picture(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "bench.svg"
    assert call("*", *QUICK, "--call", "prepared", "--plot", str(picture)) == 0
    printed = capsys.readouterr()
    assert "forward, prepared, 1 thread" in printed.out
    assert "tiny-depthwise" in printed.out
    assert "tiny-depthwise" in picture.read_text()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("resnet",), "--list"),
        (("--peers", "torch,caffe"), "onnxruntime"),
        (("--threads", "0"), "--threads='0'"),
        (("--threads", "1,many"), "'many'"),
        (("--layout", "middle"), "first, last"),
        (("--direction", ""), "must name one"),
        (("--plot", "bench.pdf"), ".svg or .png"),
        (("--output", "/no/such/folder/results.json"), "--output"),
    ],
)
def test_rejections_come_before_the_measurement(
    arguments: tuple[str, ...], part: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unstride.bench.measure.Measurement", None)
    assert call(*arguments) == 1
    assert part in capsys.readouterr().err


def test_the_way_out_without_matplotlib(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unstride.bench.plot.find_spec", lambda _: None)
    assert call("--plot", "bench.svg") == 1
    assert "pip install matplotlib" in capsys.readouterr().err


def test_wrong_values_are_printed_and_end_in_an_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Expected.of

    def shifted(case: cases.Case, direction: str, dtype: str) -> Expected:
        return Expected(right(case, direction, dtype).values + 1, right(case, direction, dtype).bound)

    monkeypatch.setattr(Expected, "of", shifted)
    assert call("tiny", *QUICK) == 1
    printed = capsys.readouterr()
    assert "wrong: unstride" in printed.out
    assert "not every value was right" in printed.err
