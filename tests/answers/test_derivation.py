"""Explanations: golden text, and the facts behind it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from io import StringIO

import pytest

from unstride import explain, parse
from unstride.answers import list_sizes
from unstride.answers.words import say_everywhere, words_of
from unstride.dialects.registry import NAMES

CASES: dict[str, tuple[str, tuple[int, ...], tuple[int, ...] | None]] = {
    "lecture_keras": (
        "keras.layers.Conv2DTranspose(1, 3, strides=2, padding='same', output_padding=1)",
        (1, 2, 2, 1),
        None,
    ),
    "lecture_torch": (
        "torch.nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1)",
        (1, 1, 2, 2),
        None,
    ),
    "unet": ("tf.keras.layers.Conv2DTranspose(512, 3, strides=2, padding='same')", (1, 8, 8, 1024), None),
    "forward_stride_7": ("keras.layers.Conv2D(1, 3, strides=7, padding='same')", (1, 28, 28, 1), None),
    "transposed_stride_7": ("keras.layers.Conv2DTranspose(1, 3, strides=7, padding='same')", (1, 4, 4, 1), None),
    "tensorflow_6": (
        "tf.nn.conv2d_transpose(x1, dev_con1, output_shape=[1, 6, 6, 1], strides=[1, 2, 2, 1], padding='VALID')",
        (1, 2, 2, 1),
        (3, 3, 1, 1),
    ),
    "axes_differ": (
        "nn.ConvTranspose2d(8, 4, (3, 4), stride=(2, 1), padding=1, groups=2, dilation=(1, 2))",
        (1, 8, 5, 6),
        None,
    ),
    "huge": ("nn.ConvTranspose1d(1, 1, 4, stride=2, padding=1)", (1, 1, 10**9), None),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("details", [False, True])
def test_the_text_is_the_golden_one(name: str, details: bool, golden: Callable[[str, str], None]) -> None:
    code, shape, kernel = CASES[name]
    text = explain(parse(code), shape, kernel).text(details=details)
    golden(f"explain_{name}{'_details' if details else ''}", text)


@pytest.mark.parametrize("name", CASES)
def test_json_has_the_keys_of_every_command(name: str) -> None:
    code, shape, kernel = CASES[name]
    spec = parse(code)
    found = json.loads(json.dumps(explain(spec, shape, kernel).as_json()))
    assert {"code", "dialect", "input_shape", "output_shape", "axes"} <= found.keys()
    assert found["output_shape"] == list(spec.output_shape(shape, kernel))
    assert list(found["axes"][0]) == ["small", "large", "kernel", "stride", "dilation", "before", "after"]
    assert {entry["dialect"] for entry in found["same_layer"]} == set(NAMES) - {spec.dialect}


def test_html_is_escaped() -> None:
    spec = parse("tf.nn.conv2d_transpose(x < y, w, output_shape=[1, 6, 6, 1], strides=2, padding='VALID')")
    html = explain(spec, (1, 2, 2, 1), (3, 3, 1, 1)).html()
    assert "x &lt; y" in html
    assert "x < y" not in html
    assert "<script" not in html


def test_rich_shows_the_same_words() -> None:
    from rich.console import Console

    code, shape, kernel = CASES["lecture_keras"]
    found = explain(parse(code), shape, kernel)
    console = Console(width=200, record=True, file=StringIO())
    console.print(found.rich())
    shown = [line.strip() for line in console.export_text().splitlines() if line.strip()]
    assert shown == [line.strip() for line in found.text().splitlines() if line.strip()]


def test_the_lecture_and_keras_differ_by_one() -> None:
    code, shape, _ = CASES["lecture_keras"]
    text = explain(parse(code), shape).text()
    assert "shifted by 1" in text
    assert "torch.nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1)" in text


def test_every_framework_of_the_table_is_asked() -> None:
    """A line that the table spells wrongly would be reported as unreadable; none is."""
    for code, shape in (
        ("keras.layers.Conv2DTranspose(4, 3, strides=2, padding='same')", (1, 5, 5, 8)),
        ("keras.layers.Conv2DTranspose(4, 3, strides=2, padding='valid', output_padding=1)", (1, 5, 5, 8)),
        ("nn.ConvTranspose2d(8, 4, 5, stride=3, padding=1, output_padding=1)", (1, 8, 5, 5)),
        ("nn.ConvTranspose2d(8, 4, 3, padding=1, dilation=2)", (1, 8, 5, 5)),
        ("nn.ConvTranspose2d(8, 4, 3, padding=1, groups=2)", (1, 8, 5, 5)),
        ("nn.Conv2d(8, 4, 3, stride=2, padding=1)", (1, 8, 5, 5)),
        ("keras.layers.Conv2D(4, 3, padding='same', dilation_rate=2, groups=2)", (1, 5, 5, 8)),
    ):
        spec = parse(code)
        layer = spec.read(shape)
        words = words_of(spec, layer)
        assert words is not None
        for saying in say_everywhere(words, layer):
            assert saying.layer is not None or "has no argument" not in (saying.complaint or ""), saying
            assert saying.layer is not None or "no dialect knows" not in (saying.complaint or ""), saying


def test_own_words_mean_the_own_layer() -> None:
    """The table says each framework's words back to itself: the same window."""
    for code, shape in (
        ("keras.layers.Conv2DTranspose(4, 3, strides=2, padding='same', output_padding=0)", (1, 5, 5, 8)),
        ("torch.nn.ConvTranspose2d(8, 4, 5, stride=3, padding=1, output_padding=1)", (1, 8, 5, 5)),
        ("torch.nn.Conv2d(8, 4, 5, stride=3, padding=1)", (1, 8, 9, 9)),
        ("jax.lax.conv_transpose(x, w, (2, 2), ((1, 1), (1, 1)))", (1, 5, 5, 8)),
        ("flax.nnx.ConvTranspose(8, 4, (3, 3), strides=2, padding=0, rngs=rngs)", (1, 5, 5, 8)),
        ("ConvTranspose(x, w, strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])", (1, 8, 5, 5)),
    ):
        spec = parse(code)
        kernel = spec.weight_layout(2).shape_of((3, 3), 8, 4) if spec.functional else None
        layer = spec.read(shape, kernel)
        words = words_of(spec, layer)
        assert words is not None
        said = next(saying for saying in say_everywhere(words, layer) if saying.dialect == spec.dialect)
        assert said.layer is not None
        assert said.layer.axes == layer.axes, said.code


