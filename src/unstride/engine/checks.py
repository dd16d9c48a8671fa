"""What arrays must be before a layer runs on them: shapes, and a size that fits in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import Reason, UnstrideError
from ..geometry import Layer
from .memory import check_bytes
from .plan import Footprint

Array = NDArray[Any]


def check_data(array: Array, channels: int, size: tuple[int, ...], argument: str) -> None:
    """Raise UnstrideError unless the array is ``(batch, channels, *size)``."""
    name = f"{argument}.shape"
    if array.ndim != len(size) + 2:
        rule = f"needs {len(size) + 2} dimensions: batch, channels and {len(size)} spatial"
        raise UnstrideError(Reason.RANK, rule, argument=name, value=array.shape)
    if array.shape[1] != channels:
        raise UnstrideError(
            Reason.CHANNELS, f"the layer has {channels} channels here", argument=name, value=array.shape
        )
    if array.shape[2:] != size:
        raise UnstrideError(Reason.SIZE, f"the layer's spatial size is {size} here", argument=name, value=array.shape)


def check_input(layer: Layer, x: Array) -> None:
    """Raise UnstrideError unless ``x`` is the layer's input."""
    check_data(x, layer.in_channels, layer.input_size, "x")


def check_grad_output(layer: Layer, grad_output: Array) -> None:
    """Raise UnstrideError unless ``grad_output`` has the shape of the layer's output."""
    check_data(grad_output, layer.out_channels, layer.output_size, "grad_output")


def check_weights(layer: Layer, weights: Array) -> None:
    """Raise UnstrideError unless the weights are ``(small channels, large channels / groups, *taps)``."""
    wanted = (layer.small_channels, layer.large_channels // layer.groups, *layer.kernel)
    if weights.shape != wanted:
        rule = f"must have shape {wanted}: small channels, large channels / groups, taps"
        raise UnstrideError(Reason.KERNEL, rule, argument="weights.shape", value=weights.shape)


def check_bias(layer: Layer, bias: Array | None) -> None:
    """Raise UnstrideError unless the bias is absent or one number for each output channel."""
    if bias is not None and bias.shape != (layer.out_channels,):
        rule = f"must have shape ({layer.out_channels},): one number for each output channel"
        raise UnstrideError(Reason.CHANNELS, rule, argument="bias.shape", value=bias.shape)


def residual(layer: Layer, batch: int, given: ArrayLike | None) -> Array | None:
    """The residual as an array; UnstrideError unless it is absent or has the output's shape."""
    if given is None:
        return None
    array, wanted = np.asarray(given), (batch, layer.out_channels, *layer.output_size)
    if array.shape != wanted:
        raise UnstrideError(
            Reason.SIZE, f"must have the output's shape, {wanted}", argument="residual.shape", value=array.shape
        )
    return array


def check_batch(x: Array, grad_output: Array) -> None:
    """Raise UnstrideError unless both have the same batch size."""
    if len(x) != len(grad_output):
        rule = f"must have the batch size of x, {len(x)}"
        raise UnstrideError(Reason.SIZE, rule, argument="grad_output.shape", value=grad_output.shape)


def check_memory(taken: Footprint, held: int = 0) -> None:
    """Raise UnstrideError where the output, the workspace and ``held`` bytes more do not fit; allocates nothing."""
    what = f"an output of size {taken.layer.output_size} in {taken.dtype}, with its workspace,"
    check_bytes(taken.bytes + held, what)
