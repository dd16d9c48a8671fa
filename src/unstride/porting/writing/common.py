"""A network in steps that a framework has: each convolution in the target's words, what surrounds it spelled out.

The result is a graph again, so that it can be computed here and compared with the network it was made from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ...dialects.refusal import Composition
from ...dialects.spec import Spec
from ...errors import Reason, UnstrideError
from ...network.evaluate import compute
from ...network.graph import Graph, Node
from ...network.operations import Convolution, Features, Merge, Opaque, Operation, Pad, Pool
from ...network.sizes import Sizes, propagate, shapes
from ...network.stored import Stored
from ..everywhere import Sayable, everywhere
from ..weights import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

SINGLE = "float32"
MOST_GROUPS = 64
"""most calls that one grouped convolution is split into"""

Holds = Callable[[Features], bool]
"""whether a step is what the source does, for these features of its input"""


@dataclass(frozen=True)
class Part(Operation):
    """Some of the channels."""

    kind = "part"

    start: int
    stop: int

    def output(self, *given: Features) -> Features:
        return Features(self.stop - self.start, given[0].size)


@compute.register
def _(operation: Part, x: Any) -> Any:
    return x[:, operation.start : operation.stop]


@dataclass(frozen=True, slots=True)
class Refused:
    """A step that the target cannot say."""

    node: str
    why: str


@dataclass(frozen=True)
class Lowered:
    """A network in a target's own steps."""

    source: Graph
    graph: Graph
    """the same network, made of what the target has"""
    layers: Mapping[str, str]
    """node with weights -> the name of the source's layer"""
    features: Mapping[str, Features]
    """of every value of ``graph``, at the size it was made for"""
    sizes: Sizes
    """that size"""
    holds: Mapping[str, Holds]
    """source node -> whether what was made of it is exact; all others always are"""

    def exact(self, sizes: Sizes) -> bool:
        """Whether the network takes inputs of these sizes and ``graph`` is exactly the same there."""
        try:
            found = propagate(self.source, sizes)
        except UnstrideError:  # lengths that the source fixes
            return False
        if found.misfits:
            return False
        return all(same(found.features[self.source.by_name[name].inputs[0]]) for name, same in self.holds.items())


@dataclass(frozen=True, slots=True)
class Lowering:
    """What is made of one node: its last step bears the node's own name."""

    nodes: tuple[Node, ...]
    layers: Mapping[str, str]
    holds: Holds | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What has to be known of a framework to write a network in its steps."""

    dialect: str
    has: Callable[[Operation, int], str | None]
    """why it has no such step for that many spatial axes; None where it has"""
    pools: Callable[[Pool], bool]
    """whether it has the pooling as it is, at every size"""
    accept: Callable[[Spec], bool] = lambda spec: not spec.functional
    """whether the specs of the dialect may be used; a network is made of those that hold their weights"""


class CannotRunError(Exception):
    """What a runtime that is installed here lacks to run a model that is sound."""


def element_type(graph: Graph) -> str:
    """The floating-point type of most of the network's arrays; single precision where it has none."""
    found = Counter(each.dtype for node in graph.nodes for each in node.operation.weights.values())
    kinds = [dtype for dtype, _ in found.most_common() if dtype in ("float16", SINGLE, "float64")]
    return kinds[0] if kinds else SINGLE


def lower(graph: Graph, target: Target, sizes: Sizes) -> Lowered | tuple[Refused, ...]:
    """The network in the target's steps, exact at ``sizes`` and as many others as can be; or all that it cannot say.

    Raises UnstrideError where the network does not take these sizes.
    """
    refused = tuple(
        Refused(node.name, f"{node.operation.name}: {node.operation.why}")
        for node in graph.nodes
        if isinstance(node.operation, Opaque)
    )
    if refused:
        return refused
    features = shapes(graph, sizes)
    made: list[Lowering] = []
    for node in graph.nodes:
        given = features[node.inputs[0]]
        try:
            made.append(_lowered(node, given, target))
        except UnstrideError as error:
            refused += (Refused(node.name, _without_code(error)),)
    if refused:
        return refused
    nodes = tuple(each for lowering in made for each in lowering.nodes)
    layers = {name: layer for lowering in made for name, layer in lowering.layers.items()}
    holds = {node.name: each.holds for node, each in zip(graph.nodes, made, strict=True) if each.holds is not None}
    lowered = replace(graph, nodes=nodes)
    return Lowered(graph, lowered, layers, shapes(lowered, sizes), sizes, holds)


def _without_code(error: UnstrideError) -> str:
    return error.rule if error.hint is None else f"{error.rule}; {error.hint}"


def _lowered(node: Node, given: Features, target: Target) -> Lowering:
    operation = node.operation
    rank = len(given.size)
    if isinstance(operation, Convolution):
        return _convolution(node, operation, given, target)
    if isinstance(operation, Pool):
        return _pool(node, operation, given, target)
    if (why := target.has(operation, rank)) is not None:
        raise UnstrideError(Reason.UNSUPPORTED, why, argument="operation", value=operation.kind)
    weighed = {node.name: node.name} if operation.weights else {}
    return Lowering((node,), weighed)


# --- pooling --------------------------------------------------------------------------------------------------


