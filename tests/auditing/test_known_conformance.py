"""What is said of ONNX runtimes is what they answered: the recorded verdicts on the conformance suite."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unstride.auditing.known import disagreements
from unstride.dialects import onnx as dialect
from unstride.dialects.spec import Source
from unstride.errors import UnstrideError

ROOT = Path(__file__).parents[2]
RUNTIMES = ("onnxruntime", "onnx-reference", "openvino")
ELSEWHERE = ("refuse", "types", "rank")
"""themes about element types, ranks and models that must be refused: no setting of a layer"""


def told(runtime: str) -> dict[str, str]:
    path = ROOT / "tests" / "conformance" / "verdicts" / f"{runtime}.json"
    found: dict[str, str] = json.loads(path.read_text())["told"]
    return found


def cases() -> Iterator[Any]:
    """The cases that our dialect, which follows ONNX Runtime, reads: name, what is said of it, and the verdicts."""
    verdicts = {runtime: told(runtime) for runtime in RUNTIMES}
    for case in json.loads((ROOT / "conformance" / "index.json").read_text())["cases"]:
        bias = Source("B") if case["b"] else None
        try:
            spec = dialect.ConvTranspose(Source("X"), Source("W"), bias, **case["attributes"])
            layer = spec.read(tuple(case["x"]["shape"]), tuple(case["w"]["shape"]))
        except UnstrideError:
            continue
        if case["theme"] not in ELSEWHERE and case["x"]["shape"][0]:
            answers = {runtime: verdicts[runtime].get(case["name"], "agrees") for runtime in RUNTIMES}
            yield pytest.param(disagreements(spec, layer), answers, id=case["name"])


CASES = list(cases())


@pytest.mark.parametrize(("found", "answers"), CASES)
def test_every_recorded_disagreement_is_told(found: tuple[Any, ...], answers: dict[str, str]) -> None:
    assert found or len(set(answers.values())) == 1


@pytest.mark.parametrize(("found", "answers"), CASES)
def test_what_is_told_was_recorded(found: tuple[Any, ...], answers: dict[str, str]) -> None:
    """That an evaluator fails, or a runtime crops the other side, is in its own verdict."""
    for each in found:
        if "reference evaluator" in each.says and "shape inference" not in each.says:
            assert answers["onnx-reference"] != answers["onnxruntime"], each.says
        if "OpenVINO" in each.says:
            assert answers["openvino"] != answers["onnxruntime"], each.says


def test_there_is_something_to_tell() -> None:
    assert sum(bool(case.values[0]) for case in CASES) > 60
