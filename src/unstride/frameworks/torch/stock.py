"""A layer in PyTorch's own calls: where the engine does not compute, and where a model is exported."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor
from torch.nn import functional

from .relation import Relation, fulls, spans

_CONV = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}


def run(x: Tensor, weight: Tensor, bias: Tensor | None, found: Relation) -> Tensor:
    """The layer's output: PyTorch's convolution, with a crop or zeros around it where it has no argument for them."""
    return _transposed(x, weight, bias, found) if found.transposed else _forward(x, weight, bias, found)


def _transposed(x: Tensor, weight: Tensor, bias: Tensor | None, found: Relation) -> Tensor:
    rank = weight.ndim - 2
    full = fulls(x.shape[2:], found.stride, spans(weight.shape[2:], found.dilation))
    after = [f - b - n for f, b, n in zip(full, found.before, found.size, strict=True)]
    extra = [b - a for b, a in zip(found.before, after, strict=True)]
    said = all(
        b >= 0 and 0 <= e < max(s, d)
        for b, e, s, d in zip(found.before, extra, found.stride, found.dilation, strict=True)
    )
    call = _TRANSPOSED[rank]
    if said:
        return call(x, weight, bias, found.stride, found.before, extra, found.groups, found.dilation)
    y = call(x, weight, None, found.stride, 0, 0, found.groups, found.dilation)
    y = functional.pad(y, _margins([-b for b in found.before], [-a for a in after]))
    return y if bias is None else y + bias.reshape(-1, *[1] * rank)


def _forward(x: Tensor, weight: Tensor, bias: Tensor | None, found: Relation) -> Tensor:
    rank = weight.ndim - 2
    full = fulls(found.size, found.stride, spans(weight.shape[2:], found.dilation))
    after = [f - b - n for f, b, n in zip(full, found.before, x.shape[2:], strict=True)]
    exact = all(b >= 0 and 0 <= b - a < s for b, a, s in zip(found.before, after, found.stride, strict=True))
    if exact:
        return _CONV[rank](x, weight, bias, found.stride, found.before, found.dilation, found.groups)
    x = functional.pad(x, _margins(found.before, after))
    return _CONV[rank](x, weight, bias, found.stride, 0, found.dilation, found.groups)


def _margins(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """As ``torch.nn.functional.pad`` takes them: the last axis first."""
    return list(chain(*reversed(list(zip(before, after, strict=True)))))


def exporting() -> bool:
    """Whether a model is written out, and must not hold this library's operators."""
    return bool(torch.compiler.is_exporting()) or bool(torch.onnx.is_in_onnx_export())
