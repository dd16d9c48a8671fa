"""What is left out of one grid is not missing in another: stamps, sums and the step that is told."""

from __future__ import annotations

import re
from typing import Any

import pytest

from unstride import draw
from unstride.pictures import Picture, Role
from unstride.pictures.cells import cell_items
from unstride.pictures.scene import Cell
from unstride.pictures.shapes import Label
from unstride.pictures.views import CELLS_LIMIT, moment, steps

LONG = "torch.nn.ConvTranspose1d(1, 1, 16, stride=8, padding=4, bias=False)"
DEEP = "torch.nn.ConvTranspose1d(512, 256, 16, stride=8, padding=4)"


def long() -> Picture:
    return draw(LONG, x=[1, 2, 3], kernel=list(range(1, 17)))


def test_columns_of_stamps_add_up_though_the_kernel_is_cut_short() -> None:
    kernel, stamps, total = long().scene.grids[-3:]
    assert not kernel.columns.whole
    for column in total.columns.shown:
        products: list[Any] = [cell.value for cell in stamps.cells if cell.index == (column,)]
        sums = [cell.value for cell in total.cells if cell.index == (column,)]
        assert [sum(products)] == sums


def test_text_writes_every_number_whole_under_its_column() -> None:
    text = long().text()
    assert "…" not in text.partition("x[1] = 2")[0]
    rows = [line for line in text.splitlines() if line.count("│") == 2]
    products: dict[int, int] = {}
    for row in rows[:-1]:
        for found in re.finditer(r"\d+", row):
            products[found.end()] = products.get(found.end(), 0) + int(found[0])
    assert products == {found.end(): int(found[0]) for found in re.finditer(r"\d+", rows[-1])}
    assert len(products) >= 15


def test_the_ends_remain_where_text_has_no_room_for_all() -> None:
    for width in (40, 60, 80):
        lines = long().text(width).splitlines()
        assert max(map(len, lines)) <= width
        assert any(line.rstrip().endswith("48") for line in lines)


@pytest.mark.parametrize(("size", "written"), [(26.0, {"3"}), (32.0, {"3"}), (44.0, {"3", "1"})])
def test_a_small_cell_has_no_mark_that_looks_like_a_number(size: float, written: set[str]) -> None:
    items = cell_items(Cell((0, 0), (3,), Role.SMALL, "3", active=True, tag="1"), 0, 0, size, 10.0)
    assert {item.text for item in items if isinstance(item, Label)} == written


@pytest.mark.parametrize("view", ["gather", "zeros"])
@pytest.mark.parametrize("line", [DEEP, "torch.nn.ConvTranspose1d(1, 1, 30, stride=4)", "Conv1DTranspose(1, 4, 2)"])
@pytest.mark.parametrize("size", [6, 60])
def test_the_step_told_is_one_that_is_seen(line: str, view: str, size: int) -> None:
    channels = 512 if line == DEEP else 1
    shape = (1, size, 1) if line.startswith("Conv1D") else (1, channels, size)
    scene = draw(line, shape, view=view).scene
    source, kernel, _ = scene.grids
    for found, tap in re.findall(r"x\[(\d+)\]·w\[(\d+)\]", scene.notes[0]):
        shown = {cell.text for cell in source.cells if cell.active} | {
            head for head, cell in zip(source.heads[1], source.cells, strict=False) if head
        }
        assert found in shown
        assert (int(tap),) in {cell.index for cell in kernel.cells}


@pytest.mark.parametrize(
    ("line", "shape", "view"),
    [
        ("torch.nn.ConvTranspose3d(1, 1, 5, stride=3)", (1, 1, 50, 50, 50), "scatter"),
        ("Conv2DTranspose(1, 255, strides=128)", (1, 64, 64, 1), "zeros"),
        ("torch.nn.ConvTranspose2d(1, 1, 4, stride=2)", (1, 1, 512, 512), "gather"),
    ],
)
def test_an_animation_has_no_more_cells_than_are_drawn_in_a_few_seconds(
    line: str, shape: tuple[int, ...], view: str
) -> None:
    picture = draw(line, shape, view=view)
    moments = steps(picture.view, picture.examples)
    cells = [len(grid.cells) for grid in moment(picture.view, picture.examples, moments[0]).grids]
    assert 8 <= len(moments) <= max(8, CELLS_LIMIT // sum(cells))
    assert moments[-1].still
