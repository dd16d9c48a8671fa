"""tinygrad's tensors, live."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version as distribution_version

import numpy as np

from .source import Array, placed, read, resolve


def version() -> str:
    """The version of tinygrad."""
    return distribution_version("tinygrad")


def evaluate(code: str, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """What the tensor's method in ``code`` returns for these arrays."""
    tensor = import_module("tinygrad").Tensor
    line = read(code, placed(tensor, x, kernel, bias))
    return np.asarray(line.call(resolve(line.name)).numpy(), dtype=np.float32)
