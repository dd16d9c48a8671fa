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
    numpy, nnx = import_module("jax.numpy"), import_module("flax.nnx")
    line = read(code, {**placed(numpy.asarray, x, kernel, bias), "rngs": nnx.Rngs(0)})
    if line.name.startswith("flax.linen."):
        layer = line.call(resolve(line.name))
        arrays = {"kernel": numpy.asarray(kernel)} if bias is None else {"kernel": kernel, "bias": bias}
        return np.asarray(layer.apply({"params": arrays}, numpy.asarray(x)), dtype=np.float32)
    # only the shapes of the parameters are needed, not their random values
    layer = nnx.eval_shape(lambda: line.call(resolve(line.name)))
    layer.kernel[...] = numpy.asarray(checked(kernel, layer.kernel.shape, "kernel"))
    if bias is not None:
        layer.bias[...] = numpy.asarray(checked(bias, layer.bias.shape, "bias"))
    return np.asarray(layer(numpy.asarray(x)), dtype=np.float32)
