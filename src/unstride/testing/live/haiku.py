"""Haiku's modules, live."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version as distribution_version

import numpy as np

from .source import Array, checked, placed, read, resolve


def version() -> str:
    """Haiku's version."""
    return distribution_version("dm-haiku")


def evaluate(code: str, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """What the module in ``code`` returns for these arrays."""
    haiku, jax = import_module("haiku"), import_module("jax")
    line = read(code, placed(jax.numpy.asarray, x, kernel, bias))

    def apply(array: object) -> object:
        return line.call(resolve(line.name))(array)

    function = haiku.without_apply_rng(haiku.transform(apply))
    # only the shapes of the parameters are needed, not their random values
    ((name, parameters),) = jax.eval_shape(function.init, jax.random.PRNGKey(0), x).items()
    given = {"w": kernel} if bias is None else {"w": kernel, "b": bias.reshape(parameters["b"].shape)}
    arrays = {key: jax.numpy.asarray(checked(given[key], parameters[key].shape, key)) for key in parameters}
    return np.asarray(function.apply({name: arrays}, jax.numpy.asarray(x)), dtype=np.float32)
