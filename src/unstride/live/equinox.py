"""Equinox's modules, of any rank.

Source: equinox/nn/_conv.py (equinox 0.13).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..dialects import equinox as dialect
from ..dialects.arguments import compact
from ..dialects.spec import Source, Spec
from .arrays import as_numpy
from .found import Found
from .kinds import Kind, check_own

SEPARATE = False
_FORMS: dict[str, Callable[..., Spec]] = {form.__name__: form for form in dialect.FORMS}


def read(thing: Any, kind: Kind) -> Found:
    """The module's spec, its weight, and its bias as one number per channel. Raises UnstrideError."""
    check_own(thing, kind, "__call__", "_padding_transpose", "_nonzero_pad", "_circular_pad")
    kernel, bias = as_numpy(thing.weight, "weight"), as_numpy(thing.bias, "bias")
    return Found(_spec(thing, kind), kernel, None if bias is None else bias.reshape(-1))


def _spec(thing: Any, kind: Kind) -> Spec:
    words: dict[str, Any] = {
        "stride": compact(tuple(thing.stride)),
        "padding": _padding(thing.padding),
        "dilation": compact(tuple(thing.dilation)),
        "groups": thing.groups,
        "use_bias": bool(thing.use_bias),
        "padding_mode": thing.padding_mode,
        "dtype": _type(thing.weight),
        "key": Source("key"),
    }
    if hasattr(thing, "output_padding"):
        words["output_padding"] = compact(tuple(thing.output_padding))
    if not kind.name.endswith("d"):
        words["num_spatial_dims"] = thing.num_spatial_dims
    kernel = compact(tuple(thing.kernel_size))
    return _FORMS[kind.name](
        in_channels=thing.in_channels, out_channels=thing.out_channels, kernel_size=kernel, **words
    )


def _padding(padding: str | tuple[tuple[int, int], ...]) -> object:
    """As a person would write it: one number for all sides, one for each axis, or pairs."""
    if isinstance(padding, str):
        return padding
    pairs = tuple(tuple(pair) for pair in padding)
    equal = all(before == after for before, after in pairs)
    return compact(tuple(before for before, _ in pairs)) if equal else pairs


def _type(weight: Any) -> str | None:
    name = str(getattr(weight, "dtype", "float32"))
    return None if name == "float32" else name