def test_the_ambiguity_of_a_convolution() -> None:
    (sizes,) = list_sizes(parse("keras.layers.Conv2D(1, 3, strides=7, padding='same')"), (1, 28, 28, 1))
    assert sizes.sizes == range(22, 29)
    assert sizes.choices == ()


@pytest.mark.parametrize(
    ("code", "shape", "kernel", "arguments"),
    [
        (
            "keras.layers.Conv2DTranspose(1, 3, strides=7, padding='same')",
            (1, 4, 4, 1),
            None,
            [f"output_padding={extra}" for extra in range(6)] + [None],
        ),
        (
            "keras.layers.Conv2DTranspose(1, 4, strides=2, padding='same', output_padding=1)",
            (1, 3, 3, 1),
            None,
            [None, "output_padding=None"],
        ),
        ("nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1)", (1, 1, 4, 4), None, [None, "output_padding=1"]),
        (
            "nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1)(x, output_size=[8, 8])",
            (1, 1, 4, 4),
            None,
            ["output_size=(7, 7)", None],
        ),
        (
            "tf.nn.conv2d_transpose(x, w, output_shape=[1, 6, 6, 1], strides=2, padding='VALID')",
            (1, 2, 2, 1),
            (3, 3, 1, 1),
            ["output_shape=(1, 5, 5, 1)", None],
        ),
    ],
)
def test_what_selects_each_size(
    code: str, shape: tuple[int, ...], kernel: tuple[int, ...] | None, arguments: list[str | None]
) -> None:
    spec = parse(code)
    (sizes,) = list_sizes(spec, shape, kernel)
    assert [choice.argument for choice in sizes.choices] == arguments
    assert [choice.size for choice in sizes.choices] == list(sizes.sizes)
    assert [choice.size for choice in sizes.choices if choice.chosen] == [sizes.large]
    for choice in sizes.choices:
        assert choice.code is not None
        asked = parse(choice.code)
        assert asked.read(shape, kernel).output_size == (choice.size, choice.size)


def test_huge_sizes_are_explained_at_once() -> None:
    code, shape, kernel = CASES["huge"]
    explain(parse(code), (1, 1, 4))  # imports every dialect
    started = time.perf_counter()
    assert explain(parse(code), shape, kernel).text(details=True)
    text = explain(parse("nn.ConvTranspose1d(1, 1, 1000000000, stride=1000000000)"), (1, 1, 2)).text()
    assert "not listed" in text
    assert time.perf_counter() - started < 2
