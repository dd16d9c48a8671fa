"""The view of both causes of a checkerboard: its numbers are those of ``checkerboards``, and what ``run`` computes."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.checkerboards.layers import long_layers, weights_of
from unstride import UnstrideError, checkerboard, draw, icnr, parse
from unstride.answers.coverage import measure_coverage
from unstride.checkerboards.gain import measure_gain
from unstride.engine import execute
from unstride.geometry import Layer
from unstride.pictures import Example, Panel, Period, Picture, Role, Scene, View
from unstride.testing.strategies import layers

from .cases import DEEP, KERAS, WEIGHTS

fewer = settings(max_examples=max(25, settings.default.max_examples // 3) if settings.default else 25)


def maps(scene: Scene) -> list[tuple[dict[tuple[int, ...], Any], dict[tuple[int, ...], Any]]]:
    """For each cause the values of one period, and those side by side; the latter empty where they are not drawn."""
    found = []
    for line in scene.lines:
        panels = [part for part in line.parts if isinstance(part, Panel)]
        one, *more = ({c.index: c.value for grid in p.grids for c in grid.cells if c.index} for p in panels)
        found.append((one, more[0] if more else {}))
    return found


def drawn(layer: Layer, weights: Any, channels: tuple[int, int]) -> Scene:
    return draw(layer, kernel=weights, channels=channels, view="gain").scene


def channels_of(layer: Layer, seed: int) -> tuple[int, int]:
    """An input and an output channel of one group."""
    source = seed % layer.in_channels
    wide = layer.out_channels // layer.groups
    return source, source * layer.groups // layer.in_channels * wide + seed // 7 % wide


@given(long_layers(max_rank=3), st.integers(0, 2**31))
@fewer
def test_the_numbers_are_those_of_the_checkerboard(layer: Layer, seed: int) -> None:
    weights, channels = weights_of(layer, seed), channels_of(layer, seed)
    (stamps, _), (gains, _) = maps(drawn(layer, weights, channels))
    gain = measure_gain(layer, weights)
    wanted = gain.values[channels[0], channels[1] % (layer.out_channels // layer.groups)]
    patterns = [axis.pattern for axis in measure_coverage(layer).axes]
    assert set(gains) == set(stamps) == set(product(*map(range, layer.stride)))
    for phase in gains:
        assert gains[phase] == wanted[phase]
        assert stamps[phase] == prod(pattern[at] for pattern, at in zip(patterns, phase, strict=True))


@given(long_layers(), st.integers(0, 2**31))
@fewer
def test_a_constant_input_comes_out_as_the_second_map(layer: Layer, seed: int) -> None:
    weights, (source, target) = weights_of(layer, seed), channels_of(layer, seed)
    x = np.zeros((1, layer.in_channels, *layer.input_size), int)
    x[:, source] = 1
    y = execute.run(layer, x, weights, None)[0, target]
    _, (gains, _) = maps(drawn(layer, weights, (source, target)))
    inner = product(*(axis.interior for axis in measure_coverage(layer).axes))
    for place in inner:
        assert y[place] == gains[tuple(at % step for at, step in zip(place, layer.stride, strict=True))]


@given(long_layers(), st.integers(0, 2**31))
@fewer
def test_side_by_side_every_element_is_its_phase(layer: Layer, seed: int) -> None:
    for one, repeated in maps(drawn(layer, weights_of(layer, seed), channels_of(layer, seed))):
        assert len(repeated) % len(one) == 0
        for place, value in repeated.items():
            assert value == one[tuple(at % step for at, step in zip(place, layer.stride, strict=True))]


@given(long_layers(), st.integers(0, 2**31))
@fewer
def test_one_weight_everywhere_draws_the_coverage(layer: Layer, seed: int) -> None:
    ones = np.ones_like(weights_of(layer, seed))
    (stamps, tiled), (gains, tiled_gains) = maps(scene := drawn(layer, ones, (0, 0)))
    assert (stamps, tiled) == (gains, tiled_gains)
    first, second = (line.heading.partition("—")[2] for line in scene.lines)
    assert first == second


@given(layers(max_rank=3), st.integers(0, 2**31))
@fewer
def test_every_layer_with_channels_can_be_drawn(layer: Layer, seed: int) -> None:
    assume(layer.in_channels and layer.out_channels)
    picture = draw(layer, kernel=weights_of(layer, seed), channels=channels_of(layer, seed), view="gain")
    assert picture.svg().endswith("</svg>")
    assert picture.text()
    assert picture.as_json()["view"] == "gain"


def test_both_numbers_stand_apart_in_words() -> None:
    spec = parse(KERAS)
    scene = draw(spec, (1, 4, 4, 1), kernel=[[1, 2, 1], [2, 0, 1], [0, 2, 1]], view="gain").scene
    found = checkerboard(spec, np.array([[1, 2, 1], [2, 0, 1], [0, 2, 1]])[..., None, None], input_shape=(1, 4, 4, 1))
    assert found.gain is not None
    assert scene.lines[0].heading.endswith(f"uneven, alternation {100 * float(found.coverage.alternation):.3g} %")
    assert scene.lines[1].heading.endswith(f"uneven, alternation {100 * float(found.gain.alternation):.3g} %")
    assert all(line.heading in scene.description for line in scene.lines)


def test_even_coverage_with_weights_that_start_equal_has_no_checkerboard() -> None:
    kernel = icnr((4, 3, 4, 4), 2, groups=2, seed=0)
    headings = [line.heading for line in draw(DEEP, (1, 4, 4, 4), kernel=kernel, view="gain").scene.lines]
    assert all(heading.endswith("even, alternation 0") for heading in headings)


def test_the_pair_that_alternates_most_is_named() -> None:
    kernel = WEIGHTS.copy()
    kernel[3, 1] = [[9, -9, 9, -9]] * 4
    notes = draw(DEEP, (1, 4, 4, 4), kernel=kernel, view="gain").scene.notes
    assert "The weights alternate most from input channel 3 to output channel 4." in notes


def test_a_convolution_names_its_pair_as_input_and_output() -> None:
    kernel = np.ones((6, 4, 2, 2))
    kernel[5, 2] = [[9, -9], [9, -9]]
    notes = draw("torch.nn.Conv2d(4, 6, 2, stride=2)", (1, 4, 8, 8), kernel=kernel, view="gain").scene.notes
    assert "The weights alternate most from input channel 2 to output channel 5." in notes


def test_taps_of_one_channel_pair_are_enough() -> None:
    notes = draw(DEEP, (1, 4, 4, 4), kernel=WEIGHTS[3, 2].tolist(), channels=(3, 5), view="gain").scene.notes
    assert not any("All channels" in note or "alternate most" in note for note in notes)
    whole = draw(DEEP, (1, 4, 4, 4), kernel=WEIGHTS, channels=(3, 5), view="gain").scene
    assert maps(whole) == maps(draw(DEEP, (1, 4, 4, 4), kernel=WEIGHTS[3, 2], channels=(3, 5), view="gain").scene)


def test_gains_below_zero_have_another_colour_and_are_in_the_legend() -> None:
    picture = draw("Conv1DTranspose(1, 2, strides=2)", (1, 3, 1), kernel=[1, -1], view="gain")
    signs = [cell.level for cell in picture.scene.lines[1].parts[0].grids[0].cells]  # type: ignore[union-attr]  # a panel
    assert signs == [1, -1]
    assert {"f-heat5", "f-below5"} <= set(picture.svg().replace('"', " ").split())
    assert "below zero" in picture.svg()
    assert "−: below zero" in picture.text()


@pytest.mark.parametrize("values", [[1j, 1 - 1j], [10**100, 1], [1e-300, 2e-300], [5e-324, 0.0], [0, 0]])
def test_numbers_of_every_kind_are_drawn(values: list[Any]) -> None:
    picture = draw("Conv1DTranspose(1, 2, strides=2)", (1, 3, 1), kernel=values, view="gain")
    one, _ = maps(picture.scene)[1]
    assert [one[0,], one[1,]] == values
    assert picture.svg().count("<svg") == 1
    assert picture.text()


def test_a_long_stride_is_drawn_by_its_ends() -> None:
    scene = draw("Conv1DTranspose(1, 3, strides=4000)", (1, 3, 1), kernel=[1, 2, 3], view="gain").scene
    assert [len(line.parts) for line in scene.lines] == [1, 1]
    assert any(cell.role is Role.ELIDED for cell in scene.grids[0].cells)
    assert max(maps(scene)[0][0]) == (3999,)


@pytest.mark.parametrize(
    ("code", "given"),
    [
        ("argument", {"spec": KERAS, "input_shape": (1, 4, 4, 1)}),
        ("argument", {"spec": KERAS, "input_shape": (1, 4, 4, 1), "compare": [KERAS], "kernel": [[1] * 3] * 3}),
        ("kernel", {"spec": KERAS, "input_shape": (1, 4, 4, 1), "kernel": [[1]]}),
        ("dtype", {"spec": KERAS, "input_shape": (1, 4, 4, 1), "kernel": [[1.0, 2, float("nan")]] * 3}),
        ("dtype", {"spec": KERAS, "input_shape": (1, 4, 4, 1), "kernel": [[1.0, 2, float("inf")]] * 3}),
        (
            "too-large",
            {"spec": f"Conv1DTranspose(1, 1, strides={10**9})", "input_shape": (1, 2, 1), "kernel": [1]},
        ),
        ("groups", {"spec": DEEP, "input_shape": (1, 4, 4, 4), "kernel": WEIGHTS, "channels": (0, 5)}),
    ],
)
def test_what_has_no_gain_is_rejected(code: str, given: dict[str, Any]) -> None:
    with pytest.raises(UnstrideError) as caught:
        draw(**given, view="gain")
    assert caught.value.code == code


def test_gains_of_another_size_are_rejected() -> None:
    layer = parse(KERAS).read((1, 4, 4, 1))
    with pytest.raises(UnstrideError, match="gains"):
        Picture(View.GAIN, (Example(layer, period=Period(((2, 1), (2, 1)), ((1, 2, 3),), 0.0, 0.0)),))
