"""The published suite: complete, exact, telling, and what our own engine and ONNX dialect say."""

from __future__ import annotations

import json
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tools import conformance as tool
from tools.conformance_cases import cases as tabled
from tools.conformance_text import WHY, readings

from unstride import UnstrideError, run
from unstride.conformance.cases import Case, Reading, suite
from unstride.engine import execute
from unstride.geometry import Axis, Layer
from unstride.testing.definitions import scatter_of_stamps

from .nodes import spec

Array = NDArray[Any]

SUITE = suite()
ANSWERED = [(case, reading) for case in SUITE.cases for reading in case.readings if not reading.refuses]


def integers(case: Case) -> tuple[Array, Array, Array | None]:
    x, w = (array.astype(np.int64) for array in case.load("x", "w"))
    return x, w, case.load("b")[0].astype(np.int64) if "b" in case.inputs else None


def computed(layer: Layer, x: Array, w: Array) -> Array:
    """By NumPy's products: nothing is compiled for a layer that is asked once."""
    y: Array = execute.run(layer, x.astype(np.float64), w.astype(np.float64), engine="blas")
    return y


def test_the_tool_writes_index_and_arrays_again_bit_for_bit() -> None:
    for path, content in tool.tables([tool.write(case) for case in tabled()]):
        assert (SUITE.path / path).read_bytes() == content, f"{path}: run python tools/conformance.py"


def test_the_folder_holds_the_suite_and_nothing_else() -> None:
    wanted = {SUITE.path / "index.json", SUITE.path / "README.md"}
    wanted |= {file for case in SUITE.cases for file in (case.model, case.arrays)}
    assert {path for path in SUITE.path.rglob("*") if path.is_file()} == wanted
    assert sum(path.stat().st_size for path in wanted) < 1_500_000
    assert 250 <= len(SUITE.cases) <= 400


def test_every_theme_and_rule_is_told_and_used() -> None:
    assert {case.theme for case in SUITE.cases} == set(SUITE.themes)
    assert {case.rule for case in SUITE.cases} == set(SUITE.rules)
    assert {name for case in SUITE.cases for each in case.readings for name in (each.name, *each.also)} - {""} == set(
        WHY
    )
    assert {case.weights for case in SUITE.cases} == {"initializer", "input"}
    assert {case.opset for case in SUITE.cases} == {1, 11, 22}
    assert len({case.name for case in SUITE.cases}) == len(SUITE.cases)


@pytest.mark.parametrize(("case", "reading"), ANSWERED, ids=lambda each: getattr(each, "name", ""))
def test_outputs_are_what_the_engine_and_the_definition_say(case: Case, reading: Reading) -> None:
    layer, (x, w, b) = case.layer(reading), integers(case)
    expected = case.expected(reading)
    assert expected.dtype.name == case.dtype
    assert expected.shape == reading.shape
    added = 0 if b is None else b.reshape(-1, *[1] * layer.rank)
    assert np.array_equal(expected, computed(layer, x, w) + added)
    assert np.array_equal(expected, scatter_of_stamps(layer, x, w) + added)


def test_no_two_numbers_of_an_input_have_the_same_magnitude() -> None:
    for case in SUITE.cases:
        for array in case.load(*case.inputs):
            assert len(np.unique(np.abs(array))) == array.size
            assert not (array == 0).any()


def mutations(layer: Layer, x: Array, w: Array) -> dict[str, tuple[Layer, Array, Array]]:
    """Wrong layers that have the right shape."""
    found: dict[str, tuple[Layer, Array, Array]] = {}
    for axis in range(layer.rank):
        if layer.kernel[axis] > 1:
            found[f"flip {axis}"] = (layer, x, np.flip(w, axis + 2))
        for step in (-1, 1):
            axes = list(layer.axes)
            old = axes[axis]
            axes[axis] = Axis(old.small, old.large, old.kernel, old.stride, old.dilation, old.before + step)
            moved = Layer(tuple(axes), layer.small_channels, layer.large_channels, layer.groups)
            found[f"shift {axis} by {step}"] = (moved, x, w)
    for one, other in combinations(range(min(w.shape[0], 4)), 2):
        order = list(range(w.shape[0]))
        order[one], order[other] = order[other], order[one]
        found[f"inputs {one}, {other}"] = (layer, x, w[order])
    for one, other in combinations(range(min(w.shape[1], 4)), 2):
        order = list(range(w.shape[1]))
        order[one], order[other] = order[other], order[one]
        found[f"outputs {one}, {other}"] = (layer, x, w[:, order])
    for one, other in combinations(range(layer.rank), 2):
        if w.shape[one + 2] == w.shape[other + 2] > 1:
            found[f"axes {one}, {other}"] = (layer, x, w.swapaxes(one + 2, other + 2))
    return found


