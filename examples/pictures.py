"""What the examples train on: handwritten digits and two photographs, which come inside the package scikit-learn.

Arrays are ``(batch, *spatial, channels)``, float32, from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Batches = Iterator[tuple[Array, Array]]


class Pairs(NamedTuple):
    """What a model is given, and what it is asked to make of it."""

    given: Array
    wanted: Array


def digits(height: int, width: int) -> tuple[Array, Array]:
    """1500 handwritten digits to learn from and 297 others, the middle ``height × width`` of their 8×8 pixels."""
    from sklearn.datasets import load_digits

    top, left = (8 - height) // 2, (8 - width) // 2
    pictures = load_digits().images[:, top : top + height, left : left + width, None] / 16
    return pictures[:1500].astype(np.float32), pictures[1500:].astype(np.float32)


def photographs() -> Array:
    """A temple and a flower, ``(2, 427, 640, 3)``."""
    from sklearn.datasets import load_sample_images

    return np.stack(load_sample_images().images).astype(np.float32) / 255


def brightness(pictures: Array) -> Array:
    """The mean of the three colours, the last axis kept."""
    grey: Array = pictures.mean(-1, keepdims=True)
    return grey


def bright(pictures: Array, border: float) -> Array:
    """1 where a pixel is brighter than the border, else 0."""
    return (pictures > border).astype(np.float32)


def noisy(pictures: Array, amount: float, seed: int = 0) -> Array:
    """The pictures with normal noise of this standard deviation."""
    noise = np.random.default_rng(seed).normal(scale=amount, size=pictures.shape)
    return (pictures + noise).astype(np.float32)


def tiles(pictures: Array, height: int, width: int) -> Array:
    """The pictures cut into tiles side by side, row by row; what is left at the bottom and on the right is dropped."""
    count, rows, columns = len(pictures), pictures.shape[1] // height, pictures.shape[2] // width
    cut = pictures[:, : rows * height, : columns * width]
    parts = cut.reshape(count, rows, height, columns, width, -1).swapaxes(2, 3)
    return parts.reshape(count * rows * columns, height, width, -1)


def lines(length: int, factor: int) -> tuple[Pairs, Pairs]:
    """Pieces of the photographs' rows as signals, and their means over ``factor`` pixels, to learn from and others.

    The others come from the last 75 rows of each photograph.
    """
    rows = brightness(photographs())[..., 0]
    count = rows.shape[2] // length
    cut = rows[:, :, : count * length].reshape(2, -1, count, length)

    def paired(signals: Array) -> Pairs:
        wanted = signals.reshape(-1, length, 1)
        return Pairs(wanted.reshape(-1, length // factor, factor).mean(-1, keepdims=True), wanted)

    return paired(cut[:, :-75]), paired(cut[:, -75:])


def batches(pairs: Pairs, size: int, seed: int) -> Batches:
    """Pairs drawn at random, for ever."""
    draw = np.random.default_rng(seed)
    while True:
        chosen = draw.integers(len(pairs.given), size=size)
        yield pairs.given[chosen], pairs.wanted[chosen]


def crops(pairs: Pairs, height: int, width: int, size: int, seed: int) -> Batches:
    """Pairs of pictures cut at random places, for ever."""
    draw = np.random.default_rng(seed)
    count, tall, wide = pairs.given.shape[:3]
    while True:
        places = draw.integers([count, tall - height + 1, wide - width + 1], size=(size, 3))
        windows = [(each, slice(top, top + height), slice(left, left + width)) for each, top, left in places]
        yield np.stack([pairs.given[each] for each in windows]), np.stack([pairs.wanted[each] for each in windows])
