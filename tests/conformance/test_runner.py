"""The runner: a crash, a hang or a talkative runtime costs one case; every verdict is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from unstride import UnstrideError
from unstride.conformance.asking import Told, said
from unstride.conformance.cases import suite
from unstride.conformance.judging import Verdict, judge
from unstride.conformance.page import page
from unstride.conformance.report import QUESTIONS, question_of, readings_taken
from unstride.conformance.running import Column, Matrix, ask_all
from unstride.conformance.runtimes import NAMES, RUNTIMES, Runtime, chosen
from unstride.conformance.worker import packed, unpacked

from ..cli.conftest import Unstride
from ..cli.conftest import unstride as unstride  # noqa: PLC0414 - a fixture

SUITE = suite()
FAKE = next(runtime for runtime in RUNTIMES if runtime.name == "onnxruntime")


def asked(theme: str, seconds: float = 60.0) -> Matrix:
    cases = [case for case in SUITE.cases if case.theme == theme]
    return ask_all(SUITE, cases, [FAKE], seconds=seconds)


@pytest.mark.usefixtures("stand_in")
def test_a_crash_or_a_hang_is_a_verdict_about_one_case() -> None:
    (column,) = asked("valid", seconds=4).columns
    assert column.version == "0.0-fake"
    told = {cell.case: (cell.verdict, cell.how) for cell in column.cells}
    assert told["valid-1d"] == (Verdict.CRASHES, "its process ended with SIGABRT: and writes from C")
    assert told["valid-2d"] == (Verdict.CRASHES, "no answer within 4 s")
    assert told["valid-3d"] == (Verdict.REFUSES, "ValueError: cannot do this in valid-3d.onnx")
    assert told["valid-dilations"] == (Verdict.CRASHES, "its process ended with exit code 3: and writes from C")
    assert told["valid-strides"][0] is Verdict.DIFFERS
    assert told["valid-strides"][1].startswith("size 7 × 5 where the expected output has 7 × 6")
    agreeing = {case for case, (verdict, _) in told.items() if verdict is Verdict.AGREES}
    assert agreeing == {"valid-holes", "valid-output-padding", "valid-groups"}


def test_a_runtime_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = Runtime("onnxruntime", "onnxruntime", "onnxruntime")
    monkeypatch.setattr("unstride.conformance.processes.sys.executable", "/bin/false")
    (column,) = ask_all(SUITE, SUITE.cases[:1], [missing]).columns
    assert column.cells == ()
    assert column.unable == "its process ended with exit code 1"


def test_the_wanted_answer_agrees_and_others_are_told() -> None:
    case = SUITE.case("pads-2d-order-s2")
    y = case.expected(case.readings[0])
    assert judge(case, Told(y)).verdict is Verdict.AGREES
    assert judge(case, Told(y)).reading is None
    assert judge(case, Told(y.astype(np.float64))).how == "float64 where float32 is expected"
    assert judge(case, Told(message="no")).verdict is Verdict.REFUSES
    shifted = np.concatenate([y[:, :, 1:], y[:, :, :1]], axis=2)
    assert judge(case, Told(shifted)).how.startswith("shifted by (-1, 0)")
    assert judge(case, Told(message="other words", asked=False)).verdict is Verdict.NOT_ASKED


def test_an_ignored_attribute_is_named() -> None:
    case = SUITE.case("output-padding-2-s3-pads")
    y = case.expected(case.readings[0])
    assert judge(case, Told(y[:, :, :-2])).how.startswith("output_padding ignored: size")
    case = SUITE.case("output-shape-notset-7-of-9")
    y = case.expected(case.readings[0])
    assert judge(case, Told(np.pad(y, [(0, 0), (0, 0), (1, 1)]))).how.startswith("output_shape ignored: size")


def test_a_lost_bias_is_named() -> None:
    case = SUITE.case("bias-groups")
    y, b = case.expected(case.readings[0]), case.load("b")[0]
    assert judge(case, Told(y - b.reshape(-1, 1, 1))).how == "bias missing: it adds none"


def test_a_forbidden_node_must_be_refused() -> None:
    case = SUITE.case("refuse-negative-pads")
    assert judge(case, Told(message="no")).verdict is Verdict.AGREES
    answered = judge(case, Told(np.zeros((1, 3, 5, 5), np.float32)))
    assert answered.verdict is Verdict.DIFFERS
    assert answered.how == "answers, although the text forbids it: every entry is 0 or more"


def test_the_reading_that_is_taken_is_named() -> None:
    case = SUITE.case("same-upper-output-padding-k4")
    names = []
    for reading in case.readings:
        told = judge(case, Told(case.expected(reading)))
        assert told.verdict is Verdict.AGREES
        names.append(told.reading)
    assert names == ["padding-counts", "padding-on-top"]
    assert judge(case, Told(message="no")).verdict is Verdict.REFUSES
    open_size = SUITE.case("output-shape-notset-8-of-7")
    assert judge(open_size, Told(message="no")).reading == "refused"
    nothing = judge(case, Told(np.zeros((1, 3, 6), np.float32)))
    assert nothing.how.startswith("none of the readings; from padding-counts: ")


def test_every_open_question_has_a_name() -> None:
    questions = {question_of(tuple(n for r in case.readings for n in (r.name, *r.also)))
                 for case in SUITE.cases if case.ambiguous}  # fmt: skip
    assert questions == set(QUESTIONS.values())


def test_answers_cross_the_pipe_unchanged() -> None:
    for y in (np.arange(6, dtype=np.float16).reshape(1, 2, 3)[..., ::-1], np.zeros((0, 3, 4)), None):
        told = unpacked(json.loads(json.dumps(packed(Told(y, "why", asked=False, steps=("a step",))))))
        assert (told.message, told.asked, told.steps) == ("why", False, ("a step",))
        assert (told.y is None) == (y is None)
        if told.y is not None and y is not None:
            assert told.y.dtype == y.dtype
            assert np.array_equal(told.y, y)


def test_messages_lose_the_places_in_the_runtimes_source() -> None:
    long = (
        "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Non-zero status code returned while running ConvTranspose node. "
    )
    assert said(ValueError(f"{long}Name:'a' Status Message: no\n  such  thing")) == "ValueError: no such thing"
    assert said(RuntimeError("Exception from src/core.cpp:84:\nException from src/b.cpp:1:\nnot so")) == (
        "RuntimeError: not so"
    )
    assert said(KeyError()) == "KeyError"
    assert len(said(ValueError("x" * 1000))) == 300


@pytest.mark.usefixtures("stand_in")
def test_the_command_prints_the_matrix(unstride: Unstride, tmp_path: Path) -> None:
    cases = ("--case", "valid-holes", "--case", "valid-strides", "--case", "output-shape-notset-8-of-7")
    ended = unstride("conformance", "--runtime", "onnxruntime", *cases, "-o", str(tmp_path / "m.html"))
    assert ended.status == 0
    assert "valid             2  ✓1 ≠1" in ended.out
    assert "output_shape beyond the stamps" in ended.out
    assert "valid-strides" in ended.out
    assert "valid-holes" not in ended.out
    drawn = (tmp_path / "m.html").read_text(encoding="utf-8")
    assert "<script" not in drawn
    assert '<td class="differs"' in drawn
    failed = unstride("conformance", "--runtime", "onnxruntime", *cases, "--fail-on", "differs", "--json")
    assert failed.status == 1
    (runtime,) = failed.document["runtimes"]
    assert runtime["counts"] == {"agrees": 1, "differs": 2}
    passed = unstride("conformance", "--runtime", "onnxruntime", *cases, "--fail-on", "crashes")
    assert passed.status == 0


def test_the_command_lists_the_cases_without_asking(unstride: Unstride) -> None:
    lines = unstride("conformance", "--list").out.splitlines()
    assert len(lines) == len(SUITE.cases) + len(SUITE.themes)
    assert lines[0] == "bias: The optional third input (21)"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--runtime", "onnx"), "must be one of onnxruntime, onnx-reference"),
        (("--theme", "noise"), "must be one of bias, groups"),
        (("--case", "noise"), "is no case of this suite"),
        (("--suite", "/nowhere"), "holds no suite"),
        (("-o", "matrix.txt"), "must end in .html or .json"),
        (("-o", "/nowhere/matrix.html"), "its folder does not exist"),
    ],
)
def test_the_command_refuses_in_words(unstride: Unstride, arguments: tuple[str, str], told: str) -> None:
    ended = unstride("conformance", *arguments)
    assert ended.status == 1
    assert told in ended.err


def test_a_runtime_that_is_not_installed_is_an_error_only_when_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unstride.conformance.runtimes.find_spec", lambda _name: None)
    assert chosen(()) == ()
    for name in NAMES:
        with pytest.raises(UnstrideError, match="is not installed here; pip install"):
            chosen((name,))


def test_the_page_escapes_what_runtimes_say() -> None:
    case = SUITE.cases[0]
    told = judge(case, Told(message="<script>alert(1)</script>"))
    matrix = Matrix(SUITE, (case,), (Column("a<b", '"1"', (told,)), Column("gone", None, (), "<i>no</i>")))
    drawn = page(matrix)
    assert "<script" not in drawn
    assert "<i>" not in drawn
    assert "a&lt;b" in drawn
    assert readings_taken(matrix) == {}
