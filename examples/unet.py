"""The U-Net that is asked about most, small, with its sizes left open: writes unet.keras beside this file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
from keras import layers


def convolve(x: Any, filters: int) -> Any:
    """Two convolutions that keep the size."""
    x = layers.Conv2D(filters, 3, activation="relu", padding="same")(x)
    return layers.Conv2D(filters, 3, activation="relu", padding="same")(x)


def build(filters: int = 2, classes: int = 3, size: tuple[int | None, int | None] = (None, None)) -> Any:
    """Four levels down by pooling, four up by transposed convolutions, joined level by level."""
    x = given = keras.Input((*size, 3))
    skips = []
    for level in range(4):
        skip = convolve(x, filters * 2**level)
        skips.append(skip)
        x = layers.MaxPooling2D(2)(skip)
    x = layers.Dropout(0.3)(convolve(x, filters * 16))
    for level in reversed(range(4)):
        x = layers.Conv2DTranspose(filters * 2**level, 3, strides=2, padding="same", name=f"up{level}")(x)
        x = layers.concatenate([x, skips[level]], name=f"join{level}")
        x = convolve(x, filters * 2**level)
    return keras.Model(given, layers.Conv2D(classes, 1, name="classes")(x), name="unet")


if __name__ == "__main__":
    keras.utils.set_random_seed(1)
    build().save(Path(__file__).with_name("unet.keras"))
