"""``unstride.draw``: lines, specs and layers, arrays in every dialect's own layouts, and what is rejected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unstride
from unstride import UnstrideError, draw, parse, run
from unstride.geometry import Axis, DataLayout, Layer
from unstride.pictures import Picture, Role

from .cases import KERAS, KERNEL, LECTURE, SIX, VALID, X

LINES = [
    ("keras.layers.Conv2DTranspose(3, (3, 2), strides=(2, 3), padding='same')", (1, 3, 4, 2)),
    ("keras.layers.Conv2DTranspose(3, 3, strides=2, data_format='channels_first')", (2, 2, 3, 3)),
    ("torch.nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, groups=2)", (1, 4, 3, 3)),
    ("jax.lax.conv_transpose(x, w, (2, 2), 'SAME')", (1, 3, 3, 2)),
    ("flax.nnx.ConvTranspose(2, 3, (3, 3), strides=(2, 2), padding='VALID', rngs=rngs)", (1, 3, 3, 2)),
    ("tf.nn.conv2d_transpose(x, w, (1, 6, 6, 3), 2, padding='SAME')", (1, 3, 3, 2)),
    ("torch.nn.Conv2d(2, 3, 3, stride=2, padding=1)", (1, 2, 5, 6)),
    ("keras.layers.Conv1D(3, 4, strides=3, padding='same')", (1, 11, 2)),
    ("torch.nn.ConvTranspose3d(2, 3, 2, stride=2)", (1, 2, 2, 2, 3)),
]
FUNCTIONAL = {"jax.lax": (3, 3, 2, 3), "tf.nn": (3, 3, 3, 2)}


def arrays(line: str, shape: tuple[int, ...]) -> tuple[Any, Any]:
    spec = parse(line)
    given = next((kernel for prefix, kernel in FUNCTIONAL.items() if line.startswith(prefix)), None)
    kernel_shape = given or spec.kernel_shape(spec.read(shape))
    rng = np.random.default_rng(len(line))
    return rng.integers(-9, 10, shape), rng.integers(-9, 10, kernel_shape)


@pytest.mark.parametrize(("line", "shape"), LINES, ids=[line.split("(")[0] for line, _ in LINES])
def test_numbers_are_those_of_run_in_the_dialects_own_layouts(line: str, shape: tuple[int, ...]) -> None:
    spec, (x, kernel) = parse(line), arrays(line, shape)
    layer = spec.read(shape, kernel.shape)
    layout = spec.output_layout(x.ndim)
    y = run(spec, x, kernel)
    target = layer.out_channels - 1
    wanted = layout.to(DataLayout.first(layer.rank), y.shape).apply(y)[0, target]
    per_in = layer.in_channels // layer.groups
    total = np.zeros(layer.output_size, int)
    for source in range(layer.in_channels - per_in, layer.in_channels):
        picture = draw(line, x=x, kernel=kernel, channels=(source, target), view="gather")
        for cell in (cell for grid in picture.scene.panels[-1].grids for cell in grid.cells):
            if all(0 <= at < size for at, size in zip(cell.index, total.shape, strict=True)):
                total[cell.index] += cell.value
    assert np.array_equal(total, wanted)


def output(picture: Picture) -> list[Any]:
    return [cell.value for cell in picture.scene.grids[-1].cells if min(cell.index) >= 0]


@pytest.mark.parametrize("subject", [LECTURE, parse(LECTURE), parse(LECTURE).read((1, 1, 2, 2))])
@pytest.mark.parametrize("whole", [False, True])
def test_lines_specs_and_layers_draw_the_same(subject: Any, whole: bool) -> None:
    x: Any = np.array(X).reshape(1, 1, 2, 2) if whole else X
    kernel: Any = np.array(KERNEL).reshape(1, 1, 3, 3) if whole else KERNEL
    assert output(draw(subject, x=x, kernel=kernel, view="gather")) == [0, 4, 0, 1, 10, 7, 6, 3, 0, 7, 0, 2, 6, 3, 4, 2]


def test_a_kernel_given_alone_is_in_the_dialects_own_order() -> None:
    line = "jax.lax.conv_transpose(x, w, (2,), 'VALID')"
    x, kernel = np.arange(1, 4).reshape(1, 3, 1), np.array([1, 2, 5]).reshape(3, 1, 1)
    wanted = run(parse(line), x, kernel).ravel().tolist()
    assert output(draw(line, (1, 3, 1), x=[1, 2, 3], kernel=[1, 2, 5], view="gather")) == wanted


def test_a_framework_that_flips_its_kernel_is_named() -> None:
    line = "jax.lax.conv_transpose(x, w, (2,), 'VALID')"
    note = "jax.lax.conv_transpose flips its kernel"
    assert note in " ".join(draw(line, (1, 3, 1), kernel=[1, 2, 5]).scene.notes)
    compared = draw("Conv1DTranspose(1, 3, strides=2)", (1, 3, 1), compare=[line])
    assert note in " ".join(compared.scene.notes)
    assert "flips" not in " ".join(draw(LECTURE, x=X).scene.notes)


def test_kernels_of_other_sizes_are_not_called_one_kernel() -> None:
    other = "torch.nn.ConvTranspose2d(1, 1, 2, stride=2)"
    assert draw(LECTURE, x=X, compare=[other]).scene.title == "one input, 2 layers"
    assert draw(LECTURE, x=X, compare=[KERAS]).scene.title == "one input, one kernel, 2 layers"


def test_the_lecture_and_keras_lie_one_pixel_apart() -> None:
    scene = draw(KERAS, x=X, kernel=KERNEL, compare=[LECTURE]).scene
    extent = next(panel for panel in scene.panels if panel.title.startswith("all stamps")).grids[0]
    assert [(box.name, box.start, box.stop) for box in extent.boxes] == [("A", (0, 0), (4, 4)), ("B", (1, 1), (5, 5))]
    outputs = [[cell.value for cell in panel.grids[0].cells] for panel in scene.panels if "output" in panel.title]
    numbers = np.array(outputs).reshape(2, 4, 4)
    assert np.array_equal(numbers[0][1:, 1:], numbers[1][:-1, :-1])
    assert not np.array_equal(numbers[0], numbers[1])
    assert "B begins 1 row later and 1 column later" in " ".join(scene.notes)


def test_layers_with_other_stamps_are_compared_one_by_one() -> None:
    picture = draw(LECTURE, (1, 1, 2, 2), compare=["torch.nn.ConvTranspose2d(1, 1, 2, stride=2)", VALID])
    assert [line.heading[:2] for line in picture.scene.lines] == ["A:", "B:", "C:"]


def test_functions_are_compared_by_the_first_layers_kernel() -> None:
    assert "B: output 6 × 6" in [panel.title for panel in draw(VALID, (1, 2, 2, 1), compare=[SIX]).scene.panels]


def test_a_layer_that_cannot_take_the_input_is_named() -> None:
    with pytest.raises(UnstrideError, match=r"in the layer to compare, .*Conv1DTranspose\(1, 3, strides=2\)") as caught:
        draw(LECTURE, x=X, compare=["Conv1DTranspose(1, 3, strides=2)"])
    assert caught.value.code == "rank"


def test_exact_numbers_stay_exact() -> None:
    layer = Layer((Axis(1, 1, 1),), 1, 1)
    assert output(draw(layer, x=[10**30], kernel=[3], view="gather")) == [3 * 10**30]
    assert output(draw(layer, x=np.array([200], np.uint8), kernel=np.array([200], np.uint8), view="gather")) == [40_000]
    assert output(draw(layer, x=[1j], kernel=[2], view="gather")) == [2j]


def test_an_input_alone_is_drawn_without_sums() -> None:
    scene = draw(LECTURE, x=X).scene
    assert [cell.value for cell in scene.grids[0].cells] == [2, 1, 3, 2]
    assert all(cell.value is None for cell in scene.grids[-1].cells if cell.role is Role.LARGE)


def test_channels_that_are_shown_are_named() -> None:
    notes = " ".join(draw(LINES[2][0], LINES[2][1], channels=(3, 5)).scene.notes)
    assert "input channel 3 and output channel 5, of 4 and 6" in notes
    assert "2 groups" in notes


FORWARD = "torch.nn.Conv2d(1, 1, 3, padding=1)"
WIDE = "torch.nn.ConvTranspose2d(1, 5, 3)"
GROUPED = "torch.nn.ConvTranspose2d(4, 6, 3, groups=2)"


@pytest.mark.parametrize(
    ("code", "given"),
    [
        ("channels", {"spec": "Conv1DTranspose(1, 2)", "input_shape": (1, 4, 0), "kernel": np.zeros((2, 1, 0))}),
        ("size", {"spec": LECTURE, "input_shape": 7}),
        ("rank", {"spec": LECTURE, "input_shape": ()}),
        ("channels", {"spec": LECTURE, "input_shape": (1, 1, 2, 2), "channels": "ab"}),
        ("channels", {"spec": LECTURE, "input_shape": (1, 1, 2, 2), "channels": (0.0, 0)}),
        ("channels", {"spec": LECTURE, "input_shape": (1, 1, 2, 2), "channels": (0,)}),
        ("dtype", {"spec": LECTURE, "x": np.zeros((1, 1, 2, 2), [("a", "f4")])}),
        ("dtype", {"spec": LECTURE, "x": np.zeros((1, 1, 2, 2), "M8[s]")}),
        ("channels", {"spec": "Conv1DTranspose(1, 2)", "x": np.zeros((1, 4, 0))}),
        ("size", {"spec": LECTURE}),
        ("argument", {"spec": LECTURE, "input_shape": (1, 1, 2, 2), "view": "sideways"}),
        ("argument", {"spec": LECTURE, "input_shape": (1, 1, 2, 2), "view": "compare"}),
        ("argument", {"spec": LECTURE, "input_shape": (1, 1, 2, 2), "view": "matrix", "compare": [VALID]}),
        ("argument", {"spec": LECTURE, "input_shape": (1, 1, 2, 2), "compare": [VALID] * 4}),
        (
            "argument",
            {"spec": LECTURE, "input_shape": (1, 1, 2, 2), "compare": [FORWARD]},
        ),
        ("argument", {"spec": 7, "input_shape": (1, 1, 2, 2)}),
        ("size", {"spec": LECTURE, "input_shape": (1, 1, 2, 2), "x": [1, 2, 3]}),
        ("size", {"spec": LECTURE, "input_shape": (1, 1, 2, 2), "x": [[1, 2, 3]]}),
        ("size", {"spec": LECTURE, "input_shape": (1, 1, 2, 2), "x": [[[[1, 2, 3]]]]}),
        ("rank", {"spec": LECTURE, "x": [1, 2, 3]}),
        ("kernel", {"spec": LECTURE, "x": X, "kernel": [[1, 2], [3, 4]]}),
        ("kernel", {"spec": LECTURE, "x": X, "kernel": [1]}),
        ("dtype", {"spec": LECTURE, "x": [[1], [2, 3]]}),
        ("dtype", {"spec": LECTURE, "x": [["a", "b"], ["c", "d"]]}),
        ("channels", {"spec": GROUPED, "input_shape": (1, 4, 2, 2), "channels": (4, 0)}),
        ("channels", {"spec": GROUPED, "input_shape": (1, 4, 2, 2), "channels": (0, -1)}),
        ("channels", {"spec": WIDE, "input_shape": (1, 1, 2, 2), "channels": (0, 3), "compare": [LECTURE]}),
        ("groups", {"spec": GROUPED, "input_shape": (1, 4, 2, 2), "channels": (0, 3)}),
    ],
)
def test_what_cannot_be_drawn_is_rejected(code: str, given: dict[str, Any]) -> None:
    with pytest.raises(UnstrideError) as caught:
        draw(**given)
    assert caught.value.code == code


def test_drawing_needs_no_numpy_for_a_picture_without_numbers() -> None:
    import subprocess
    import sys

    script = f"import sys, unstride; unstride.draw({LECTURE!r}, (1, 1, 2, 2)).svg(); assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)  # noqa: S603  # our own script


def test_four_axes_are_drawn_in_slices_of_two() -> None:
    layer = Layer((Axis(2, 4, 2, 2), Axis(9, 18, 2, 2), Axis(2, 4, 2, 2), Axis(3, 5, 2, 2, before=1)), 1, 1)
    names = [grid.caption for grid in draw(layer).scene.panels[0].grids]
    assert names == ["slice 0,0", "slice 0,8", "slice 1,0", "slice 1,8"]


def test_draw_is_a_public_verb() -> None:
    assert "draw" in unstride.__all__
    assert unstride.draw is draw


@pytest.mark.parametrize(
    ("line", "shape", "verdict"),
    [
        ("ConvTranspose1d(1, 1, 3, stride=2)", (1, 1, 4), "no multiple of stride 2: the counts alternate, which tends"),
        ("ConvTranspose1d(1, 1, 4, stride=2)", (1, 1, 4), "all counts are equal; weights of uneven strength"),
        ("ConvTranspose1d(1, 1, 2, stride=3)", (1, 1, 4), "shorter than stride 3"),
        ("ConvTranspose1d(1, 1, 3, stride=2, dilation=2)", (1, 1, 4), "both multiples of 2: some outputs get nothing"),
        ("Conv1d(1, 1, 3, stride=2)", (1, 1, 9), "and so does the gradient"),
    ],
)
def test_the_heat_map_says_why_counts_differ(line: str, shape: tuple[int, ...], verdict: str) -> None:
    assert verdict in draw(f"torch.nn.{line}", shape, view="coverage").scene.notes[0]


def test_the_theme_is_the_pictures_own() -> None:
    dark = draw(LECTURE, x=X, kernel=KERNEL, theme="dark")
    assert dark.svg() == draw(LECTURE, x=X, kernel=KERNEL).svg("dark") != dark.svg("light")
    assert dark.png() == dark.png("dark") != dark.png("light")
    with pytest.raises(UnstrideError, match=r"^theme='pink': must be one of auto, light, dark"):
        draw(LECTURE, x=X, theme="pink")
