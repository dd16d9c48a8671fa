"""JAX: the input-dilated convolution of ``lax``, jitted, and its vector-Jacobian products.

Source: https://docs.jax.dev/en/latest/_autosummary/jax.lax.conv_general_dilated.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..jobs import Array, Arrays, Job, Runner, to_first, to_last

_SPATIAL = "DHW"


def start(threads: int) -> dict[str, Any]:
    """XLA makes one thread for each CPU of this process's affinity mask; there is nothing else to set."""
    import jax

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", val=True)
    return {"version": jax.__version__, "threads": threads}


def build(job: Job, arrays: Arrays) -> Runner:
    """The job as one compiled function; weights are arguments, or constants of it where they are prepared."""
    import jax

    forward = _forward(job)
    place = to_last if job.last else np.ascontiguousarray
    x, grad = (jax.device_put(place(each)) for each in (arrays.x, arrays.grad))
    weights, bias = jax.device_put(_weights(job, arrays.weights)), jax.device_put(arrays.bias)
    unplace: Callable[[Any], Array] = (lambda y: to_first(np.asarray(y))) if job.last else np.asarray
    if job.direction == "weight_gradient":
        of_weights = jax.jit(lambda data, given: jax.vjp(lambda w: forward(data, w), weights)[1](given)[0])
        return Runner(
            lambda: of_weights(x, grad).block_until_ready(), lambda found: _canonical_weights(job, np.asarray(found))
        )
    if job.direction == "input_gradient":
        of_input = jax.jit(lambda factors, given: jax.vjp(lambda data: forward(data, factors), x)[1](given)[0])
        return Runner(lambda: of_input(weights, grad).block_until_ready(), unplace)
    if job.call == "prepared":
        constant = jax.jit(lambda data: _add(job, forward(data, weights), bias))
        return Runner(lambda: constant(x).block_until_ready(), unplace)
    function = jax.jit(lambda data, factors, addend: _add(job, forward(data, factors), addend))
    return Runner(lambda: function(x, weights, bias).block_until_ready(), unplace)


def _forward(job: Job) -> Callable[[Any, Any], Any]:
    from jax import lax

    layer = job.case.layer
    spatial = _SPATIAL[-layer.rank :]
    data = f"N{spatial}C" if job.last else f"NC{spatial}"
    factors = f"{spatial}IO" if job.last else f"OI{spatial}"
    padding = [(a.span - 1 - a.before, a.span - 1 - a.after) for a in layer.axes]
    return lambda x, weights: lax.conv_general_dilated(
        x,
        weights,
        window_strides=(1,) * layer.rank,
        padding=padding,
        lhs_dilation=layer.stride,
        rhs_dilation=layer.dilation,
        dimension_numbers=(data, factors, data),
        feature_group_count=layer.groups,
    )


def _add(job: Job, y: Any, bias: Any) -> Any:
    return y + (bias if job.last else bias.reshape(-1, *(1,) * job.case.rank))


def _weights(job: Job, weights: Array) -> Array:
    """Flipped, as a convolution correlates: ``(out, in / groups, *taps)`` or ``(*taps, in / groups, out)``."""
    case = job.case
    split = weights.reshape(case.groups, -1, *weights.shape[1:]).swapaxes(1, 2)
    merged = np.flip(split.reshape(case.out_channels, -1, *case.kernel), tuple(range(2, 2 + case.rank)))
    return np.ascontiguousarray(merged.transpose(*range(2, 2 + case.rank), 1, 0) if job.last else merged)


def _canonical_weights(job: Job, found: Array) -> Array:
    """The inverse of ``_weights``."""
    case = job.case
    merged = found.transpose(case.rank + 1, case.rank, *range(case.rank)) if job.last else found
    split = np.flip(merged, tuple(range(2, 2 + case.rank))).reshape(case.groups, -1, *merged.shape[1:])
    return split.swapaxes(1, 2).reshape(case.weights_shape)
