"""The layers whose pictures are kept as golden files: those of the learners' questions, and hard ones."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from unstride import draw, icnr
from unstride.geometry import Axis, Layer
from unstride.pictures import Picture

X = [[2, 1], [3, 2]]
KERNEL = [[1, 2, 1], [2, 0, 1], [0, 2, 1]]
KERAS = "keras.layers.Conv2DTranspose(1, 3, strides=2, padding='same', output_padding=1, use_bias=False)"
LECTURE = "torch.nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1, bias=False)"
VALID = "tf.keras.layers.Conv2DTranspose(1, (3, 3), 2, padding='valid')"
SIX = "tf.nn.conv2d_transpose(x, w, output_shape=[1, 6, 6, 1], strides=[1, 2, 2, 1], padding='VALID')"
UNET = "Conv2DTranspose(512, 3, strides=2, padding='same')"
LONG = [0.5, -1.25, 123456, -7, 1 / 3, 2e-9]

DEEP = "torch.nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1, groups=2, bias=False)"
WEIGHTS = np.random.default_rng(3).integers(-9, 10, (4, 3, 4, 4)) / 8
"""in eighths, so that sums are the same on every machine"""


def _start(shape: tuple[int, ...], _: np.random.Generator) -> Any:
    return np.arange(1, prod(shape) + 1).reshape(shape) / 8


CASES: dict[str, Callable[[], Picture]] = {
    "lecture_compare": lambda: draw(KERAS, x=X, kernel=KERNEL, compare=[LECTURE]),
    "lecture_keras_scatter": lambda: draw(KERAS, x=X, kernel=KERNEL),
    "lecture_torch_scatter": lambda: draw(LECTURE, x=X, kernel=KERNEL),
    "lecture_torch_gather": lambda: draw(LECTURE, x=X, kernel=KERNEL, view="gather"),
    "lecture_torch_zeros": lambda: draw(LECTURE, x=X, kernel=KERNEL, view="zeros"),
    "lecture_torch_matrix": lambda: draw(LECTURE, x=X, kernel=KERNEL, view="matrix"),
    "lecture_torch_coverage": lambda: draw(LECTURE, x=X, kernel=KERNEL, view="coverage"),
    "gain_uneven_coverage": lambda: draw(KERAS, (1, 4, 4, 1), kernel=[[1] * 3] * 3, view="gain"),
    "gain_uneven_weights": lambda: draw(DEEP, (1, 4, 4, 4), kernel=WEIGHTS, view="gain", channels=(2, 4)),
    "gain_icnr": lambda: draw(
        DEEP, (1, 4, 4, 4), kernel=icnr((4, 3, 4, 4), 2, groups=2, initialize=_start), view="gain"
    ),
    "gain_one_axis": lambda: draw("Conv1DTranspose(1, 4, strides=3)", (1, 4, 1), kernel=[1, 3, 3, 1], view="gain"),
    "gain_three_axes": lambda: draw(
        "torch.nn.ConvTranspose3d(1, 1, 4, stride=2)",
        (1, 1, 2, 2, 2),
        kernel=np.arange(64).reshape(4, 4, 4) % 7 - 1,
        view="gain",
    ),
    "gain_stride_above_kernel": lambda: draw(
        "Conv2DTranspose(1, 3, strides=10, padding='same')", (1, 20, 20, 1), kernel=KERNEL, view="gain"
    ),
    "gain_convolution": lambda: draw("torch.nn.Conv2d(1, 1, 3, stride=2)", (1, 1, 9, 9), kernel=KERNEL, view="gain"),
    "same_stride_3": lambda: draw("Conv2D(filters=3, kernel_size=3, strides=3, padding='same')", (1, 96, 128, 3)),
    "stride_above_kernel": lambda: draw("Conv2DTranspose(1, 3, strides=10, padding='same')", (1, 20, 20, 1)),
    "stride_above_kernel_coverage": lambda: draw(
        "Conv2DTranspose(1, 3, strides=10, padding='same')", (1, 20, 20, 1), view="coverage"
    ),
    "five_or_six": lambda: draw(VALID, (1, 2, 2, 1), compare=[SIX]),
    "unet": lambda: draw(UNET, (1, 8, 8, 1024)),
    "unet_gather": lambda: draw(UNET, (1, 8, 8, 1024), view="gather"),
    "unet_coverage": lambda: draw(UNET, (1, 8, 8, 1024), view="coverage"),
    "one_axis": lambda: draw("Conv1DTranspose(1, 4, strides=2, padding='same')", x=[1, 2, 5, 3], kernel=[1, 3, 3, 1]),
    "one_axis_zeros": lambda: draw(
        "Conv1DTranspose(1, 4, strides=2, padding='same')", x=[1, 2, 5, 3], kernel=[1, 3, 3, 1], view="zeros"
    ),
    "three_axes": lambda: draw("torch.nn.ConvTranspose3d(1, 1, 3, stride=2, padding=1)", (1, 1, 2, 2, 3)),
    "dilation": lambda: draw("torch.nn.ConvTranspose2d(1, 1, 3, stride=2, dilation=2, padding=1)", x=X, kernel=KERNEL),
    "asymmetric": lambda: draw("Conv2DTranspose(1, (3, 4), strides=(2, 3), padding='same')", (1, 3, 2, 1)),
    "negative_after": lambda: draw(
        "torch.nn.ConvTranspose1d(1, 1, 2, stride=4, output_padding=3)", x=[1, 2, 3], kernel=[5, 7]
    ),
    "negative_before": lambda: draw(Layer((Axis(3, 10, 3, 2, 1, -2),), 1, 1), x=[1, 2, 3], kernel=[1, 0, -1]),
    "groups": lambda: draw("torch.nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2)", (1, 4, 3, 3), channels=(2, 5)),
    "stride_1": lambda: draw("torch.nn.ConvTranspose2d(1, 1, 3, padding=1)", x=X, kernel=KERNEL),
    "kernel_1": lambda: draw("torch.nn.ConvTranspose2d(1, 1, 1, stride=2)", x=X, kernel=[[3]]),
    "even_kernel": lambda: draw("torch.nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1)", (1, 1, 4, 4)),
    "huge": lambda: draw("torch.nn.ConvTranspose1d(1, 1, 7, stride=3, padding=2)", (1, 1, 10**9), view="gather"),
    "odd_numbers": lambda: draw(
        "torch.nn.ConvTranspose1d(1, 1, 2, stride=1, bias=False)", x=LONG, kernel=[10**12, -0.5]
    ),
    "convolution_gather": lambda: draw(
        "torch.nn.Conv2d(1, 1, 3, stride=2, padding=1)",
        x=[[1, 2, 3, 4], [5, 6, 7, 8], [9, 1, 2, 3], [4, 5, 6, 7]],
        kernel=KERNEL,
        view="gather",
    ),
    "convolution_scatter": lambda: draw(
        "torch.nn.Conv1d(1, 1, 3, stride=2, padding=1)", x=[1, 2, 3, 4, 5], kernel=[1, 2, 1]
    ),
    "convolution_unread": lambda: draw("torch.nn.Conv2d(1, 1, 2, stride=3)", (1, 1, 7, 7), view="gather"),
    "convolution_compare": lambda: draw(
        "keras.layers.Conv2D(1, 3, strides=2, padding='same')",
        (1, 6, 6, 1),
        compare=["torch.nn.Conv2d(1, 1, 3, stride=2, padding=1)"],
    ),
    "convolution_matrix": lambda: draw("torch.nn.Conv1d(1, 1, 3, stride=2, padding=1)", (1, 1, 9), view="matrix"),
}
