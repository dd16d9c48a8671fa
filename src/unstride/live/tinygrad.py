"""tinygrad's layers; their channels are those of the weight.

Source: tinygrad/nn/__init__.py (tinygrad 0.14).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..dialects.arguments import compact
from ..dialects.spec import Spec
from ..dialects.tinygrad import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from .arrays import as_numpy
from .found import Found
from .kinds import Kind, check_own

SEPARATE = False


def read(thing: Any, kind: Kind) -> Found:
    """The layer's spec, and its weight and bias. Raises UnstrideError."""
    check_own(thing, kind, "__call__")
    first, second = thing.weight.shape[:2]
    words: dict[str, Any] = {
        "stride": _frozen(thing.stride),
        "padding": _frozen(thing.padding),
        "dilation": _frozen(thing.dilation),
        "groups": thing.groups,
        "bias": thing.bias is not None,
    }
    taps = tuple(thing.kernel_size)
    form: Callable[..., Spec] = Conv1d if len(taps) == 1 else Conv2d
    channels = second * thing.groups, first
    if kind.name == "ConvTranspose2d":
        form = ConvTranspose1d if len(taps) == 1 else ConvTranspose2d
        channels = first, second * thing.groups
        words["output_padding"] = _frozen(thing.output_padding)
    spec = form(*channels, compact(taps) if len(taps) < 3 else taps, **words)
    return Found(spec, as_numpy(thing.weight, "weight"), as_numpy(thing.bias, "bias"))


def _frozen(value: Any) -> Any:
    return tuple(_frozen(entry) for entry in value) if isinstance(value, (tuple, list)) else value
