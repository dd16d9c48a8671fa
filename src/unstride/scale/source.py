"""What is tiled or streamed, as a network: a layer with its weights, a live layer, a model or a model's file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import ArrayLike

from ..computation import as_array
from ..dialects.spec import Spec
from ..errors import Reason, UnstrideError
from ..geometry import DataLayout
from ..live import Live, is_live, weigh
from ..models.opening import open_model
from ..network import Convolution, Features, Graph, Input, Node, Stored
from ..network.sizes import freed

Source: TypeAlias = Spec | Live | Graph | str | Path
"""a spec, a live layer or model, a network, or the name of a model's file"""


def network(
    source: Any, kernel: ArrayLike | None = None, bias: ArrayLike | None = None, *, inputs: Sequence[Any] | None = None
) -> Graph:
    """The network that ``source`` is, for inputs of any size.

    A spec comes with its ``kernel`` and ``bias``, in its own layouts; a torch model with the shapes of its ``inputs``.
    Raises UnstrideError for what cannot be read.
    """
    if isinstance(source, Graph):
        return source
    if isinstance(source, Spec) or is_live(source):
        return _layer(*weigh(source, kernel, bias))
    for name, array in (("kernel", kernel), ("bias", bias)):
        if array is not None:
            rule = "is for a layer: a model brings its own weights"
            raise UnstrideError(Reason.ARGUMENT, rule, argument=name)
    return freed(open_model(source, inputs=inputs))


def _layer(spec: Spec, kernel: Any, bias: Any) -> Graph:
    """One layer as a network."""
    weights = as_array(kernel, "kernel")
    rank = weights.ndim - 2
    layout = spec.data_layout(rank + 2)
    orders = {DataLayout.first(rank): False, DataLayout.last(rank): True}
    if layout not in orders or spec.output_layout(rank + 2) != layout:
        rule = "the batch must come first, and the channels second or last, in input and output alike"
        raise UnstrideError(Reason.UNSUPPORTED, rule, argument="layout", value=layout.name)
    addend = None if bias is None else Stored.of(as_array(bias, "bias"))
    operation = Convolution(spec, Stored.of(weights), addend)
    given = Input("x", _channels(operation, rank), (None,) * rank)
    return Graph(spec.call, (given,), (Node("y", operation, ("x",)),), ("y",), orders[layout])


def _channels(operation: Convolution, rank: int) -> int:
    """Input channels of a layer: those with which its kernel can be read."""
    shape, groups = operation.kernel.shape, getattr(operation.spec, "groups", None) or 1
    large = (2 * max(shape),) * rank
    refusal: UnstrideError | None = None
    for count in dict.fromkeys(each * times for times in (1, groups) for each in shape):
        try:
            operation.layer(Features(count, large))
        except UnstrideError as error:
            refusal = refusal or error
        else:
            return count
    raise refusal or UnstrideError(Reason.KERNEL, "has no axes", argument="kernel", value=shape)
