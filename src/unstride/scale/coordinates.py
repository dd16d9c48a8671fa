"""Where the outputs of a network lie among its inputs, and labelled arrays whose coordinates follow.

Along an axis the output j lies at the input ``start + step · j``, the centre of what it is made of: a kernel's middle,
a pixel's centre. Where a merge joins values that lie apart, the input's own grid holds if one of them lies on it; else
there is no such place, and the coordinates along the axis are dropped.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import Reason, UnstrideError
from ..network import Convolution, Features, Operation, Pad, Pool, Resize
from .tiles import Tiling

Array = NDArray[Any]


class Places(NamedTuple):
    """Where elements lie: the j-th at the input's index ``start + step · j``."""

    start: Fraction
    step: Fraction

    def inner(self, start: Fraction | int, step: Fraction | int) -> Places:
        """Where elements lie that are at ``start + step · j`` among these."""
        return Places(self.start + self.step * start, self.step * step)


OWN = Places(Fraction(0), Fraction(1))
"""the input's own grid"""


def places(tiling: Tiling) -> tuple[Places | None, ...]:
    """Along each axis where the outputs lie among the first input's elements; None where they lie nowhere.

    >>> import numpy as np, unstride
    >>> from unstride.scale.source import network
    >>> spec = unstride.parse("torch.nn.ConvTranspose1d(1, 1, 4, stride=2, padding=1, bias=False)")
    >>> places(Tiling(network(spec, np.ones((1, 1, 4))), {"x": (8,)}, 1, (1, 1)))
    (Places(start=Fraction(-1, 4), step=Fraction(1, 2)),)
    """
    graph = tiling.graph
    own = [given.name for given in graph.inputs]
    return tuple(_along(tiling, axis, own) for axis in range(len(tiling.result.size)))


def _along(tiling: Tiling, axis: int, own: list[str]) -> Places | None:
    found: dict[str, Places | None] = dict.fromkeys(own, OWN)
    for node in tiling.nodes:
        given = tiling.given(node)
        longest = max(each.size[axis] for each in given)
        met = {found[name] for name, each in zip(node.inputs, given, strict=True) if each.size[axis] == longest}
        taken = met.pop() if len(met) == 1 else (OWN if OWN in met else None)
        found[node.name] = taken and taken.inner(*_inside(node.operation, given[0], axis))
    return found[tiling.graph.outputs[0]]


def _inside(operation: Operation, given: Features, axis: int) -> tuple[Fraction | int, Fraction | int]:
    """Start and step of an operation's outputs among its inputs."""
    if isinstance(operation, Resize):
        factor = operation.factor[axis]
        return Fraction(1 - factor, 2 * factor), Fraction(1, factor)
    if isinstance(operation, Pad):
        return -operation.margins[axis][0], 1
    if not isinstance(operation, Convolution | Pool):
        return 0, 1
    transposed = isinstance(operation, Convolution) and operation.layer(given).transposed
    axes = operation.layer(given).axes if isinstance(operation, Convolution) else operation.axes(given.size)
    # large = stride · small + dilation · tap − before, at the middle tap
    shift, stride = Fraction(axes[axis].span - 1, 2) - axes[axis].before, axes[axis].stride
    return (-shift / stride, Fraction(1, stride)) if transposed else (shift, stride)


def resampled(values: Array, count: int, at: Places) -> Array | None:
    """A coordinate's values at ``count`` places; None where it is not regular, or its type cannot hold them.

    >>> resampled(np.array([10, 20, 30]), 6, Places(Fraction(0), Fraction(1, 2))).tolist()
    [10, 15, 20, 25, 30, 35]
    """
    if at == OWN and count == len(values):
        return values
    if len(values) < 2 or values.dtype.kind not in "iufmM":
        return None
    if values.dtype.kind == "f":
        return _floats(values, count, at)
    whole = values.astype(np.int64) if values.dtype.kind in "iu" else values.view(np.int64)
    steps = np.diff(whole)
    if (steps != steps[0]).any():
        return None
    first, step = int(whole[0]) + int(steps[0]) * at.start, int(steps[0]) * at.step
    exact = first.denominator == 1 == step.denominator
    if exact:
        made = int(first) + int(step) * np.arange(count)
        return made.astype(values.dtype) if values.dtype.kind in "iu" else made.view(values.dtype)
    return float(first) + float(step) * np.arange(count) if values.dtype.kind in "iu" else None


def _floats(values: Array, count: int, at: Places) -> Array | None:
    """The same for floating-point numbers, regular but for their rounding."""
    own = values.astype(np.float64)
    step = (own[-1] - own[0]) / (len(own) - 1)
    room = 4 * float(np.finfo(values.dtype).eps) * np.abs(own).max()
    if not step or not np.abs(own - (own[0] + step * np.arange(len(own)))).max() <= room:
        return None
    return np.asarray((own[0] + step * (float(at.start) + float(at.step) * np.arange(count))).astype(values.dtype))


def labelled(given: Any, made: Any, tiling: Tiling) -> Any:
    """The output as a ``DataArray`` like the input: its dimensions, name and attributes, and coordinates that follow.

    Coordinates of the batch stay. One along a spatial axis is computed anew where it is regular, that of the channels
    dropped; others stay where all their axes keep the input's own grid. Raises UnstrideError without spatial axes.
    """
    import xarray

    if made.ndim != given.ndim:
        rule = "only networks that keep the axes have labelled outputs"
        raise UnstrideError(Reason.RANK, rule, argument="network", value=tiling.graph.name)
    last = tiling.graph.channels_last
    names = [str(name) for name in given.dims]
    spatial = names[1:-1] if last else names[2:]
    at = dict(zip(spatial, places(tiling), strict=True))
    count = dict(zip(names, made.shape, strict=True))
    kept = {names[0], *(name for name in spatial if at[name] == OWN and count[name] == given.sizes[name])}
    coords: dict[Any, Any] = {}
    for name, coordinate in given.coords.items():
        axis = at.get(str(name))
        if set(map(str, coordinate.dims)) <= kept:
            coords[name] = coordinate
        elif coordinate.dims == (name,) and axis is not None:
            values = resampled(coordinate.values, count[str(name)], axis)
            if values is not None:
                coords[name] = (name, values, coordinate.attrs)
    return xarray.DataArray(made, coords, given.dims, name=given.name, attrs=given.attrs)
