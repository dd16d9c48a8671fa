"""Keras's layers with kernels as operations: convolutions in the dialect's own words, dense layers, their activations.

Source: keras/src/layers/convolutional, keras/src/layers/core/dense.py (Keras 3.15).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..dialects import keras, keras2
from ..dialects.arguments import compact
from ..dialects.spec import Spec
from ..network import Convolution, Dense, Stored
from .keras_activations import activated
from .keras_config import shown
from .keras_step import Step, UnreadError, Value

_FORMS: dict[int, dict[str, Callable[..., Spec]]] = {
    generation: {form.__name__: form for form in dialect.FORMS if ".layers." in form.call}
    for generation, dialect in ((2, keras2), (3, keras))
}


def convolution(step: Step, rank: int) -> Value:
    """``Conv1D`` to ``Conv3D``."""
    return _convolved(step, f"Conv{rank}D", rank, {"groups": step.whole("groups", 1)})


def transposed(step: Step, rank: int) -> Value:
    """``Conv1DTranspose`` to ``Conv3DTranspose``."""
    extras = step.argument("output_padding")
    words = {"output_padding": None if extras is None else _per_axis(extras)}
    if step.argument("groups", 1) != 1:
        words["groups"] = step.whole("groups")
    return _convolved(step, f"Conv{rank}DTranspose", rank, words)


def _convolved(step: Step, form: str, rank: int, words: dict[str, Any]) -> Value:
    value = step.spatial(rank)
    _check_plain(step)
    used = step.flag("use_bias", default=True)
    words |= _steps(step) | {"use_bias": used, "dtype": policy(step)}
    spec = _FORMS[step.generation][form](step.whole("filters"), _per_axis(step.argument("kernel_size")), **words)
    kernel = step.weight(0, "kernel", kernel_shape(spec, value))
    bias = step.weight(1, "bias", (step.whole("filters"),)) if used else None
    made = step.add(Convolution(spec, kernel, bias), value)
    return activated(step, made)


def _steps(step: Step) -> dict[str, Any]:
    order = step.argument("data_format")
    return {
        "strides": _per_axis(step.argument("strides", 1)),
        "padding": step.argument("padding", "valid"),
        "data_format": None if order == "channels_last" else order,
        "dilation_rate": _per_axis(step.argument("dilation_rate", 1)),
    }


def _per_axis(value: Any) -> Any:
    """A number, or one for each axis; the dialect checks what it says."""
    if isinstance(value, list) and all(type(entry) is int for entry in value):
        return compact(tuple(value)) if value else ()
    return value


def kernel_shape(spec: Spec, value: Value) -> tuple[int, ...]:
    """The shape of the kernel array that the spec needs for that input."""
    channels, size = value.known
    filters = spec.read_filters(len(size), channels, None)
    return spec.weight_layout(len(size)).shape_of(filters.kernel, filters.small, filters.large, filters.groups)


def depthwise(step: Step, rank: int) -> Value:
    """``DepthwiseConv1D`` and ``2D``: a convolution with as many groups as channels."""
    value = step.spatial(rank)
    _check_plain(step)
    used = step.flag("use_bias", default=True)
    made = step.add(_each_channel(step, rank, value, "kernel", used=used), value)
    return activated(step, made)


def _each_channel(step: Step, rank: int, value: Value, name: str, *, used: bool) -> Convolution:
    channels, _ = value.known
    multiplier = step.whole("depth_multiplier", 1)
    taps = step.lengths("kernel_size", rank)
    words = {**_steps(step), "groups": channels, "use_bias": used, "dtype": policy(step)}
    spec = _FORMS[step.generation][f"Conv{rank}D"](channels * multiplier, compact(taps), **words)
    stored = step.weight(0, name, (*taps, channels, multiplier))
    bias = step.weight(1, "bias", (channels * multiplier,)) if used else None
    return Convolution(spec, reshaped(stored, (*taps, 1, channels * multiplier)), bias)


def separable(step: Step, rank: int) -> Value:
    """``SeparableConv1D`` and ``2D``: one tap set for each channel, then one tap for all channels."""
    value = step.spatial(rank)
    _check_plain(step)
    inner = step.add(_each_channel(step, rank, value, "depthwise_kernel", used=False), value, helper="depthwise")
    filters, used = step.whole("filters"), step.flag("use_bias", default=True)
    order = _steps(step)["data_format"]
    spec = _FORMS[step.generation][f"Conv{rank}D"](filters, 1, data_format=order, use_bias=used, dtype=policy(step))
    made = value.known[0] * step.whole("depth_multiplier", 1)
    kernel = step.weight(1, "pointwise_kernel", (*(1,) * rank, made, filters))
    bias = step.weight(2, "bias", (filters,)) if used else None
    return activated(step, step.add(Convolution(spec, kernel, bias), inner))


def dense(step: Step) -> Value:
    """``Dense``: on vectors, or on every position of a map, which is a convolution with one tap."""
    value = step.value
    _check_plain(step)
    channels, size = value.known
    units, used = step.whole("units"), step.flag("use_bias", default=True)
    kernel = step.weight(0, "kernel", (channels, units))
    bias = step.weight(1, "bias", (units,)) if used else None
    if not size:
        return activated(step, step.add(Dense(kernel, bias), value))
    if not value.last or len(size) > 3:
        raise UnreadError(
            "mixes the last axis, which is not that of the channels" if not value.last else "has many axes"
        )
    spec = _FORMS[step.generation][f"Conv{len(size)}D"](units, 1, use_bias=used, dtype=policy(step))
    wide = reshaped(kernel, (*(1,) * len(size), channels, units))
    return activated(step, step.add(Convolution(spec, wide, bias), value))


def reshaped(stored: Stored, shape: tuple[int, ...]) -> Stored:
    """The same elements in another shape; their layer keeps them in ``stored``'s."""
    if not stored.known:
        return Stored(shape, stored.dtype)
    return Stored(shape, stored.dtype, lambda: stored.array.reshape(shape))


def policy(step: Step) -> str | None:
    """The layer's element type or policy, None for single precision; quantised layers are not understood."""
    given = step.argument("dtype")
    if isinstance(given, dict):
        stated = given.get("config")
        if given.get("class_name") not in ("DTypePolicy", "Policy") or not isinstance(stated, dict):
            raise UnreadError(f"its dtype is {shown(given.get('class_name'))}")
        given = stated.get("name")
    if given is None or given == "float32":
        return None
    if given not in ("float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16"):
        raise UnreadError(f"its dtype is {shown(given)}")
    return str(given)


def _check_plain(step: Step) -> None:
    if step.argument("quantization_config") is not None:
        raise UnreadError("it is quantised")
