"""The code of public threads about transposed convolutions, its imports changed, gives the threads' numbers."""

from __future__ import annotations

import numpy as np
import pytest

from unstride.compat import tensorflow as tf
from unstride.compat import torch
from unstride.compat.keras.layers import Conv2D, Conv2DTranspose

STAMP = np.array([[1, 2, 1], [2, 0, 1], [0, 2, 1]])
PATCH = np.array([[2, 1], [3, 2]])


# --- a lecture's example, by Keras: the whole output is one pixel off the lecture's


def test_keras_gives_its_own_four_by_four() -> None:
    conv_trans = tf.keras.layers.Conv2DTranspose(
        filters=1, kernel_size=(3, 3), strides=(2, 2), padding="same", output_padding=1
    )
    input_x_tf = tf.convert_to_tensor(PATCH.reshape(1, 2, 2, 1), dtype=tf.float32)
    conv_trans(input_x_tf)  # builds the layer
    c_w = conv_trans.get_weights()
    c_w[0] = tf.convert_to_tensor(STAMP.reshape(3, 3, 1, 1), dtype=tf.float32)
    conv_trans.set_weights(c_w)
    y = conv_trans(input_x_tf)
    assert y.shape == (1, 4, 4, 1)
    assert y.dtype == np.float32
    assert tf.reshape(y, (4, 4)).tolist() == [[2, 4, 3, 2], [4, 0, 4, 0], [3, 10, 7, 6], [6, 0, 7, 0]]


def test_torch_gives_the_lectures_four_by_four() -> None:
    x, weight = PATCH.reshape(1, 1, 2, 2), STAMP.reshape(1, 1, 3, 3)
    y = torch.nn.functional.conv_transpose2d(x, weight, stride=2, padding=1, output_padding=1)
    assert y[0, 0].tolist() == [[0, 4, 0, 1], [10, 7, 6, 3], [0, 7, 0, 2], [6, 3, 4, 2]]


# --- the experiments on a 96×128 image with three channels


class Images:
    """A data set of one image and its mask."""

    def take(self, count: int) -> list[tuple[np.ndarray, None]]:
        return [(np.random.default_rng(0).random((96, 128, 3), np.float32), None)] * count


processed_image_ds = Images()


@pytest.mark.parametrize(
    ("padding", "strides", "expected"),
    [
        ("valid", 1, (1, 94, 126, 3)),
        ("valid", 2, (1, 47, 63, 3)),
        ("same", 1, (1, 96, 128, 3)),
        ("same", 2, (1, 48, 64, 3)),
        ("same", 3, (1, 32, 43, 3)),
    ],
)
def test_forward_experiment(padding: str, strides: int, expected: tuple[int, ...]) -> None:
    playmodel = tf.keras.Sequential()
    playmodel.add(Conv2D(filters=3, kernel_size=3, strides=strides, padding=padding))
    for playimage, _ in processed_image_ds.take(1):
        playimage = tf.expand_dims(playimage, 0)  # noqa: PLW2901 - the thread's own code
        assert playimage.shape == (1, 96, 128, 3)
        playout = playmodel(playimage)
        assert playout.shape == expected
    assert playmodel.output_shape == expected


@pytest.mark.parametrize(
    ("padding", "strides", "expected"),
    [
        ("valid", 1, (1, 98, 130, 3)),
        ("valid", 2, (1, 193, 257, 3)),
        ("same", 1, (1, 96, 128, 3)),
        ("same", 2, (1, 192, 256, 3)),
        ("same", 3, (1, 288, 384, 3)),
    ],
)
def test_transposed_experiment(padding: str, strides: int, expected: tuple[int, ...]) -> None:
    playmodel = tf.keras.Sequential()
    playmodel.add(Conv2DTranspose(filters=3, kernel_size=3, strides=strides, padding=padding))
    for playimage, _ in processed_image_ds.take(1):
        playimage = tf.expand_dims(playimage, 0)  # noqa: PLW2901 - the thread's own code
        playout = playmodel(playimage)
        assert playout.shape == expected


