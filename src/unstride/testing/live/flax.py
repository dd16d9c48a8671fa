"""Flax's layers, linen and nnx, live."""

from __future__ import annotations

from importlib import import_module

import numpy as np

from .source import Array, checked, placed, read, resolve


def version() -> str:
    """Flax's version."""
    return str(import_module("flax").__version__)


def evaluate(code: str, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """What the layer in ``code`` returns for these arrays."""
    numpy = import_module("jax.numpy")
    if code.startswith("flax.linen."):
        line = read(code, placed(numpy.asarray, x, kernel, bias))
        arrays = {"kernel": kernel} if bias is None else {"kernel": kernel, "bias": bias}
        answer = line.call(resolve(line.name)).apply({"params": arrays}, numpy.asarray(x))
        return np.asarray(answer, dtype=np.float32)
    nnx = import_module("flax.nnx")

    def build() -> object:
        line = read(code, {"rngs": nnx.Rngs(0)})
        return line.call(resolve(line.name))

    # only the shapes of the parameters are needed, not their random values
    layer = nnx.eval_shape(build)
    layer.kernel = nnx.Param(checked(kernel, layer.kernel.shape, "kernel"))
    if bias is not None:
        layer.bias = nnx.Param(checked(bias, layer.bias.shape, "bias"))
    return np.asarray(layer(numpy.asarray(x)), dtype=np.float32)
