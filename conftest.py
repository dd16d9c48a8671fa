"""Doctests of what needs a library are collected where that is installed; Keras would bring TensorFlow."""

from importlib.util import find_spec

collect_ignore = ["src/unstride/frameworks/keras"]
collect_ignore += [f"src/unstride/frameworks/{name}" for name in ("jax", "torch") if find_spec(name) is None]
collect_ignore += [f"src/unstride/scale/{name}.py" for name in ("dask", "zarr") if find_spec(name) is None]