@pytest.mark.parametrize(("case", "reading"), ANSWERED, ids=lambda each: getattr(each, "name", ""))
def test_a_wrong_layer_of_the_right_shape_shows(case: Case, reading: Reading) -> None:
    layer, (x, w, b) = case.layer(reading), integers(case)
    expected = computed(layer, x, w)
    if not expected.any():  # no image, no element, or pads that leave nothing but the bias
        assert case.name in {"sizes-batch-0", "sizes-empty-output", "sizes-empty-rows"}
        return
    for what, (wrong, given, weights) in mutations(layer, x, w).items():
        assert not np.array_equal(computed(wrong, given, weights), expected), f"{case.name}: {what} does not show"
    if b is not None:
        assert len(set(b.tolist())) == len(b)


@pytest.mark.parametrize("case", SUITE.cases, ids=lambda case: case.name)
def test_our_onnx_dialect_answers_as_the_text_allows(case: Case) -> None:
    x, w = case.load("x", "w")
    b = case.load("b")[0] if "b" in case.inputs else None
    allowed = [None if reading.refuses else case.expected(reading) for reading in case.readings]
    try:
        y = run(spec(dict(case.attributes), bias=b is not None), x, w, b)
    except UnstrideError:
        y = None
    taken = [y is None if each is None else y is not None and np.array_equal(each, y) for each in allowed]
    assert any(taken), f"{case.name}: {'is refused' if y is None else f'answers {y.shape}'}"


def test_the_text_is_clear_about_what_it_says_twice() -> None:
    same = readings({"auto_pad": "SAME_UPPER", "strides": [2]}, (4,), (3,), 22)
    sized = readings({"auto_pad": "SAME_UPPER", "strides": [2], "output_shape": [8]}, (4,), (3,), 22)
    assert same == sized
    assert [each.windows for each in same] == [((0, 8),)]
    assert readings({"strides": [2], "output_shape": [8]}, (4,), (3,), 22)[0].windows == ((1, 8),)


def broken(tmp_path: Path, change: dict[str, Any]) -> Path:
    folder = tmp_path / "suite"
    folder.mkdir()
    content = json.loads((SUITE.path / "index.json").read_text(encoding="utf-8"))
    content["cases"] = [{**content["cases"][0], **change}]
    (folder / "index.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "change",
    [
        {"model": "../../etc/passwd"},
        {"arrays": "/etc/passwd"},
        {"x": 7},
        {"dtype": "no type"},
        {"expect": "one of"},
        {"y": {"key": "y", "shape": ["many"]}},
        {"model": ""},
    ],
    ids=str,
)
def test_a_damaged_index_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(UnstrideError, match="damaged") as refused:
        suite(broken(tmp_path, change))
    assert refused.value.code == "file"


def test_a_folder_without_a_suite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnstrideError, match="holds no suite"):
        suite(tmp_path)
    for text in ("", "[]", '{"format": "another"}', "[" * 100_000):
        (tmp_path / "index.json").write_text(text, encoding="utf-8")
        with pytest.raises(UnstrideError, match="cannot be read"):
            suite(tmp_path)


def test_a_suite_elsewhere_is_the_same(tmp_path: Path) -> None:
    shutil.copytree(SUITE.path / "valid", tmp_path / "valid")
    shutil.copy(SUITE.path / "index.json", tmp_path)
    found = suite(str(tmp_path))
    case = found.case("valid-1d")
    assert np.array_equal(case.expected(case.readings[0]), SUITE.case("valid-1d").expected(case.readings[0]))
    with pytest.raises(UnstrideError, match="is no case"):
        found.case("valid-9d")
