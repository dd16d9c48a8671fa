"""Keras 3, live, on the backend that the environment variable ``KERAS_BACKEND`` names."""

from __future__ import annotations

from importlib import import_module

import numpy as np

from .source import Array, placed, read, resolve


def version() -> str:
    """Keras's version."""
    return str(import_module("keras").__version__)


def backend() -> str:
    """The backend in use."""
    return str(import_module("keras").backend.backend())


def evaluate(code: str, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """What the layer or operation in ``code`` returns for these arrays."""
    keras = import_module("keras")
    line = read(code, placed(keras.ops.convert_to_tensor, x, kernel, bias))
    answer = line.call(resolve(line.name))
    if line.name.startswith("keras.layers."):
        layer = answer
        layer.build(x.shape)
        layer.set_weights([kernel] if bias is None else [kernel, bias])
        answer = layer(keras.ops.convert_to_tensor(x))
    return np.asarray(keras.ops.convert_to_numpy(answer), dtype=np.float32)
