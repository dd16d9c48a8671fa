"""Keras files written by hand, without Keras: configurations, weights, and archives of both."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def value(layer: str, call: int = 0, output: int = 0, shape: Sequence[int | None] | None = None) -> dict[str, Any]:
    """One value, as Keras 3 writes it among a call's arguments."""
    stated = {"shape": shape, "dtype": "float32", "keras_history": [layer, call, output]}
    return {"class_name": "__keras_tensor__", "config": stated}


def layer(kind: str, name: str, *calls: Any, module: str | None = "keras.layers", **config: Any) -> dict[str, Any]:
    """One layer; each call is the list of its arguments, or one layer's name."""
    nodes: list[Any] = [{"args": [value(each)] if isinstance(each, str) else each, "kwargs": {}} for each in calls]
    entry = {"class_name": kind, "config": {"name": name, **config}, "name": name, "inbound_nodes": nodes}
    return entry | {"module": module, "registered_name": None}


def given(name: str = "x", *shape: int | None) -> dict[str, Any]:
    """An input; two open spatial axes and three channels where no shape is given."""
    return layer("InputLayer", name, batch_shape=[None, *(shape or (None, None, 3))])


def conv(name: str, *calls: Any, filters: int = 2, kernel: int = 3, rank: int = 2, **config: Any) -> dict[str, Any]:
    """A convolution."""
    stated: dict[str, Any] = {
        "filters": filters,
        "kernel_size": [kernel] * rank,
        "strides": [1] * rank,
        "padding": "same",
    }
    return layer(f"Conv{rank}D", name, *calls, **(stated | {"data_format": "channels_last", "use_bias": True} | config))


def functional(
    layers: Sequence[Any], inputs: Any = ("x", 0, 0), outputs: Any = None, name: str = "net"
) -> dict[str, Any]:
    """A functional model; its output is its last layer's, unless stated."""
    last = outputs or [layers[-1]["name"], 0, 0]
    stated = {"name": name, "layers": list(layers), "input_layers": list(inputs), "output_layers": last}
    return {"module": "keras.src.models.functional", "class_name": "Functional", "config": stated, "name": name}


def sequence(layers: Sequence[Any], name: str = "net", **config: Any) -> dict[str, Any]:
    """A Sequential model."""
    stated = {"name": name, "layers": list(layers), **config}
    return {"module": "keras", "class_name": "Sequential", "config": stated, "name": name}


def weights(arrays: Mapping[str, Array]) -> bytes:
    """A ``.weights.h5``."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for path, array in arrays.items():
            file[path] = array
    return buffer.getvalue()


def archive(
    path: Path, config: Any, stored: bytes | None = None, *, compressed: bool = False, version: str = "3.15.1"
) -> Path:
    """A ``.keras`` file."""
    text = config if isinstance(config, bytes) else json.dumps(config).encode()
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as members:
        members.writestr("metadata.json", json.dumps({"keras_version": version}))
        members.writestr("config.json", text)
        if stored is not None:
            members.writestr("model.weights.h5", stored)
    return path


def integers(*shape: int, seed: int = 0) -> Array:
    """Small integers in single precision."""
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)


def small(folder: Path, name: str = "small.keras", *, compressed: bool = False) -> Path:
    """A model of two convolutions with a skip connection, and its weights."""
    layers = [
        given(),
        conv("a", "x", activation="relu"),
        conv("b", "a", filters=2),
        layer("Add", "sum", [[value("a"), value("b")]]),
    ]
    arrays = {
        "layers/conv2d/vars/0": integers(3, 3, 3, 2),
        "layers/conv2d/vars/1": integers(2),
        "layers/conv2d_1/vars/0": integers(3, 3, 2, 2, seed=1),
        "layers/conv2d_1/vars/1": integers(2, seed=1),
    }
    return archive(folder / name, functional(layers), weights(arrays), compressed=compressed)