def _pool(node: Node, pool: Pool, given: Features, target: Target) -> Lowering:
    settled = pool if target.pools(pool) else with_margins(pool, given.size)
    if (why := target.has(settled, len(given.size))) is not None:
        raise UnstrideError(Reason.UNSUPPORTED, why, argument="operation", value=pool.kind)
    holds = None if settled is pool else partial(_pools_alike, pool, settled)
    return Lowering((replace(node, operation=settled),), {}, holds)


def with_margins(pool: Pool, size: tuple[int, ...]) -> Pool:
    """The pooling with the margins that it has at one size, written as numbers."""
    axes = pool.axes(size)
    if pool.ceil and pool.reduce == "average" and pool.counts_padding:
        stated = ((0, 0),) * len(axes) if isinstance(pool.padding, str) else pool.padding
        if any(axis.after > after for axis, (_, after) in zip(axes, stated, strict=True)):
            rule = "an average whose last window runs past the margin, which it does not count"
            raise UnstrideError(Reason.UNSUPPORTED, rule, argument="ceil", value=pool.ceil)
    return replace(pool, padding=tuple((axis.before, max(axis.after, 0)) for axis in axes), ceil=False)


def _pools_alike(pool: Pool, settled: Pool, given: Features) -> bool:
    try:
        wanted, found = pool.axes(given.size), settled.axes(given.size)
    except UnstrideError:
        return False
    ends = [(max(axis.after, 0), max(other.after, 0)) for axis, other in zip(wanted, found, strict=True)]
    counted = not pool.counts_padding or all(end == other for end, other in ends)
    return wanted == found and counted


# --- convolutions ---------------------------------------------------------------------------------------------


def _convolution(node: Node, operation: Convolution, given: Features, target: Target) -> Lowering:
    shape = operation.kernel.shape
    spec = operation.spec
    found = everywhere(spec, shape, given.channels, target.dialect, given.size, accept=target.accept)
    written = found.composition
    if written is None:
        none = ((0, 0),) * len(given.size)
        written = Composition(found.spec, found.layer, none, none)
    if written.add_bias:
        raise UnstrideError(Reason.UNSUPPORTED, "its layers take no bias", argument="to", value=target.dialect)
    if written.split > MOST_GROUPS:
        rule = (
            f"{target.dialect} has no such layer with groups, and {written.split} layers beside each other are too many"
        )
        raise UnstrideError(Reason.UNSUPPORTED, rule, argument="groups", value=written.split)
    nodes, layers = _composed(node, operation, found, written)
    return Lowering(nodes, layers, None if found.everywhere else lambda features: found.holds(features.size))


def _composed(
    node: Node, operation: Convolution, found: Sayable, written: Composition
) -> tuple[tuple[Node, ...], dict[str, str]]:
    """The steps of a composition, in order; and which layers hold the weights."""
    nodes: list[Node] = []
    (value,) = node.inputs
    cropped = any(map(any, written.crop_output))
    if any(map(any, written.pad_input)):
        value = f"{node.name} padded"
        nodes.append(Node(value, Pad(written.pad_input), node.inputs))
    last = f"{node.name} full" if cropped else node.name
    calls = list(_calls(node.name, operation, found, written, last))
    for name, call, part in calls:
        taken = value
        if part is not None:
            taken = f"{name} input"
            nodes.append(Node(taken, part, (value,)))
        nodes.append(Node(name, call, (taken,)))
    if len(calls) > 1:
        nodes.append(Node(last, Merge("concat"), tuple(name for name, _, _ in calls)))
    if cropped:
        nodes.append(Node(node.name, Pad(tuple((-before, -after) for before, after in written.crop_output)), (last,)))
    layers = {name: node.name if len(calls) == 1 else name for name, _, _ in calls}
    return tuple(nodes), layers


def _calls(
    name: str, operation: Convolution, found: Sayable, written: Composition, last: str
) -> Iterator[tuple[str, Convolution, Part | None]]:
    """Every call of the composition with its part of the weights, and the channels that it takes."""
    inner, split = written.layer, written.split
    recipe = Recipe.of(operation.spec, found.layer, written)
    kernel = operation.kernel
    shape = written.spec.kernel_shape(inner)
    for group in range(split):
        one = Stored(shape, kernel.dtype, partial(_kernel, kernel, recipe, group) if kernel.known else None)
        bias = _bias(operation, inner.bias, group, inner.out_channels)
        call = Convolution(written.spec, one, bias)
        if split == 1:
            yield last, call, None
        else:
            channels = inner.in_channels
            yield f"{name} {group + 1}", call, Part(group * channels, (group + 1) * channels)


def _kernel(kernel: Stored, recipe: Recipe, group: int) -> NDArray[Any]:
    import numpy as np

    made = recipe.apply(kernel.array)
    return np.ascontiguousarray(made if recipe.split == 1 else made[group])


def _bias(operation: Convolution, wanted: bool, group: int, channels: int) -> Stored | None:
    """The group's part of the bias; zeros where the source's layer was written with one and given none."""
    if not wanted:
        return None
    bias, dtype = operation.bias, operation.kernel.dtype
    if bias is not None and not bias.known:
        return Stored((channels,), bias.dtype)
    return Stored((channels,), dtype, partial(_some, bias, group, channels, dtype))


def _some(bias: Stored | None, group: int, channels: int, dtype: str) -> NDArray[Any]:
    import numpy as np

    if bias is None:
        return np.zeros(channels, dtype)
    flat: NDArray[Any] = np.asarray(bias.array).reshape(-1)
    return flat[group * channels : (group + 1) * channels]
