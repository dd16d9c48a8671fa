"""TensorFlow's convolutions on NumPy arrays, ``tf.keras``, and the few functions that usually stand around them.

Beside ``tf.nn`` and ``tf.keras`` there is only what small examples of convolutions use: making an array (``constant``,
``convert_to_tensor``, ``ones``, ``zeros``, ``random.normal``), changing its shape (``reshape``, ``expand_dims``), the
element types, and ``compat.v1.Session``. All of it takes and gives NumPy arrays; a tensor's methods are NumPy's.

>>> from unstride.compat import tensorflow as tf
>>> x = tf.constant([4.5, 5.4, 8.1, 9.0], shape=[1, 2, 2, 1], dtype=tf.float32)
>>> tf.keras.layers.Conv2DTranspose(1, (3, 3), 2, padding="valid")(x).shape
(1, 5, 5, 1)
"""

from typing import TYPE_CHECKING

from numpy import float16, float32, float64, int32, int64

from ..coverage import missing
from . import compat, keras, nn, random
from .arrays import constant, convert_to_tensor, expand_dims, ones, reshape, zeros

__all__ = [
    "compat",
    "constant",
    "convert_to_tensor",
    "expand_dims",
    "float16",
    "float32",
    "float64",
    "int32",
    "int64",
    "keras",
    "nn",
    "ones",
    "random",
    "reshape",
    "zeros",
]

if not TYPE_CHECKING:
    __getattr__ = missing(__name__, "the convolutions of tf.nn and tf.keras, and making small arrays")
