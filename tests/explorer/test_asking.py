"""Questions and answers between the page and Python."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unstride import parse
from unstride.dialects import registry
from unstride.explorer.asking import QUESTION_LIMIT, ask
from unstride.explorer.shapes import fit

from .browsing import SEED

CALLS = sorted(
    f"{full}.{name}".lstrip(".")
    for dialect in registry.DIALECTS
    for full, names in dialect.calls.items()
    for name in names
)


def read(line: str, *size: int, kernel: int = 3) -> dict[str, Any]:
    return ask({"ask": "read", "line": line, "size": list(size) or [2, 2], "kernel": [kernel] * 2})


def test_the_seed_s_line_is_read() -> None:
    found = read(SEED)
    assert found["input_shape"] == [1, 2, 2, 1]
    assert found["output_shape"] == [1, 4, 4, 1]
    assert found["settings"] == [{"padding": "same", "extra": 1, "size": None}] * 2
    assert [axis["before"] for axis in found["axes"]] == [0, 0]


@pytest.mark.parametrize(
    ("line", "size", "shape"),
    [
        ("nn.ConvTranspose2d(16, 33, 3, stride=2)", (12, 12), [1, 16, 12, 12]),
        ("nn.ConvTranspose1d(4, 2, 3, groups=2)", (5, 5), [1, 4, 5]),
        ("tf.nn.conv2d_transpose(x, w, [1, 6, 6, 1], 2, padding='VALID')", (20, 20), [1, 2, 2, 1]),
        ("tf.nn.conv2d_transpose(x, w, [1, 6, 6, 8], 2, padding='VALID')", (2, 2), [1, 2, 2, 1]),
        ("conv_utils.deconv_length(20, 10, 3, 'full', None)", (2, 2), [20]),
        ("flax.nnx.ConvTranspose(3, 8, (3, 3, 3), rngs=rngs)", (2, 4), [1, 2, 4, 2, 3]),
        ("ConvTranspose(X, W, group=3)", (2, 3), [1, 3, 2, 3]),
        ("F.conv2d(x, w, groups=4)", (9, 9), [1, 4, 9, 9]),
    ],
)
def test_a_line_needs_no_channels(line: str, size: tuple[int, ...], shape: list[int]) -> None:
    assert read(line, *size)["input_shape"] == shape


@pytest.mark.parametrize(
    ("line", "padding"),
    [
        ("nn.Conv2d(1, 1, 3, stride=2, padding=1)", [1, 1]),
        ("keras.layers.Conv2D(1, 4, strides=3, padding='same')", [1, 2]),
        ("keras.layers.Conv2D(1, 3)", [0, 0]),
    ],
)
def test_a_convolution_s_padding_is_given_in_numbers(line: str, padding: list[int]) -> None:
    assert [each["padding"] for each in read(line, 4, 4)["settings"]] == [padding, padding]


def test_a_stated_shape_is_kept() -> None:
    found = ask({"ask": "read", "line": "Conv2DTranspose(8, 3)", "size": [2], "kernel": [3], "shape": [7, 5, 6, 4]})
    assert found["output_shape"] == [7, 7, 8, 8]


def test_an_explanation_has_everything() -> None:
    found = ask({"ask": "explain", "line": SEED, "size": [2, 2], "kernel": [3, 3]})
    lines = {each["dialect"]: each for each in found["same_layer"]}
    assert set(lines) == set(registry.NAMES)
    assert lines["torch"]["refusal"].startswith("padding crops as much after as before")
    assert lines["torch"]["composition"] == ["y = torch.nn.ConvTranspose2d(1, 1, 3, stride=2)", "y = y[:, :, :-1, :-1]"]
    assert lines["keras"]["exact"]
    shifted = next(each for each in found["same_words"] if each["title"] == "PyTorch")
    assert [(axis["large"], axis["before"]) for axis in shifted["axes"]] == [(4, 1), (4, 1)]
    assert any("large = full − 2·pad + output_padding" in line for line in found["derivation"])
    assert [choice["size"] for choice in found["sizes"][0]["choices"]] == [3, 4]


def test_a_layer_of_no_framework_is_written_everywhere() -> None:
    axis = {"small": 2, "large": 4, "kernel": 3, "stride": 2, "dilation": 1, "before": 1}
    found = ask({"ask": "layer", "axes": [axis, axis], "transposed": True})
    torch = next(each for each in found["same_layer"] if each["dialect"] == "torch")
    assert torch["code"].startswith("torch.nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1")


def test_a_wanted_size_is_solved_for() -> None:
    question = {"ask": "solve", "small": [20, 20], "large": [195, 195], "kernel": [3, 3], "stride": [10, 10]}
    found = ask(question)["solutions"]
    assert found[0]["code"] == "keras.layers.Conv2DTranspose(1, 3, strides=10, padding='same', output_padding=4)"
    assert all(axis["large"] == 195 for each in found for axis in each["axes"])
    assert ask({**question, "large": [500, 500]})["solutions"] == []


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ({"ask": "bogus"}, "argument"),
        ([1], "argument"),
        (None, "argument"),
        ({"ask": "read", "line": 3, "size": [2], "kernel": [3]}, "argument"),
        ({"ask": "read", "line": SEED, "size": "2", "kernel": [3]}, "argument"),
        ({"ask": "read", "line": SEED, "size": [2, 2, 2, 2], "kernel": [3]}, "argument"),
        ({"ask": "read", "line": SEED, "size": [True], "kernel": [3]}, "argument"),
        ({"ask": "read", "line": SEED, "size": [10**40], "kernel": [3]}, "too-large"),
        ({"ask": "read", "line": SEED, "size": [10**12], "kernel": [3]}, "too-large"),
        ({"ask": "read", "line": "<script>alert(1)</script>", "size": [2], "kernel": [3]}, "syntax"),
        ({"ask": "read", "line": "x" * 1_000_000, "size": [2], "kernel": [3]}, "syntax"),
        ({"ask": "layer", "axes": [{"small": -1}]}, "size"),
        ({"ask": "layer", "axes": "no"}, "argument"),
        ({"ask": "layer", "axes": []}, "rank"),
        ({"ask": "solve", "small": [1], "large": [2], "dialects": "torch"}, "argument"),
        ({"ask": "solve", "small": [1], "large": [0]}, "size"),
        ({"ask": "solve", "small": [1], "large": [5], "kernel": [0]}, "kernel"),
    ],
)
def test_what_is_wrong_is_said(question: object, code: str) -> None:
    error = ask(question)["error"]
    assert error["code"] == code
    assert len(error["rule"]) < 300


KINDS = ("read", "explain", "layer", "solve")
NAMES = ("line", "size", "kernel", "axes", "small", "large", "shape", "stride", "dialects", "ask")
VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=30), st.lists, max_leaves=5)


@given(st.sampled_from(KINDS), st.sampled_from(NAMES), VALUES)
def test_no_question_breaks_it(kind: str, name: str, value: object) -> None:
    usual = {"ask": kind, "line": SEED, "size": [2], "kernel": [3], "small": [2], "large": [4], "axes": []}
    json.dumps(ask({**usual, name: value}), allow_nan=False)


@given(st.sampled_from(CALLS), st.text(st.sampled_from("123,()='same xw"), max_size=12))
def test_no_line_breaks_it(call: str, arguments: str) -> None:
    found = read(f"{call}({arguments})")
    assert "error" in found or found["axes"]


def test_a_question_has_a_length() -> None:
    assert ask({"ask": "read", "line": SEED, "more": "x" * QUESTION_LIMIT})["error"]["rule"].startswith(
        "a question has"
    )


def test_the_first_complaint_is_the_line_s_own() -> None:
    spec = parse("nn.ConvTranspose2d(1, 1, 3, output_padding=1)")
    with pytest.raises(ValueError, match="must be smaller than either stride or dilation"):
        fit(spec, (2, 2), (3, 3))
