"""Flax's modules: ``flax.nnx`` ones with their weights, ``flax.linen`` ones with those of a binding or given beside.

Source: flax/nnx/nn/linear.py, flax/linen/linear.py (flax 0.12).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ..dialects.flax import linen, nnx
from ..dialects.spec import Source, Spec
from .arrays import as_numpy
from .found import Found
from .kinds import Kind, check_own, refuse, wrong_params

if TYPE_CHECKING:
    from .found import Array

SEPARATE = True
_FORMS: dict[str, dict[str, Callable[..., Spec]]] = {
    "linen": {"Conv": linen.Conv, "ConvTranspose": linen.ConvTranspose},
    "nnx": {"Conv": nnx.Conv, "ConvTranspose": nnx.ConvTranspose},
}
_WORDS = (
    *("features", "in_features", "out_features", "kernel_size", "strides", "padding", "input_dilation"),
    *("kernel_dilation", "feature_group_count", "use_bias", "transpose_kernel"),
)
_FUNCTIONS = ("conv_general_dilated", "conv_general_dilated_cls", "promote_dtype")


def read(thing: Any, kind: Kind, params: Any) -> Found:
    """The module's spec; its kernel, masked where it has a mask, and its bias. Raises UnstrideError."""
    family = kind.cls.__module__.split(".")[1]
    if kind.name == "ConvLocal":
        rule = "has other weights at every position, so that it is no convolution"
        raise refuse(thing, rule)
    check_own(thing, kind, "__call__")
    for name in _FUNCTIONS:
        function = getattr(thing, name, None)
        if function is not None and str(getattr(function, "__module__", "")).split(".")[0] not in ("jax", "flax"):
            rule = f"has a {name} of its own, which may compute anything"
            raise refuse(thing, rule, f"read a {kind.name} without it")
    spec = _spec(thing, _FORMS[family][kind.name])
    kernel, bias = _own_weights(thing, params) if family == "nnx" else _given_weights(thing, params)
    return Found(spec, _masked(thing, kernel), bias)


def _spec(thing: Any, form: Callable[..., Spec]) -> Spec:
    known = {field.name for field in fields(form)}  # type: ignore[arg-type]  # a spec's class
    words = {name: getattr(thing, name) for name in _WORDS if name in known}
    for name in ("dtype", "param_dtype", "preferred_element_type"):
        if name in known:
            words[name] = type_word(getattr(thing, name))
    words["param_dtype"] = None if words["param_dtype"] == "float32" else words["param_dtype"]
    words["precision"] = precision_word(thing.precision)
    if "rngs" in known:
        words["rngs"] = Source("rngs")
    return form(**words)


def type_word(dtype: Any) -> str | None:
    """An element type's name."""
    if dtype is None:
        return None
    import numpy as np

    return str(np.dtype(dtype).name)


def precision_word(precision: Any) -> Source | str | None:
    """JAX's precision, a word, or one for each operand, as it is written."""
    if precision is None or isinstance(precision, str):
        return precision
    if isinstance(precision, (tuple, list)):
        words = [precision_word(each) for each in precision]
        return Source(f"({', '.join(repr(word) for word in words)})")
    name = type(precision).__name__
    return Source(f"jax.lax.{name}.{precision.name}" if hasattr(precision, "name") else f"jax.lax.{name}")


def _own_weights(thing: Any, params: Any) -> tuple[Array | None, Array | None]:
    if params is not None:
        raise wrong_params(params, "an nnx module holds its weights itself", "leave them out")
    return _variable(thing.kernel, "kernel"), _variable(thing.bias, "bias")


def _variable(variable: Any, name: str) -> Array | None:
    if variable is None:
        return None
    inside = as_numpy(_inside(variable), name)
    return None if inside is None else as_numpy(variable[...], name)


def _inside(variable: Any) -> Any:
    """What an nnx variable holds, as it holds it: shapes alone after ``nnx.eval_shape``."""
    return variable.get_raw_value() if hasattr(variable, "get_raw_value") else variable.raw_value


def _given_weights(thing: Any, params: Any) -> tuple[Array | None, Array | None]:
    if params is None and thing.scope is None:
        return None, None
    held = thing.variables if params is None else params
    if not isinstance(held, Mapping):
        raise wrong_params(held, "must be a mapping that holds the kernel", "give module.init(...), or its 'params'")
    held = held.get("params", held)
    if "kernel" not in held:
        rule = f"has no kernel, only {', '.join(map(str, held)) or 'nothing'}"
        raise wrong_params(held, rule, "give the parameters of this one layer")
    return as_numpy(_unboxed(held["kernel"]), "kernel"), as_numpy(_unboxed(held.get("bias")), "bias")


def _unboxed(value: Any) -> Any:
    """The array in a box of metadata, such as ``Partitioned``."""
    return value.unbox() if hasattr(value, "unbox") else value


def _masked(thing: Any, kernel: Array | None) -> Array | None:
    if thing.mask is None:
        return kernel
    if kernel is None:
        hint = "give its parameters beside it: (module, params)"
        raise refuse(thing, "has a mask, which is part of its kernel", hint)
    mask = as_numpy(getattr(thing.mask, "raw_value", thing.mask), "mask")
    product: Array = (kernel * mask).astype(kernel.dtype)
    return product
