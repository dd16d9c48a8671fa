"""Gradient descent in NumPy alone: Keras's layers of ``unstride.compat`` learn to enlarge handwritten digits.

A transposed convolution and a convolution turn 4×4 pictures back into the 8×8 digits that they were shrunk from. The
data comes with scikit-learn. Run: python examples/descent.py
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unstride.compat import tensorflow as tf

Array = NDArray[Any]


def digits(count: int) -> tuple[Array, Array]:
    """Pictures of 4×4 means and the 8×8 digits they come from, ``(batch, height, width, 1)``, from 0 to 1."""
    from sklearn.datasets import load_digits

    large = (load_digits().images[:count, :, :, None] / 16).astype(np.float32)
    small = large.reshape(count, 4, 2, 4, 2, 1).mean((2, 4), dtype=np.float32)
    return small, large


class Enlarger:
    """Two layers with a rectifier between them, and their gradients by hand."""

    def __init__(self, width: int = 8, seed: int = 0) -> None:
        kernels = tf.keras.initializers.GlorotUniform(seed=seed)
        layers = tf.keras.layers
        self.up = layers.Conv2DTranspose(width, 4, strides=2, padding="same", kernel_initializer=kernels)
        self.mix = layers.Conv2D(1, 3, padding="same", kernel_initializer=kernels)

    def __call__(self, x: Array) -> Array:
        return self.mix(np.maximum(self.up(x), 0))

    def step(self, x: Array, wanted: Array, rate: float) -> float:
        """One step down the mean squared error, which is returned as it was before the step."""
        wide = self.up(x)
        rectified = np.maximum(wide, 0)
        error = self.mix(rectified) - wanted
        for_mix = self.mix.gradients(rectified, 2 * error / error.size)
        for_up = self.up.gradients(x, for_mix.x * (wide > 0))
        for layer, found in ((self.mix, for_mix), (self.up, for_up)):
            layer.kernel.assign(layer.kernel.value - rate * found.kernel)
            if layer.bias is not None and found.bias is not None:
                layer.bias.assign(layer.bias.value - rate * found.bias)
        return float(np.square(error).mean())


def main() -> None:
    """Train, and print the loss beside that of plain repetition."""
    small, large = digits(512)
    model = Enlarger()
    repeated = np.square(small.repeat(2, 1).repeat(2, 2) - large).mean()
    sys.stdout.write(f"repeating each pixel: {repeated:.4f}\n")
    for number in range(301):
        loss = model.step(small, large, rate=0.5)
        if number % 50 == 0:
            sys.stdout.write(f"after {number:3} steps: {loss:.4f}\n")


if __name__ == "__main__":
    main()
