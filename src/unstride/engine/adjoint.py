"""The gradients as contractions over the layer's boxes.

The input's gradient needs nothing of its own: it is ``layer.adjoint`` run on the output's gradient with the same
weights. The operation is bilinear, so all three gradients hold for complex numbers with nothing conjugated.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .blas import (
    blocks,
    channels_last,
    family_views,
    input_view,
    matrices,
    output_slices,
    row_elements,
    shifted,
)
from .boxes import Box
from .plan import DEPTH, TILE, Plan

Array = NDArray[Any]


def weight_gradient(plan: Plan, x: Array, grad_output: Array) -> Array:
    """The gradient of the weights, in the plan's element type: the same boxes, contracted over their outputs."""
    layer, dtype = plan.layer, np.dtype(plan.dtype)
    data, grad = (channels_last(array, layer.groups, dtype) for array in (x, grad_output))
    gradient = np.zeros((layer.small_channels, layer.large_channels // layer.groups, *layer.kernel), dtype)
    views = dict(family_views(layer, gradient))
    with np.errstate(all="ignore"):
        for box in plan.boxes:
            _contract_box(box, data, grad, views[box.family])
    return gradient


def bias_gradient(grad_output: Array, dtype: np.dtype[Any]) -> Array:
    """The gradient of the bias, ``(out_channels,)``: the sum over batch and positions."""
    with np.errstate(all="ignore"):
        return np.asarray(grad_output.sum(axis=(0, *range(2, grad_output.ndim)), dtype=dtype))


def _contract_box(box: Box, data: Array, grad: Array, gradient: Array) -> None:
    """Add the products of one box's inputs with its output gradients to the gradient of its taps."""
    inputs, outputs = input_view(box, data), grad[output_slices(box)]
    channels = data.shape[-1]
    for taps in blocks(box.taps, channels, DEPTH):
        target = gradient[:, *shifted(taps, box)]
        for rows in blocks(outputs.shape[:-2], row_elements(taps, outputs, channels), TILE):
            part, given = inputs[*rows, *taps], outputs[rows]
            count = prod(given.shape[:-2])
            target += np.matmul(matrices(part, count).swapaxes(1, 2), matrices(given, count)).reshape(target.shape)
