"""The numbers that people printed in the threads this project was made from, by `output_shape`."""

from __future__ import annotations

import pytest

from unstride import UnstrideError, parse

SIZES = {
    ("Conv2D", "valid"): [(94, 126), (47, 63), (32, 42)],
    ("Conv2D", "same"): [(96, 128), (48, 64), (32, 43)],
    ("Conv2DTranspose", "valid"): [(98, 130), (193, 257), (288, 384)],
    ("Conv2DTranspose", "same"): [(96, 128), (192, 256), (288, 384)],
}


@pytest.mark.parametrize(
    ("layer", "padding", "stride", "size"),
    [(*words, stride, size) for words, sizes in SIZES.items() for stride, size in enumerate(sizes, start=1)],
)
def test_an_image_of_96_by_128(layer: str, padding: str, stride: int, size: tuple[int, int]) -> None:
    spec = parse(f"{layer}(filters=3, kernel_size=3, strides={stride}, padding={padding!r})")
    assert spec.output_shape((1, 96, 128, 3)) == (1, *size, 3)


@pytest.mark.parametrize(
    ("arguments", "small", "large"),
    [
        ("strides=10, padding='same'", 20, 200),
        ("strides=10, padding='same', output_padding=0", 20, 191),
        ("strides=10, padding='same', output_padding=4", 20, 195),
        ("strides=10, padding='same', output_padding=9", 20, 200),
        ("strides=2, padding='same'", 12, 24),
        ("strides=2, padding='same', output_padding=0", 12, 23),
        ("strides=2, padding='valid'", 2, 5),
        ("strides=2, padding='valid', output_padding=1", 2, 6),
        *((f"strides=7, padding='same', output_padding={extra}", 4, 22 + extra) for extra in range(7)),
    ],
)
def test_keras_takes_one_size_and_output_padding_another(arguments: str, small: int, large: int) -> None:
    spec = parse(f"keras.layers.Conv2DTranspose(1, 3, {arguments})")
    assert spec.output_shape((1, small, small, 1)) == (1, large, large, 1)


@pytest.mark.parametrize(("stride", "small", "larges"), [(7, 4, range(22, 29)), (10, 20, range(191, 201))])
def test_a_convolution_maps_as_many_sizes_to_one_as_its_stride(stride: int, small: int, larges: range) -> None:
    spec = parse(f"Conv2D(1, 3, strides={stride}, padding='same')")
    around = range(larges.start - 1, larges.stop + 1)
    found = [size for size in around if spec.output_shape((1, size, size, 1)) == (1, small, small, 1)]
    assert found == list(larges)


@pytest.mark.parametrize(("padding", "small", "legal"), [("VALID", 2, range(5, 7)), ("SAME", 20, range(191, 201))])
def test_tensorflow_takes_every_size_that_maps_back_and_no_other(padding: str, small: int, legal: range) -> None:
    stride = len(legal)
    accepted = []
    for size in range(legal.start - 2, legal.stop + 2):
        line = f"tf.nn.conv2d_transpose(x, w, [1, {size}, {size}, 1], [1, {stride}, {stride}, 1], padding={padding!r})"
        try:
            shape = parse(line).output_shape((1, small, small, 1), (3, 3, 1, 1))
        except UnstrideError as error:
            assert error.code == "output-shape"  # noqa: PT017 - most sizes are accepted
        else:
            assert shape == (1, size, size, 1)
            accepted.append(size)
    assert accepted == list(legal)


def test_the_u_net_doubles_the_size_and_halves_the_depth() -> None:
    spec = parse("Conv2DTranspose(512, 3, strides=2, padding='same')")
    assert spec.output_shape((1, 8, 8, 1024)) == (1, 16, 16, 512)
