"""A live model as what computes a tile: fed with windows on which all padding and cropping falls as in the whole.

A model pads at the ends of whatever it is fed. Along each axis a fed window gives every value of the network an offset,
whole index − fed index, and the outputs that are right: those that meet the same elements by the same taps as in the
whole, all of them right. Integers only; nothing is probed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, singledispatch
from hashlib import sha256
from math import lcm
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import Reason, UnstrideError
from ..geometry import Axis
from ..network import Convolution, Features, Node, Operation, Pad, Pool, Resize
from ..network.sizes import shapes
from .tiles import Tiling
from .windows import Region, hull, source

Array = NDArray[Any]
Indices: TypeAlias = NDArray[np.int64]
NOTHING = -(2**62)
"""in place of an index: nothing is met, or a constant"""


class Fed(NamedTuple):
    """One value along one axis, of a network that is fed with a window."""

    offset: int
    """whole index − fed index"""
    right: NDArray[np.bool_]
    """for each element that is made, whether it is the whole's"""

    def holds(self, run: range) -> NDArray[np.bool_]:
        """For each of these indices of the whole, whether it is made, and right."""
        at = np.array(run) - self.offset
        made = (at >= 0) & (at < len(self.right))
        return made & self.right[np.where(made, at, 0)]


@dataclass(frozen=True, slots=True)
class Block:
    """What a model is fed for a region of its output, and where that lies in what it returns."""

    window: Region
    """of every input"""
    place: tuple[slice, ...]


