"""The layer in ``keras.ops``, or on PyTorch in the engine: the same sums everywhere.

TensorFlow's kernels on CPU know neither groups nor dilation nor channels first everywhere, and JAX's refuse nothing;
so what a backend is asked for is only what all have: a transposed convolution with a stride, channels last.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import Any

import keras
from keras import ops

from .windows import Window

Ints = Sequence[int]


def run(
    x: Any, kernel: Any, bias: Any, stride: Ints, dilation: Ints, groups: int, windows: Sequence[Window], *, last: bool
) -> Any:
    """The output; ``kernel`` is ``(*taps, out / groups, in)``, ``bias`` one number per output channel or None."""
    if keras.backend.backend() == "torch":
        return _run_torch(x, kernel, bias, stride, dilation, groups, windows, last=last)
    x = x if last else ops.moveaxis(x, 1, -1)
    y = cut(stamp(x, kernel, tuple(stride), tuple(dilation), groups), windows)
    y = y if bias is None else ops.add(y, bias)
    return y if last else ops.moveaxis(y, -1, 1)


def _run_torch(
    x: Any, kernel: Any, bias: Any, stride: Ints, dilation: Ints, groups: int, windows: Sequence[Window], *, last: bool
) -> Any:
    """On PyTorch: its operator of the engine, or PyTorch's own calls where the engine does not compute."""
    from ..torch import functional, operator, stock  # only this backend needs PyTorch
    from ..torch.relation import Relation

    before, size = [each.before for each in windows], [each.size for each in windows]
    found = Relation(list(stride), list(dilation), before, size, groups, transposed=True)
    weight = kernel.permute(-1, -2, *range(kernel.ndim - 2))
    x = x.movedim(-1, 1) if last else x
    if functional.eligible(x, weight, bias):
        y = operator.applied(x, weight, bias, *found)
    else:
        y = stock.run(x, weight, bias, found)
    return y.movedim(1, -1) if last else y


def cut(y: Any, windows: Sequence[Window]) -> Any:
    """The windows of the full extent, zeros where no stamp reaches."""
    margins = [each.margins for each in windows]
    if any(map(any, margins)):
        y = ops.pad(y, [(0, 0), *margins, (0, 0)])
    return y[:, *(slice(w.before + w.margins[0], w.before + w.margins[0] + w.size) for w in windows), :]


def stamp(x: Any, kernel: Any, stride: tuple[int, ...], dilation: tuple[int, ...], groups: int) -> Any:
    """The full extent and perhaps some zeros behind it; channels last."""
    for axis, step in enumerate(dilation):
        if step > 1:
            return _spread(x, kernel, stride, dilation, groups, axis)
    if groups == 1:
        return ops.conv_transpose(x, kernel, strides=stride, padding="valid", data_format="channels_last")
    parts = zip(ops.split(x, groups, -1), ops.split(kernel, groups, -1), strict=True)
    return ops.concatenate([stamp(part, weight, stride, dilation, 1) for part, weight in parts], -1)


def _spread(x: Any, kernel: Any, stride: tuple[int, ...], dilation: tuple[int, ...], groups: int, axis: int) -> Any:
    """The full extent, one axis' dilation d taken apart: no tap is ever a zero.

    With g = gcd(stride s, d), the small index i = (d/g)·a + r gives s·i + d·tap = d·((s/g)·a + tap) + s·r. So the
    elements of one remainder r are a transposed convolution of stride s/g without dilation, whose output lies d apart
    from s·r on. Different remainders never meet: they are the batch of one call.
    """
    step, dilated = stride[axis], dilation[axis]
    parts, steps = dilated // gcd(step, dilated), step // gcd(step, dilated)
    inner = (*stride[:axis], steps, *stride[axis + 1 :]), (*dilation[:axis], 1, *dilation[axis + 1 :])
    batch, size = ops.shape(x)[0], ops.shape(x)[axis + 1]
    y = stamp(_parted(x, axis + 1, parts), kernel, *inner, groups)
    y = ops.reshape(y, (parts, batch, *ops.shape(y)[1:]))
    y = _placed([y[r] for r in range(parts)], axis + 1, step, dilated)
    full = (size - 1) * step + dilated * (kernel.shape[axis] - 1) + 1
    return y[(slice(None),) * (axis + 1) + (slice(0, full),)]


def _parted(x: Any, axis: int, parts: int) -> Any:
    """The elements of every remainder along the axis, one remainder after the other in the batch."""
    if parts == 1:
        return x
    shape = ops.shape(x)
    length = (shape[axis] + parts - 1) // parts
    x = ops.pad(x, [(0, parts - 1 if each == axis else 0) for each in range(len(shape))])
    x = x[(slice(None),) * axis + (slice(0, length * parts),)]
    x = ops.reshape(x, (*shape[:axis], length, parts, *shape[axis + 1 :]))
    return ops.reshape(ops.moveaxis(x, axis + 1, 0), (parts * shape[0], *shape[1:axis], length, *shape[axis + 1 :]))


def _placed(arrays: list[Any], axis: int, step: int, dilated: int) -> Any:
    """Array r's elements ``dilated`` apart from ``step``·r on, zeros between."""
    shifts = [divmod(step * r, dilated) for r in range(len(arrays))]
    longest = max(shift for shift, _ in shifts)
    rank = len(arrays[0].shape)
    columns: dict[int, Any] = {}
    for array, (shift, place) in zip(arrays, shifts, strict=True):
        margins = [(shift, longest - shift) if each == axis else (0, 0) for each in range(rank)]
        columns[place] = ops.pad(array, margins) if longest else array
    empty = ops.zeros_like(columns[0])
    y = ops.stack([columns.get(place, empty) for place in range(dilated)], axis + 1)
    shape = ops.shape(columns[0])
    return ops.reshape(y, (*shape[:axis], shape[axis] * dilated, *shape[axis + 1 :]))
