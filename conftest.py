"""Doctests of a framework's plug-in are collected where that framework is installed; Keras would bring TensorFlow."""

from importlib.util import find_spec

collect_ignore = ["src/unstride/frameworks/keras"]
collect_ignore += [f"src/unstride/frameworks/{name}" for name in ("jax", "torch") if find_spec(name) is None]