@dataclass(frozen=True)
class Blocks:
    """Tells what to feed a model that the tiling's network describes.

    >>> import numpy as np, unstride
    >>> from unstride.scale.source import network
    >>> spec = unstride.parse("torch.nn.Conv1d(1, 1, 3, stride=2, padding=1, bias=False)")
    >>> blocks = Blocks(Tiling(network(spec, np.ones((1, 1, 3))), {"x": (100,)}, 1, (1, 1)))
    >>> blocks((range(10, 20),))
    Block(window=(range(18, 40),), place=(slice(1, 11, None),))
    """

    tiling: Tiling

    def __post_init__(self) -> None:
        sizes = {given.name: self.tiling.features[given.name].size for given in self.tiling.graph.inputs}
        if len(set(sizes.values())) > 1:
            rule = "a model is fed block by block where all its inputs have one size"
            raise UnstrideError(Reason.SIZE, rule, argument="inputs", value=sizes)

    @cached_property
    def size(self) -> tuple[int, ...]:
        """Spatial size of the inputs."""
        return self.tiling.features[self.tiling.graph.inputs[0].name].size

    @cached_property
    def _known(self) -> dict[tuple[int, range], tuple[range, int]]:
        return {}

    def __call__(self, output: Region) -> Block:
        """What to feed for this region of the output; the whole where no less will do."""
        regions = self.tiling.regions(output)
        needed = hull(regions[given.name] for given in self.tiling.graph.inputs if given.name in regions)
        found = [self._along(axis, run, needed[axis]) for axis, run in enumerate(output)]
        place = (slice(run.start - start, run.stop - start) for run, (_, start) in zip(output, found, strict=True))
        return Block(tuple(window for window, _ in found), tuple(place))

    def _along(self, axis: int, run: range, needed: range) -> tuple[range, int]:
        """The window along one axis, and the whole index of the first output that it gives."""
        if (axis, run) not in self._known:
            self._known[axis, run] = self._grown(axis, run, needed)
        return self._known[axis, run]

    def _grown(self, axis: int, run: range, needed: range) -> tuple[range, int]:
        unit, length = self.units[axis], self.size[axis]
        before = after = 0
        while True:
            start = max(0, needed.start // unit * unit - before)
            # as long as the whole, modulo the unit: so that odd ends are padded and cropped as there
            stop = min(length, needed.stop + (length - needed.stop) % unit + after)
            if (start, stop) == (0, length):
                return range(length), 0
            made = self.fed(axis, range(start, stop))
            right = made.holds(run) if made else np.zeros(len(run), bool)
            if made and right.all():
                return range(start, stop), made.offset
            inner = right[0] and right[-1]
            before += 0 if right[0] and not inner else max(unit, before)
            after += 0 if right[-1] and not inner else max(unit, after)

    @cached_property
    def units(self) -> tuple[int, ...]:
        """Along each axis the least step of a window's start that moves every value by whole elements."""
        found = steps(self.tiling).values()
        return tuple(lcm(*(each[axis].numerator for each in found)) for axis in range(len(self.size)))

    def fed(self, axis: int, window: range) -> Fed | None:
        """The network's output along one axis when it is fed with a window; None where the network does not take it."""
        tiling, names = self.tiling, [given.name for given in self.tiling.graph.inputs]
        size = (*self.size[:axis], len(window), *self.size[axis + 1 :])
        try:
            features = shapes(tiling.graph, dict.fromkeys(names, size))
        except UnstrideError:
            return None
        values = dict.fromkeys(names, Fed(window.start, np.ones(len(window), bool)))
        for node in tiling.nodes:
            step = _Step(node, tiling.given(node), tuple(features[name] for name in node.inputs), axis)
            made = step.made(tuple(values[name] for name in node.inputs), features[node.name].size[axis])
            if made is None or not len(made.right):
                return None
            values[node.name] = made
        return values[tiling.graph.outputs[0]]


@dataclass(frozen=True, slots=True)
class _Step:
    """One operation along one axis, in the whole and in what is fed."""

    node: Node
    whole: tuple[Features, ...]
    fed: tuple[Features, ...]
    axis: int

    def made(self, values: tuple[Fed, ...], length: int) -> Fed | None:
        operation, axis = self.node.operation, self.axis
        repeated = tuple(_repeats(self.whole, number, axis) for number in range(len(values)))
        starts = {value.offset for value, once in zip(values, repeated, strict=True) if not once}
        if len(starts) > 1 or any(value.offset for value, once in zip(values, repeated, strict=True) if once):
            return None
        offset = _offset(operation, self.whole, self.fed, axis, starts.pop())
        if offset is None:
            return None
        own = np.arange(length)
        out = own + offset
        right = np.ones(length, bool)
        # an average that meets the same elements, and none at the same taps, is over as many
        met = zip(
            values, sources(operation, self.whole, axis, out), sources(operation, self.fed, axis, own), strict=True
        )
        for value, wanted, had in met:
            some = had != NOTHING
            same = np.where(some, had + value.offset, NOTHING) == wanted
            right &= (same & (~some | value.right[np.where(some, had, 0)])).all(0)
        return Fed(offset, right)


def steps(tiling: Tiling) -> dict[str, tuple[Fraction, ...]]:
    """For every value the elements of the input for each of its own, along each axis."""
    given = tiling.graph.inputs
    found = {each.name: (Fraction(1),) * len(tiling.features[each.name].size) for each in given}
    for node in tiling.nodes:
        features = tiling.given(node)
        largest = max(range(len(features)), key=lambda at: features[at].size)
        own = enumerate(found[node.inputs[largest]])
        found[node.name] = tuple(step * _step(node.operation, features, axis) for axis, step in own)
    return found


def _repeats(given: tuple[Features, ...], number: int, axis: int) -> bool:
    """Whether a merge repeats the one element that this input has along the axis."""
    return given[number].size[axis] < max(each.size[axis] for each in given)


def _relation(operation: Operation, given: Features, axis: int) -> tuple[Axis, bool] | None:
    """The relation along an axis, and whether its large side is the output; None where there is none."""
    if isinstance(operation, Convolution):
        layer = operation.layer(given)
        return layer.axes[axis], layer.transposed
    return (operation.axes(given.size)[axis], False) if isinstance(operation, Pool) else None


def _step(operation: Operation, given: tuple[Features, ...], axis: int) -> Fraction:
    """Elements of the input for each of the output."""
    if isinstance(operation, Resize):
        return Fraction(1, operation.factor[axis])
    found = _relation(operation, given[0], axis)
    if found is None:
        return Fraction(1)
    relation, transposed = found
    return Fraction(1, relation.stride) if transposed else Fraction(relation.stride)


def _offset(
    operation: Operation, whole: tuple[Features, ...], fed: tuple[Features, ...], axis: int, offset: int
) -> int | None:
    """The output's offset; None where it is no whole element."""
    if isinstance(operation, Resize):
        return offset * operation.factor[axis]
    in_whole, in_fed = _relation(operation, whole[0], axis), _relation(operation, fed[0], axis)
    if in_whole is None or in_fed is None:
        return offset
    (there, transposed), (here, _) = in_whole, in_fed
    # large = stride · small + dilation · tap − before holds for both, the tap being the same
    if transposed:
        return there.stride * offset - there.before + here.before
    moved, rest = divmod(offset + there.before - here.before, there.stride)
    return None if rest else moved


@singledispatch
def sources(operation: Operation, given: tuple[Features, ...], axis: int, out: Indices) -> tuple[Indices, ...]:
    """For each input what the outputs meet along an axis, ``(taps, outputs)``; NOTHING where a tap meets none."""
    del operation
    return tuple(
        np.zeros((1, len(out)), np.int64) if _repeats(given, number, axis) else out[None]
        for number in range(len(given))
    )


@sources.register(Convolution)
@sources.register(Pool)
def _(operation: Convolution | Pool, given: tuple[Features, ...], axis: int, out: Indices) -> tuple[Indices, ...]:
    layer = operation.layer(given[0]) if isinstance(operation, Convolution) else None
    axes = operation.axes(given[0].size) if isinstance(operation, Pool) else operation.layer(given[0]).axes
    relation = axes[axis]
    taps = relation.dilation * np.arange(relation.kernel)[:, None]
    if layer is None or not layer.transposed:
        met = relation.stride * out - relation.before + taps
        return (np.where((met >= 0) & (met < relation.large), met, NOTHING),)
    met, rest = np.divmod(out + relation.before - taps, relation.stride)
    return (np.where((rest == 0) & (met >= 0) & (met < relation.small), met, NOTHING),)


@sources.register
def _(operation: Resize, given: tuple[Features, ...], axis: int, out: Indices) -> tuple[Indices, ...]:
    factor, length = operation.factor[axis], given[0].size[axis]
    if operation.mode == "nearest":
        return ((out // factor)[None],)
    low = (2 * out + 1 - factor) // (2 * factor)
    return (np.clip(np.stack([low, low + 1]), 0, length - 1),)


@sources.register
def _(operation: Pad, given: tuple[Features, ...], axis: int, out: Indices) -> tuple[Indices, ...]:
    length, before = given[0].size[axis], operation.margins[axis][0]
    met = (source(int(at), length, before, operation.mode) for at in out)
    return (np.array([[NOTHING if at is None else at for at in met]], np.int64),)


def function(model: Any) -> Callable[..., Any]:
    """A live model as a function of arrays in its own layout; any other callable as it is.

    A torch module is copied as it is now and put into inference mode, a Keras model called with ``training=False``.
    Raises UnstrideError for what cannot be called.
    """
    classes = {f"{cls.__module__}.{cls.__name__}" for cls in type(model).__mro__}
    # a Keras model whose backend is torch is a torch module as well
    if any(name.startswith("keras.") and name.endswith(".Layer") for name in classes):
        return _Keras(model)
    if "torch.nn.modules.module.Module" in classes:
        from copy import deepcopy

        return _Torch(deepcopy(model).eval())
    if not callable(model):
        rule = "must be a torch module, a Keras model, or a function of NumPy arrays"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="function", value=type(model).__name__)
    found: Callable[..., Any] = model
    return found


@dataclass(frozen=True, slots=True)
class _Torch:
    """A torch module in inference mode."""

    module: Any

    def __call__(self, *arrays: Array) -> Array:
        import torch

        like = next(self.module.parameters(), None)
        with torch.no_grad():
            given = (torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)
            made = self.module(*(each if like is None else each.to(like.device) for each in given))
        return np.asarray(made.cpu().numpy())

    def state(self) -> tuple[str, ...]:
        """All that tells it from another."""
        named = self.module.state_dict()
        arrays = (value.cpu().numpy() for value in named.values())
        return (type(self.module).__qualname__, str(self.module), *named, *map(digest, arrays))


@dataclass(frozen=True, slots=True)
class _Keras:
    """A Keras model at inference."""

    model: Any

    def __call__(self, *arrays: Array) -> Array:
        from keras import backend, ops

        given = arrays[0] if len(arrays) == 1 else list(arrays)
        with _recording_nothing(backend.backend()):
            return np.asarray(ops.convert_to_numpy(self.model(given, training=False)))

    def state(self) -> tuple[str, ...]:
        """All that tells it from another."""
        return (type(self.model).__qualname__, self.model.to_json(), *map(digest, self.model.get_weights()))


def _recording_nothing(backend: str) -> AbstractContextManager[Any]:
    """PyTorch alone records what is computed outside a training step."""
    if backend != "torch":
        return nullcontext()
    import torch

    found: AbstractContextManager[Any] = torch.no_grad()
    return found


def digest(array: Array) -> str:
    """The same text for the same numbers."""
    told = sha256(f"{array.dtype} {array.shape}".encode())
    told.update(np.ascontiguousarray(array).tobytes())
    return told.hexdigest()
