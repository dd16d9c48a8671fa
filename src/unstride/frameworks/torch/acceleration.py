"""A model's convolutions computed by the engine, swapped in place and swapped back.

A swapped module keeps its identity, parameters, buffers, hooks and state dict: only its class changes, to a subclass
whose ``forward`` asks the engine. So copies, pickles and checkpoints stay what they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from . import functional, operator, relation
from .arrays import computable
from .relation import Relation


@dataclass(frozen=True, slots=True)
class Swap:
    """One convolution of a model."""

    name: str
    kind: str
    swapped: bool
    why: str = ""
    """where it was left: the reason"""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a model's convolutions."""

    swaps: tuple[Swap, ...]

    def __str__(self) -> str:
        done = sum(each.swapped for each in self.swaps)
        lines = [f"{done} of {len(self.swaps)} convolutions run on unstride's engine"]
        lines += [f"  left: {each.name} ({each.kind}): {each.why}" for each in self.swaps if not each.swapped]
        return "\n".join(lines)


def _computed(x: Tensor, weight: Tensor, bias: Tensor | None, found: Relation | None) -> Tensor | None:
    """The output by the engine; None where the stock module must answer."""
    if found is None or not functional.eligible(x, weight, bias):
        return None
    return operator.applied(x, weight, bias, *found)


class _Transposed:
    """Mixed into a stock class: the same arguments, asked of the engine."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        module: Any = self
        weight, y = module.weight, None
        if isinstance(input, Tensor) and input.ndim == weight.ndim:
            extra = module.output_padding
            if output_size is not None:
                extra = module._output_padding(  # noqa: SLF001 - PyTorch's own rule for the size
                    input,
                    output_size,
                    module.stride,
                    module.padding,
                    module.kernel_size,
                    input.ndim - 2,
                    module.dilation,
                )
            words = (module.stride, module.padding, extra, module.groups, module.dilation)
            y = _computed(input, weight, module.bias, relation.transposed(input.shape, weight.shape, *words))
        return super().forward(input, output_size) if y is None else y  # type: ignore[misc]  # of the stock class mixed in


class _Forward:
    """Likewise."""

    def forward(self, input: Tensor) -> Tensor:
        module: Any = self
        weight, y = module.weight, None
        if isinstance(input, Tensor) and input.ndim == weight.ndim:
            words = (module.stride, module.padding, module.dilation, module.groups)
            y = _computed(input, weight, module.bias, relation.forward(input.shape, weight.shape, *words))
        return super().forward(input) if y is None else y  # type: ignore[misc]  # of the stock class mixed in


class AcceleratedConv1d(_Forward, nn.Conv1d):  # type: ignore[misc]  # torch is not typed here
    """``torch.nn.Conv1d`` on the engine."""


class AcceleratedConv2d(_Forward, nn.Conv2d):  # type: ignore[misc]  # torch is not typed here
    """``torch.nn.Conv2d`` on the engine."""


class AcceleratedConv3d(_Forward, nn.Conv3d):  # type: ignore[misc]  # torch is not typed here
    """``torch.nn.Conv3d`` on the engine."""


class AcceleratedConvTranspose1d(_Transposed, nn.ConvTranspose1d):  # type: ignore[misc]  # torch is not typed here
    """``torch.nn.ConvTranspose1d`` on the engine."""


class AcceleratedConvTranspose2d(_Transposed, nn.ConvTranspose2d):  # type: ignore[misc]  # torch is not typed here
    """``torch.nn.ConvTranspose2d`` on the engine."""


class AcceleratedConvTranspose3d(_Transposed, nn.ConvTranspose3d):  # type: ignore[misc]  # torch is not typed here
    """``torch.nn.ConvTranspose3d`` on the engine."""


SWAPS: dict[type, type] = {
    nn.Conv1d: AcceleratedConv1d,
    nn.Conv2d: AcceleratedConv2d,
    nn.Conv3d: AcceleratedConv3d,
    nn.ConvTranspose1d: AcceleratedConvTranspose1d,
    nn.ConvTranspose2d: AcceleratedConvTranspose2d,
    nn.ConvTranspose3d: AcceleratedConvTranspose3d,
}
"""stock class -> the class that takes its place"""
BACK = {swapped: stock_class for stock_class, swapped in SWAPS.items()}


def accelerate(model: nn.Module) -> Report:
    """Let the engine compute every convolution of the model that it can; ``restore`` undoes it.

    Weights are packed once for inference, and again when anything wrote to them.
    """
    return Report(tuple(_swapped(model)))


def restore(model: nn.Module) -> nn.Module:
    """The model with PyTorch's own convolutions again."""
    for module in model.modules():
        if type(module) in BACK:
            module.__class__ = BACK[type(module)]
    return model


def _swapped(model: nn.Module) -> Iterator[Swap]:
    for name, module in model.named_modules():
        kind = type(module)
        if kind in BACK:
            yield Swap(name, BACK[kind].__name__, swapped=True)
        elif isinstance(module, tuple(SWAPS)):
            why = _refusal(module)
            if not why:
                module.__class__ = SWAPS[kind]
            yield Swap(name, kind.__name__, swapped=not why, why=why)


def _refusal(module: Any) -> str:
    """Why a convolution is left as it is; empty where it is swapped."""
    if type(module) not in SWAPS:
        return "a class of its own, whose forward may differ"
    if isinstance(module, nn.modules.lazy.LazyModuleMixin):
        return "its weights are not made yet"
    if module.padding_mode != "zeros":
        return f"padding_mode={module.padding_mode!r} is not zeros"
    if "forward" in module.__dict__:
        return "its forward was replaced"
    if not computable(module.weight):
        return f"its weights are {module.weight.dtype} on {module.weight.device}"
    return ""
