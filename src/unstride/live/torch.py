"""PyTorch's modules: ``torch.nn.Conv*d`` and ``ConvTranspose*d``, with what weight norms and the like make of them.

Source: torch/nn/modules/conv.py, torch/nn/utils (torch 2.13).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from importlib import import_module
from typing import Any

from ..dialects import torch as dialect
from ..dialects.arguments import compact
from ..dialects.spec import Source, Spec
from .arrays import as_numpy
from .found import Found
from .kinds import Kind, check_own, refuse, type_name

SEPARATE = False
_FORMS: dict[str, Callable[..., Spec]] = {
    form.__name__: form for form in dialect.FORMS if form.call.startswith("torch.nn.Conv")
}


def read(thing: Any, kind: Kind) -> Found:
    """The module's spec, and its weight and bias as its next call would use them. Raises UnstrideError."""
    if kind.name.startswith("Lazy"):
        rule = "has not seen an input yet, so that its in_channels are unknown"
        raise refuse(thing, rule, "call it once on an input, or give its in_channels")
    check_own(thing, kind, "forward", "_conv_forward", "_output_padding", "__call__")
    hooked = dict(_hooked(thing, hook) for hook in _hooks(thing))
    weight, bias = (_effective(thing, name, hooked) for name in ("weight", "bias"))
    return Found(_spec(thing, kind, weight), as_numpy(weight, "weight"), as_numpy(bias, "bias"))


def _spec(thing: Any, kind: Kind, weight: Any) -> Spec:
    words: dict[str, Any] = {
        "stride": compact(thing.stride),
        "padding": thing.padding if isinstance(thing.padding, str) else compact(thing.padding),
        "dilation": compact(thing.dilation),
        "groups": thing.groups,
        "bias": thing.bias is not None,
        "padding_mode": thing.padding_mode,
        "dtype": None if str(weight.dtype) == "torch.float32" else Source(str(weight.dtype)),
    }
    if thing.transposed:
        words["output_padding"] = compact(thing.output_padding)
    form = _FORMS[kind.name]
    return form(thing.in_channels, thing.out_channels, compact(thing.kernel_size), **words)


def _effective(thing: Any, name: str, hooked: dict[str, Callable[[], Any]]) -> Any:
    """The tensor that the next call uses: parametrised, normalised or pruned as it may be; the module unchanged."""
    parametrised = getattr(thing, "parametrizations", None)
    with import_module("torch").no_grad():
        if parametrised is not None and name in parametrised:
            return deepcopy(parametrised[name])()  # a power iteration changes what it is called on
        return hooked[name]() if name in hooked else getattr(thing, name)


def _hooks(thing: Any) -> tuple[Any, ...]:
    """What runs before a call; UnstrideError where something runs after it."""
    inside = vars(thing)  # PyTorch has no public list of a module's hooks
    if inside["_forward_hooks"]:
        raise refuse(thing, "has a forward hook, which may change its output", "remove the hook first")
    return tuple(inside["_forward_pre_hooks"].values())


def _hooked(thing: Any, hook: Any) -> tuple[str, Callable[[], Any]]:
    """The tensor's name that a pre-hook of ``torch.nn.utils`` computes, and how it does; UnstrideError for others."""
    names = {cls.__name__ for cls in type(hook).__mro__ if cls.__module__.startswith("torch.nn.utils.")}
    if "WeightNorm" in names:
        return hook.name, lambda: hook.compute_weight(thing)
    if "BasePruningMethod" in names:
        return vars(hook)["_tensor_name"], lambda: hook.apply_mask(thing)
    if "SpectralNorm" in names and not thing.training:
        return hook.name, lambda: hook.compute_weight(thing, do_power_iteration=False)
    if "SpectralNorm" in names:
        raise refuse(thing, "has a spectral norm in training, which every call changes", "use eval() first")
    hint = "remove the hook first"
    raise refuse(thing, f"has a pre-hook ({type_name(hook)}), which may change its input or its weights", hint)
