"""One convolution at a time: exactly the hazards it has, in words with its numbers."""

from __future__ import annotations

import numpy as np
import pytest

from unstride import parse
from unstride.auditing.findings import Code, Finding
from unstride.auditing.hazards import of_convolution
from unstride.network import Convolution, Features, Stored

ODD, EVEN = (33, 20), (64, 48)


def found(
    code: str, kernel: tuple[int, ...], *, size: tuple[int, ...] = EVEN, dialect: str | None = None
) -> list[Finding]:
    spec = parse(code, dialect)
    operation = Convolution(spec, Stored(kernel, "float32"), Stored((8,), "float32"))
    channels = {"torch": kernel[0], "onnx": kernel[0]}.get(spec.dialect, kernel[-1])
    if not spec.transposed:
        channels = {"torch": kernel[1], "onnx": kernel[1]}.get(spec.dialect, kernel[-2])
    return list(of_convolution("layer", operation, Features(channels, size)))


@pytest.mark.parametrize(
    ("code", "kernel", "codes"),
    [
        ("nn.ConvTranspose2d(4, 8, 4, stride=2, padding=1)", (4, 8, 4, 4), []),
        ("nn.ConvTranspose2d(4, 8, 2, stride=2)", (4, 8, 2, 2), []),
        ("nn.Conv2d(4, 8, 3, padding=1)", (8, 4, 3, 3), []),
        ("nn.Conv2d(4, 8, 3, padding='same')", (8, 4, 3, 3), []),
        ("nn.Conv2d(4, 8, 4, padding='same')", (8, 4, 4, 4), [Code.SAME_ASYMMETRIC]),
        ("nn.Conv2d(4, 8, 1, stride=2)", (8, 4, 1, 1), [Code.UNREAD]),
        ("nn.ConvTranspose2d(4, 8, 3, stride=2, padding=1, output_padding=1)", (4, 8, 3, 3), [Code.UNEVEN_COVERAGE]),
        (
            "nn.ConvTranspose2d(4, 8, 3, stride=2, output_padding=1)",
            (4, 8, 3, 3),
            [Code.UNEVEN_COVERAGE, Code.DISAGREEMENT],
        ),
        ("nn.ConvTranspose2d(4, 8, 2, stride=3)", (4, 8, 2, 2), [Code.HOLES]),
        ("nn.ConvTranspose2d(4, 8, 4, stride=2, dilation=2)", (4, 8, 4, 4), [Code.HOLES]),
        (
            "keras.layers.Conv2DTranspose(8, 3, strides=2, padding='same')",
            (3, 3, 8, 4),
            [Code.SAME_ASYMMETRIC, Code.UNEVEN_COVERAGE, Code.DISAGREEMENT],
        ),
        ("keras.layers.Conv2DTranspose(8, 4, strides=2, padding='same')", (4, 4, 8, 4), []),
        ("keras.layers.Conv2DTranspose(8, 2, strides=2, padding='same')", (2, 2, 8, 4), []),
        ("keras.layers.Conv2D(8, 3, strides=2, padding='same')", (3, 3, 4, 8), [Code.SAME_ASYMMETRIC]),
        ("keras.layers.Conv2D(8, 3, padding='same')", (3, 3, 4, 8), []),
        (
            "ConvTranspose(X, W, B, auto_pad='SAME_UPPER', strides=[2, 2])",
            (4, 8, 3, 3),
            [Code.SAME_ASYMMETRIC, Code.AUTO_PAD, Code.UNEVEN_COVERAGE],
        ),
        (
            "ConvTranspose(X, W, B, auto_pad='SAME_LOWER', strides=[3, 3])",
            (4, 8, 2, 2),
            [Code.AUTO_PAD, Code.HOLES, Code.DISAGREEMENT],
        ),
        ("ConvTranspose(X, W, B, auto_pad='VALID', strides=[2, 2])", (4, 8, 2, 2), [Code.AUTO_PAD]),
        ("ConvTranspose(X, W, B, output_shape=[127, 95], strides=[2, 2])", (4, 8, 2, 2), [Code.DISAGREEMENT] * 2),
        ("ConvTranspose(X, W, B, group=2, strides=[2, 2])", (4, 4, 2, 2), [Code.DISAGREEMENT]),
        ("ConvTranspose(X, W, B, pads=[1, 1, 1, 1], strides=[2, 2])", (4, 8, 4, 4), []),
    ],
)
def test_exactly_these(code: str, kernel: tuple[int, ...], codes: list[Code]) -> None:
    assert [finding.code for finding in found(code, kernel)] == codes


def test_strided_same_depends_on_the_size() -> None:
    """A kernel of 3 with stride 2 pads both sides alike where the size is odd, and one side only where it is even."""
    line = "keras.layers.Conv2D(8, 3, strides=2, padding='same')"
    assert found(line, (3, 3, 4, 8), size=(33, 21)) == []
    (finding,) = found(line, (3, 3, 4, 8), size=ODD)
    assert "0 before and 1 after (width)" in finding.says


def test_words_hold_the_numbers() -> None:
    same, uneven, other = found("keras.layers.Conv2DTranspose(8, 3, strides=2, padding='same')", (3, 3, 8, 4))
    assert "crops 0 before and 1 after (height and width)" in same.says
    assert "a kernel of 4 instead of 3 crops both sides alike" in same.fixes
    assert "1 to 2 taps" in uneven.says
    assert uneven.fixes == ("a kernel of 4",)
    assert "Keras 3.0–3.14 on its torch backend crops 1 before instead of 0" in other.says
    assert other.sources == ("https://github.com/keras-team/keras/pull/22876",)


def weighed(kernel: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> list[Finding]:
    spec = parse("nn.ConvTranspose2d(16, 16, 4, stride=2, padding=1)")
    return list(of_convolution("layer", Convolution(spec, Stored.of(kernel)), Features(16, EVEN)))


def test_random_weights_are_no_hazard_and_uneven_ones_are() -> None:
    kernel = np.random.default_rng(5).normal(size=(16, 16, 4, 4)).astype(np.float32)
    assert weighed(kernel) == []
    kernel[:, :, ::2, ::2] *= 1.5
    (finding,) = weighed(kernel)
    assert finding.code is Code.UNEVEN_GAIN
    kernel[0, 0, 0, 0] = np.nan
    (finding,) = weighed(kernel)
    assert "NaN" in finding.says


def test_weights_that_are_not_known_are_not_judged() -> None:
    assert found("nn.ConvTranspose2d(16, 16, 4, stride=2, padding=1)", (16, 16, 4, 4)) == []
