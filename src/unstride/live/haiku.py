"""Haiku's modules, as they are inside ``haiku.transform``; their parameters are given beside them.

Source: haiku/_src/conv.py (dm-haiku 0.0.17).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..dialects import haiku as dialect
from ..dialects.arguments import compact
from ..dialects.spec import Spec
from .arrays import as_numpy
from .found import Found
from .kinds import Kind, check_own, refuse, wrong_params

if TYPE_CHECKING:
    from .found import Array

SEPARATE = True
_FORMS: dict[str, Callable[..., Spec]] = {form.__name__: form for form in dialect.FORMS}
_LAST = ("NWC", "NHWC", "NDHWC")
"""the default of each class, which its general form calls channels_last"""


def read(thing: Any, kind: Kind, params: Any) -> Found:
    """The module's spec, and the weights in ``params``: its own, or those of a whole network. Raises UnstrideError."""
    check_own(thing, kind, "__call__")
    spec, kernel, bias = _spec(thing, kind), None, None
    if params is not None:
        own = params.get(thing.module_name, params) if isinstance(params, Mapping) else {}
        if "w" not in own:
            raise wrong_params(params, "must be a mapping that holds w", f"give params[{thing.module_name!r}]")
        kernel, bias = as_numpy(own["w"], "w"), as_numpy(own.get("b"), "b")
    return Found(spec, _masked(thing, kernel), None if bias is None else bias.reshape(-1))


def _spec(thing: Any, kind: Kind) -> Spec:
    words: dict[str, Any] = {
        "stride": compact(tuple(thing.stride)),
        "padding": thing.padding,
        "with_bias": bool(thing.with_bias),
        "data_format": "channels_last" if thing.data_format in _LAST else thing.data_format,
    }
    if kind.name.endswith("Transpose"):
        shape = thing.output_shape
        words["output_shape"] = None if shape is None else compact(tuple(shape))
    else:
        words["rate"] = compact(tuple(thing.kernel_dilation))
        words["feature_group_count"] = thing.feature_group_count
    return _FORMS[kind.name](thing.output_channels, compact(tuple(thing.kernel_shape)), **words)


def _masked(thing: Any, kernel: Array | None) -> Array | None:
    if thing.mask is None:
        return kernel
    if kernel is None:
        hint = "give its parameters beside it: (module, params)"
        raise refuse(thing, "has a mask, which is part of its kernel", hint)
    product: Array = (kernel * as_numpy(thing.mask, "mask")).astype(kernel.dtype)
    return product
