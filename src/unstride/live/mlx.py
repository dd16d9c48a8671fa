"""MLX's modules; their channels and kernel sizes are those of the weight.

Source: python/mlx/nn/layers/convolution.py, convolution_transpose.py (MLX 0.32).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..dialects import mlx as dialect
from ..dialects.arguments import compact
from ..dialects.spec import Spec
from .arrays import as_numpy
from .found import Found
from .kinds import Kind, check_own

SEPARATE = False
_FORMS: dict[str, Callable[..., Spec]] = {
    form.__name__: form for form in dialect.FORMS if form.call.startswith("mlx.nn.")
}


def read(thing: Any, kind: Kind) -> Found:
    """The module's spec, and its weight and bias. Raises UnstrideError."""
    check_own(thing, kind, "__call__")
    out_channels, *kernel, small = thing.weight.shape
    groups = getattr(thing, "groups", 1)
    words: dict[str, Any] = {name: _sizes(getattr(thing, name)) for name in ("stride", "padding", "dilation")}
    words["bias"] = "bias" in thing
    if groups != 1:
        words["groups"] = groups
    if hasattr(thing, "output_padding"):
        words["output_padding"] = _sizes(thing.output_padding)
    spec = _FORMS[kind.name](small * groups, out_channels, compact(tuple(kernel)), **words)
    return Found(spec, as_numpy(thing.weight, "weight"), as_numpy(thing.get("bias"), "bias"))


def _sizes(value: Any) -> Any:
    return compact(tuple(value)) if isinstance(value, (tuple, list)) else value
