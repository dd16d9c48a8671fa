"""What is on a picture follows from the relation, and from nothing else."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from unstride import draw
from unstride.engine import execute
from unstride.geometry import Axis, Layer
from unstride.pictures import Example, Grid, Picture, Role, Scene, View, views
from unstride.pictures.example import inside, taps_meeting
from unstride.pictures.zeros import padding
from unstride.testing.strategies import axes, layers

MOVING = (View.SCATTER, View.GATHER, View.ZEROS)
Array = NDArray[Any]

fewer = settings(max_examples=max(25, settings.default.max_examples // 3) if settings.default else 25)
"""for laws that compute and draw several pictures for each example"""


@st.composite
def numbered(draw: st.DrawFn, max_rank: int = 3) -> tuple[Layer, Array, Array]:
    """A layer with one channel on each side, an input and a kernel of small integers."""
    drawn = draw(layers(max_rank=max_rank, max_groups=1, max_group_channels=1))
    layer = Layer(drawn.axes, 1, 1, transposed=drawn.transposed)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return layer, rng.integers(-9, 10, layer.input_size), rng.integers(-9, 10, layer.kernel)


def computed(layer: Layer, x: Array, kernel: Array) -> Array:
    y: Array = execute.run(layer, x[None, None], kernel[None, None], None)[0, 0]
    return y


def cells(scene: Scene, title: str) -> dict[tuple[int, ...], Any]:
    """The cells of the one panel with that title by index; of stacked grids, those of the sum."""
    found = [panel for panel in scene.panels if panel.title.startswith(title)]
    assert len(found) == 1, [panel.title for panel in scene.panels]
    return {cell.index: cell for grid in found[0].grids for cell in grid.cells if cell.role is not Role.ELIDED}


def output_panel(layer: Layer, view: View) -> str:
    return "output" if not layer.transposed or view is View.ZEROS else "all stamps"


def grid_of(scene: Scene, title: str) -> Grid:
    return next(panel for panel in scene.panels if panel.title.startswith(title)).grids[-1]


@given(axes(), st.integers(-20, 40))
def test_the_taps_of_an_element_are_those_of_the_axis(axis: Axis, large: int) -> None:
    assert list(taps_meeting(axis, large)) == [contribution.tap for contribution in axis.taps(large)]


@given(numbered(), st.sampled_from(MOVING))
def test_numbers_on_output_cells_are_what_the_engine_computes(drawn: tuple[Layer, Array, Array], view: View) -> None:
    layer, x, kernel = drawn
    scene = views.still(view, [Example(layer, "", x, kernel)])
    shown, y = cells(scene, output_panel(layer, view)), computed(layer, x, kernel)
    numbers = {index: cell.value for index, cell in shown.items() if not layer.transposed or inside(layer, index)}
    assert numbers == {index: y[index] for index in numbers}
    if y.size and max(layer.output_size) <= 8:
        assert len(numbers) == y.size


@given(numbered(max_rank=2), st.sampled_from(MOVING))
def test_the_last_step_is_the_finished_picture(drawn: tuple[Layer, Array, Array], view: View) -> None:
    layer, x, kernel = drawn
    examples = [Example(layer, "", x, kernel)]
    found = views.steps(view, examples)
    assume(found)
    scene = views.moment(view, examples, found[-1])
    y, title = computed(layer, x, kernel), output_panel(layer, view)
    for index, cell in cells(scene, title).items():
        if not layer.transposed or inside(layer, index):
            assert (cell.value or 0) == y[index]


@fewer
@given(numbered(max_rank=2))
def test_each_step_of_a_scatter_adds_one_input_element(drawn: tuple[Layer, Array, Array]) -> None:
    layer, x, kernel = drawn
    assume(layer.transposed and x.size)
    examples = [Example(layer, "", x, kernel)]
    so_far = np.zeros_like(x)
    for step in views.steps(View.SCATTER, examples):
        so_far[step.at] = x[step.at]
        y = computed(layer, so_far, kernel)
        shown = cells(views.moment(View.SCATTER, examples, step), "all stamps")
        assert all((cell.value or 0) == y[i] for i, cell in shown.items() if inside(layer, i))


@given(layers(max_groups=1, max_group_channels=1))
def test_the_box_is_what_lies_between_before_and_after(drawn: Layer) -> None:
    layer = Layer(drawn.axes, 1, 1, transposed=drawn.transposed)
    assume(all(axis.small and axis.large for axis in layer.axes))
    scene = views.still(View.GATHER, [Example(layer)])
    panel = next(panel for panel in scene.panels if "(box" in panel.title)
    *_, rows, columns = (Axis(1, 1, 1), *layer.axes)
    for grid in panel.grids:
        for axis, ruler in ((rows, grid.rows), (columns, grid.columns))[layer.rank == 1 :]:
            assert 0 - ruler.start == max(0, axis.before)
            assert ruler.stop - axis.large == max(0, axis.after)
        for box in grid.boxes:
            assert box.start[-1] == 0
            assert box.stop[-1] == columns.large
            if layer.rank > 1:
                assert (box.start[0], box.stop[0]) == (0, rows.large)


@given(layers(max_groups=1, max_group_channels=1))
def test_the_heat_map_is_the_coverage(drawn: Layer) -> None:
    layer = Layer(drawn.axes, 1, 1, transposed=drawn.transposed)
    scene = views.still(View.COVERAGE, [Example(layer)])
    for grid in scene.grids:
        for cell in grid.cells:
            if cell.role is not Role.ELIDED:
                wanted = prod(axis.coverage(at) for axis, at in zip(layer.axes, cell.index, strict=True))
                assert cell.value == wanted
                assert (cell.role is Role.HEAT) == (wanted > 0)


@given(layers(max_groups=1, max_group_channels=1), st.booleans())
def test_cells_say_whether_they_are_met_kept_or_cropped(drawn: Layer, scatters: bool) -> None:
    layer = Layer(drawn.axes, 1, 1, transposed=True)
    scene = views.still(View.SCATTER if scatters else View.GATHER, [Example(layer)])
    for index, cell in cells(scene, "all stamps").items():
        count = prod(axis.coverage(at) for axis, at in zip(layer.axes, index, strict=True))
        kept = all(0 <= at < axis.large for axis, at in zip(layer.axes, index, strict=True))
        many = Role.OVERLAP if count > 1 else Role.LARGE
        assert cell.role is ((many if count else Role.BARE) if kept else Role.CROPPED if count else Role.OUTSIDE)


@fewer
@given(numbered(max_rank=2))
def test_the_window_over_the_zeros_gives_the_same_sums(drawn: tuple[Layer, Array, Array]) -> None:
    layer, x, kernel = drawn
    assume(layer.transposed and x.size)
    example = Example(layer, "", x, kernel)
    y = computed(layer, x, kernel)
    for step in views.steps(View.ZEROS, [example]):
        scene = views.moment(View.ZEROS, [example], step)
        window = {cell.index: cell.value for cell in cells(scene, "input").values() if cell.active}
        total = 0
        for place, value in window.items():
            tap = tuple((j + a.before - p) // a.dilation for j, p, a in zip(step.at, place, layer.axes, strict=True))
            total += value * kernel[tap]
        if len(window) == kernel.size:
            assert total == y[step.at]


@given(axes())
def test_zeros_around_the_input_make_the_windows_fit(axis: Axis) -> None:
    assume(axis.small)
    ((ahead, behind),) = padding(Example(Layer((axis,), 1, 1)))
    stuffed = (axis.small - 1) * axis.stride + 1
    assert ahead + stuffed + behind - (axis.span - 1) == axis.large


@given(numbered(max_rank=2))
def test_the_matrix_times_the_input_is_the_output(drawn: tuple[Layer, Array, Array]) -> None:
    layer, x, kernel = drawn
    assume(0 < prod(layer.input_size) <= 20 and 0 < prod(layer.output_size) <= 20)
    scene = views.still(View.MATRIX, [Example(layer, "", x, kernel)])
    entries = np.zeros((prod(layer.output_size), prod(layer.input_size)), int)
    turned = np.zeros_like(entries.T)
    for target, title in ((entries, "M:"), (turned, "Mᵀ:")):
        for cell in grid_of(scene, title).cells:
            target[cell.place] = cell.value
    y = computed(layer, x, kernel)
    assert np.array_equal(entries @ x.ravel(), y.ravel())
    assert np.array_equal(entries.T, turned)
    assert np.array_equal(turned @ y.ravel(), computed(layer.adjoint, y, kernel).ravel())


@fewer
@given(layers(max_rank=2, max_groups=2), st.integers(0, 2**32 - 1))
def test_the_pictures_of_all_input_channels_add_up_to_the_output(layer: Layer, seed: int) -> None:
    assume(layer.in_channels and layer.out_channels and all(a.small and a.large for a in layer.axes))
    rng = np.random.default_rng(seed)
    x = rng.integers(-9, 10, (1, layer.in_channels, *layer.input_size))
    weights = rng.integers(-9, 10, (layer.small_channels, layer.large_channels // layer.groups, *layer.kernel))
    target = int(rng.integers(layer.out_channels))
    per_in, per_out = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    group = target // per_out
    y = execute.run(layer, x, weights, None)[0, target]
    total: dict[tuple[int, ...], Any] = {}
    for source in range(group * per_in, (group + 1) * per_in):
        picture = draw(layer, x=x, kernel=weights, channels=(source, target), view="gather")
        for index, cell in cells(picture.scene, output_panel(layer, View.GATHER)).items():
            if not layer.transposed or inside(layer, index):
                total[index] = total.get(index, 0) + cell.value
    assert total == {index: y[index] for index in total}


@given(numbered(), st.sampled_from(sorted(set(View) - {View.GAIN})))
def test_every_picture_can_be_laid_out_and_written(drawn: tuple[Layer, Array, Array], view: View) -> None:
    layer, x, kernel = drawn
    example = Example(layer, "", x, kernel)
    picture = Picture(view, (example, example) if view is View.COMPARE else (example,))
    assert picture.svg().startswith("<svg ")
    assert picture.text()


@given(layers(max_rank=3, max_groups=1))
def test_a_layer_without_numbers_is_drawn_too(layer: Layer) -> None:
    for view in set(View) - {View.GAIN}:
        examples = (Example(layer), Example(layer)) if view is View.COMPARE else (Example(layer),)
        assert Picture(view, examples).text()


def test_products_of_every_kernel_element_are_drawn_once() -> None:
    layer = Layer((Axis(2, 4, 3, stride=2, before=1), Axis(3, 5, 3, stride=2, before=1)), 1, 1)
    scene = views.still(View.SCATTER, [Example(layer)])
    stamps = [panel for panel in scene.panels if panel.title.startswith("x[")]
    assert len(stamps) == 6
    for panel, small in zip(stamps, product(range(2), range(3)), strict=True):
        landed = {cell.index for cell in panel.grids[0].cells if cell.text}
        rows, columns = ({2 * i + t - 1 for t in range(3)} for i in small)
        assert landed == set(product(rows, columns))