# --- output_padding resolves the ambiguity


@pytest.mark.parametrize("size", [200, 195])
def test_many_sizes_go_to_twenty(size: int) -> None:
    layer = Conv2D(1, (3, 3), strides=(10, 10), padding="same")
    assert layer(np.zeros((1, size, size, 1))).shape == (1, 20, 20, 1)


def test_twenty_goes_to_two_hundred_unless_told_otherwise() -> None:
    x = np.zeros((1, 20, 20, 1))
    assert Conv2DTranspose(1, (3, 3), strides=(10, 10), padding="same")(x).shape == (1, 200, 200, 1)
    sizes = [Conv2DTranspose(1, 3, strides=10, padding="same", output_padding=p)(x).shape[1] for p in range(10)]
    assert sizes == list(range(191, 201))


def test_seven_sizes_go_to_four() -> None:
    layer = Conv2D(1, 3, strides=7, padding="same")
    found = {size: layer.compute_output_shape((None, size, size, 1))[1] for size in range(20, 31)}
    assert [size for size, small in found.items() if small == 4] == [22, 23, 24, 25, 26, 27, 28]


def test_output_padding_two_three_gives_24_by_25() -> None:
    layer = Conv2DTranspose(1, 3, strides=7, padding="same", output_padding=(2, 3))
    assert layer(np.ones((1, 4, 4, 1))).shape == (1, 24, 25, 1)


def test_twelve_goes_to_23_or_24() -> None:
    x = np.ones((1, 12, 12, 16))
    assert Conv2DTranspose(1, 3, strides=2, padding="same")(x).shape == (1, 24, 24, 1)
    assert Conv2DTranspose(1, 3, strides=2, padding="same", output_padding=0)(x).shape == (1, 23, 23, 1)


# --- Keras infers the least size, TensorFlow takes any that goes back


def test_keras_infers_five() -> None:
    x = tf.random.normal(shape=(1, 2, 2, 1))
    y = tf.keras.layers.Conv2DTranspose(1, (3, 3), 2, padding="valid")(x)
    assert y.shape == (1, 5, 5, 1)


@pytest.mark.parametrize("size", [5, 6])
def test_tensorflow_takes_five_or_six_and_both_go_back(size: int) -> None:
    with tf.compat.v1.Session() as sess:
        x1 = tf.constant([4.5, 5.4, 8.1, 9.0], shape=([1, 2, 2, 1]), dtype=tf.float32)
        dev_con1 = tf.ones(shape=([3, 3, 1, 1]), dtype=tf.float32)
        y1 = tf.nn.conv2d_transpose(
            x1, dev_con1, output_shape=[1, size, size, 1], strides=[1, 2, 2, 1], padding="VALID"
        )
        tf.compat.v1.global_variables_initializer()
        y1, x1 = sess.run([y1, x1])
    assert x1.shape == (1, 2, 2, 1)
    assert y1.shape == (1, size, size, 1)
    assert y1[0, 2, 2, 0] == np.float32(4.5) + np.float32(5.4) + np.float32(8.1) + np.float32(9.0)
    assert (y1[0, 5:] == 0).all()
    ones = tf.ones(shape=([3, 3, 1, 1]), dtype=tf.float32)
    assert tf.nn.conv2d(y1, filters=ones, strides=[1, 2, 2, 1], padding="VALID").shape == (1, 2, 2, 1)


# --- one step up in a U-Net


def test_unet_doubles_the_image_and_halves_the_channels() -> None:
    layer = Conv2DTranspose(512, 3, strides=2, padding="same")
    assert layer.compute_output_shape((None, 8, 8, 1024)) == (None, 16, 16, 512)
    assert Conv2DTranspose(4, 3, strides=2, padding="same")(np.ones((1, 8, 8, 8))).shape == (1, 16, 16, 4)
