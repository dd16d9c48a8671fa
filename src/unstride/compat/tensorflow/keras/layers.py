"""``tf.keras.layers``."""

from typing import TYPE_CHECKING

from ...keras.layers import (
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    Conv3DTranspose,
    Input,
    InputLayer,
    Layer,
)

__all__ = [
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "Input",
    "InputLayer",
    "Layer",
]

if not TYPE_CHECKING:
    from ...keras.layers import __getattr__ as __getattr__  # noqa: PLC0414 - says what is covered
