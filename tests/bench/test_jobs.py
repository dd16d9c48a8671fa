"""A competitor's values are held against the definition, closely enough to see one product left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unstride.bench.cases import Case
from unstride.bench.jobs import DIRECTIONS, Arrays, Expected, Job
from unstride.bench.peers import ours
from unstride.engine import reference

from .tiny import SOLID, TINY


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_expected_values_are_the_definition(direction: str) -> None:
    arrays, layer = Arrays.of(TINY, "float64"), TINY.layer
    defined = {
        "forward": lambda: reference.run(layer, arrays.x, arrays.weights, arrays.bias),
        "input_gradient": lambda: reference.input_gradient(layer, arrays.grad, arrays.weights),
        "weight_gradient": lambda: reference.weight_gradient(layer, arrays.x, arrays.grad),
    }[direction]()
    assert Expected.of(TINY, direction, "float32").fault(defined) is None


def test_one_product_left_out_is_seen() -> None:
    expected, arrays = Expected.of(TINY, "forward", "float32"), Arrays.of(TINY, "float64")
    found = expected.values.copy()
    largest = np.unravel_index(np.argmax(expected.bound), found.shape)
    found[largest] -= 0.01 * np.abs(arrays.x).max() * np.abs(arrays.weights).max()
    fault = expected.fault(found)
    assert fault is not None
    assert fault.startswith(f"1 of {found.size:,} values")


def test_nan_and_other_shapes_are_seen() -> None:
    expected = Expected.of(TINY, "forward", "float32")
    spoilt = expected.values.copy()
    spoilt.flat[5] = np.nan
    assert "nan" in str(expected.fault(spoilt))
    assert "shape" in str(expected.fault(expected.values[:1]))


def test_expected_values_survive_a_file(tmp_path: Path) -> None:
    expected = Expected.of(TINY, "forward", "float32")
    expected.save(tmp_path / "expected.npz")
    loaded = Expected.load(tmp_path / "expected.npz")
    assert np.array_equal(loaded.values, expected.values)
    assert np.array_equal(loaded.bound, expected.bound)


def test_a_job_survives_json() -> None:
    job = Job(TINY, "input_gradient", "last", "functional", "float64", "gradient")
    assert Job.from_json(job.as_json()) == job


@pytest.mark.parametrize("case", [TINY, SOLID], ids=lambda case: case.name)
@pytest.mark.parametrize("layout", ["first", "last"])
def test_our_answers_are_right_and_in_the_layout_asked_for(case: Case, layout: str) -> None:
    for call in ("functional", "prepared"):
        runner = ours.build(Job(case, "forward", layout, call), Arrays.of(case, "float32"))
        y = runner.call()
        assert Expected.of(case, "forward", "float32").fault(runner.fetch(y)) is None
        assert (np.moveaxis(y, 1, -1) if layout == "last" else y).flags.c_contiguous
