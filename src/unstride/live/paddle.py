"""PaddlePaddle's layers.

Source: paddle/nn/layer/conv.py (PaddlePaddle 3.4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..dialects import paddle as dialect
from ..dialects.arguments import compact
from ..dialects.spec import Spec
from .arrays import as_numpy
from .found import Found
from .kinds import Kind, check_own, refuse

SEPARATE = False
_FORMS: dict[str, Callable[..., Spec]] = {
    form.__name__: form for form in dialect.FORMS if form.call.startswith("paddle.nn.Conv")
}
_FIRST = ("NCL", "NCHW", "NCDHW")


def read(thing: Any, kind: Kind) -> Found:
    """The layer's spec, and its weight and bias. Raises UnstrideError."""
    check_own(thing, kind, "forward", "__call__")
    if any(vars(thing)[hooks] for hooks in ("_forward_pre_hooks", "_forward_post_hooks")):
        raise refuse(thing, "has a hook, which may change its input, its weights or its output", "remove it first")
    return Found(_spec(thing, kind), as_numpy(thing.weight, "weight"), as_numpy(thing.bias, "bias"))


def _spec(thing: Any, kind: Kind) -> Spec:
    inside = vars(thing)  # PaddlePaddle keeps the arguments under private names
    words: dict[str, Any] = {name: _sizes(inside[f"_{name}"]) for name in ("stride", "padding", "dilation", "groups")}
    words["data_format"] = None if inside["_data_format"] in _FIRST else inside["_data_format"]
    words["bias_attr"] = False if thing.bias is None else None
    if kind.name.endswith("Transpose"):
        words["output_padding"] = _sizes(thing.output_padding)
    else:
        words["padding_mode"] = inside["_padding_mode"]
    kernel = _sizes(inside["_kernel_size"])
    return _FORMS[kind.name](inside["_in_channels"], inside["_out_channels"], kernel, **words)


def _sizes(value: Any) -> Any:
    """Equal sizes as one."""
    if not isinstance(value, (tuple, list)):
        return value
    entries: tuple[Any, ...] = tuple(tuple(entry) if isinstance(entry, (tuple, list)) else entry for entry in value)
    return compact(entries) if all(type(entry) is int for entry in entries) else entries
