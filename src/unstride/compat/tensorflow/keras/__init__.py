"""``tf.keras``: ``unstride.compat.keras`` under the path that TensorFlow's users import."""

from ...keras import (
    Input,
    KerasTensor,
    Sequential,
    activations,
    backend,
    constraints,
    initializers,
    ops,
    regularizers,
    utils,
)
from . import layers, models

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
