"""unstride: the functional form, the prepared layer, and both gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import __version__
from ...engine import execute
from ..jobs import Array, Arrays, Job, Runner, to_first, to_last


def start(threads: int) -> dict[str, Any]:
    """Nothing to set: ``UNSTRIDE_NUM_THREADS`` was in the environment before this process began."""
    return {
        "version": __version__,
        "threads": threads,
        "engines": [row.name for row in execute.ENGINES if row.available()],
    }


def build(job: Job, arrays: Arrays) -> Runner:
    """The layer called on data in the job's layout; channels-last data is a view with its axis moved, as in ``run``."""
    layer = job.case.layer
    x, grad = (to_first(to_last(each)) if job.last else each for each in (arrays.x, arrays.grad))
    weights = _last_weights(arrays.weights) if job.last else arrays.weights
    bias = arrays.bias
    if job.direction == "weight_gradient":
        return Runner(lambda: execute.weight_gradient(layer, x, grad), np.asarray)
    if job.direction == "input_gradient":
        return _settled(lambda: execute.input_gradient(layer, grad, weights), job)
    if job.call == "functional":
        return _settled(lambda: execute.run(layer, x, weights, bias), job)
    prepared = execute.prepare(layer, weights, bias)
    return _settled(lambda: prepared(x), job)


def _last_weights(weights: Array) -> Array:
    """The same weights in the memory order of channels-last frameworks: taps, output channels, input channels."""
    order = (*range(2, weights.ndim), 1, 0)
    return np.ascontiguousarray(weights.transpose(order)).transpose(np.argsort(order))


def _settled(call: Callable[[], Array], job: Job) -> Runner:
    """The call, with its answer brought into the layout of its input where the engine leaves it in another."""
    first = call()
    if (to_last_view(first) if job.last else first).flags.c_contiguous:
        return Runner(call, np.asarray)
    if job.last:
        return Runner(lambda: to_first(to_last(call())), np.asarray)
    return Runner(lambda: np.ascontiguousarray(call()), np.asarray)


def to_last_view(array: Array) -> Array:
    """Canonical data with its channels moved last, not copied."""
    return np.moveaxis(array, 1, -1)
