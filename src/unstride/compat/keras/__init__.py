"""Keras's convolution layers and ``Sequential`` on NumPy arrays; arguments, shapes and configs as in Keras 3.

Here are ``layers.Conv{1,2,3}D`` and ``layers.Conv{1,2,3}DTranspose``, ``Sequential``, ``Input``, ``ops.conv``,
``ops.conv_transpose``, and what their arguments name: ``activations``, ``initializers``, ``regularizers`` and
``constraints``. There is no training and no graph: a layer called on ``Input(shape)`` answers with the output's shape.

>>> import numpy as np
>>> from unstride.compat import keras
>>> layer = keras.layers.Conv2DTranspose(filters=1, kernel_size=3, strides=2, padding="same", output_padding=1)
>>> layer(np.array([[2, 1], [3, 2]]).reshape(1, 2, 2, 1)).shape
(1, 4, 4, 1)
"""

from typing import TYPE_CHECKING

from ..coverage import missing
from . import activations, backend, constraints, initializers, layers, models, ops, regularizers, utils
from .inputs import Input, KerasTensor
from .models import Sequential

__all__ = [
    "Input",
    "KerasTensor",
    "Sequential",
    "activations",
    "backend",
    "constraints",
    "initializers",
    "layers",
    "models",
    "ops",
    "regularizers",
    "utils",
]

if not TYPE_CHECKING:
    __getattr__ = missing(__name__, "convolution layers, Sequential, ops.conv and ops.conv_transpose")
