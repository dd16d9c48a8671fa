"""Keras 2's layers for TensorFlow functions, which ``a + b`` leaves in a model, as the operations of Keras 3.

Source: tf_keras/src/layers/core/tf_op_layer.py (2.21).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .keras_config import Call, Described

_FUNCTIONS: Mapping[str, str] = {
    "__operators__.add": "Add",
    "__operators__.getitem": "GetItem",
    "compat.v1.pad": "Pad",
    "concat": "Concatenate",
    "math.add": "Add",
    "math.divide": "TrueDivide",
    "math.maximum": "Maximum",
    "math.multiply": "Multiply",
    "math.negative": "Negative",
    "math.reduce_max": "Max",
    "math.reduce_mean": "Mean",
    "math.sigmoid": "Sigmoid",
    "math.softplus": "Softplus",
    "math.subtract": "Subtract",
    "math.tanh": "Tanh",
    "math.truediv": "TrueDivide",
    "nn.elu": "Elu",
    "nn.gelu": "Gelu",
    "nn.leaky_relu": "LeakyRelu",
    "nn.relu": "Relu",
    "nn.relu6": "Relu6",
    "nn.selu": "Selu",
    "nn.sigmoid": "Sigmoid",
    "nn.silu": "Silu",
    "nn.softmax": "Softmax",
    "nn.softplus": "Softplus",
    "nn.softsign": "Softsign",
    "nn.swish": "Silu",
    "nn.tanh": "Tanh",
    "pad": "Pad",
}
"""TensorFlow's functions -> the class of the same operation in Keras 3"""
_RENAMED = {"paddings": "pad_width"}
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {"LeakyRelu": {"alpha": 0.2}, "Elu": {}, "Mean": {"keepdims": False}}
_VALUES = ("x", "y", "tensor", "input_tensor")
"""names under which a function takes its values"""
_TAKEN = ("axis", "keepdims", "alpha", "approximate", "paddings", "mode", "slice_spec", "constant_values", "name")


def modern(layer: Described, call: Call) -> tuple[Described, Call]:
    """The operation and its call in Keras 3's form; what is none of Keras 2's function layers as it is."""
    if layer.custom or layer.kind not in ("TFOpLambda", "SlicingOpLambda"):
        return layer, call
    kind = _FUNCTIONS.get(str(layer.config.get("function")))
    named = {key: value for key, value in call.named.items() if value is not None}
    if kind is None or not set(named) <= {*_VALUES, *_TAKEN} or named.get("constant_values", 0) != 0:
        return layer, call
    values = tuple(named[key] for key in _VALUES if key in named)
    slices = tuple(map(_slice, named.get("slice_spec", []))) if isinstance(named.get("slice_spec", []), list) else ()
    stated = {_RENAMED.get(key, key): value for key, value in named.items() if key in _TAKEN and key != "name"}
    config = {**_DEFAULTS.get(kind, {}), **stated}
    if kind == "LeakyRelu":
        config["negative_slope"] = config.pop("alpha")
    if isinstance(config.get("mode"), str):
        config["mode"] = config["mode"].lower()
    return replace(layer, kind=kind, layered=False, config=config), Call((*call.arguments, *values, *slices))


def _slice(stated: Any) -> Any:
    """A slice as Keras 3 writes it."""
    if isinstance(stated, dict) and set(stated) == {"start", "stop", "step"}:
        return {"class_name": "__slice__", "config": stated}
    return stated
