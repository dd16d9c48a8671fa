"""Keras 3: its transposed convolutions with every window, the same values on TensorFlow, JAX and PyTorch.

from unstride.frameworks import keras as unstride_keras
up = unstride_keras.Conv2DTranspose(64, 3, strides=2, padding="same", groups=4); y = up(x, like=skip)

A file that holds these layers is loaded by ``keras.saving.load_model`` once this module is imported.
"""

from .layers import Conv1DTranspose, Conv2DTranspose, Conv3DTranspose

__all__ = ["Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"]
