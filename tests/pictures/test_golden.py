"""Golden pictures: SVG as text, looked at before they are kept; and what a terminal of 80 columns shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden_files import GOLDEN, check_golden

from .cases import CASES

FOLDER = GOLDEN / "pictures"
AS_TEXT = (
    "lecture_compare",
    "lecture_keras_scatter",
    "one_axis",
    "three_axes",
    "unet",
    "convolution_gather",
    "huge",
    "gain_uneven_weights",
)


@pytest.mark.parametrize("name", CASES)
def test_pictures_are_as_kept(name: str, request: pytest.FixtureRequest) -> None:
    update = bool(request.config.getoption("--update-golden"))
    check_golden(FOLDER / f"{name}.svg", CASES[name]().svg(), update=update)


@pytest.mark.parametrize("name", AS_TEXT)
def test_texts_are_as_kept(name: str, request: pytest.FixtureRequest) -> None:
    update = bool(request.config.getoption("--update-golden"))
    check_golden(FOLDER / f"{name}.txt", CASES[name]().text(), update=update)


def test_every_kept_picture_has_its_case() -> None:
    kept = {path.name for path in Path(FOLDER).iterdir()}
    assert kept == {f"{name}.svg" for name in CASES} | {f"{name}.txt" for name in AS_TEXT}
