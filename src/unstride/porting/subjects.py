"""What ``verify`` is given, as functions of one array: specs and ports get weights, everything else is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import computation
from ..dialects.code import parse
from ..dialects.spec import Spec
from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, canonical
from ..live import Found, find, is_live
from ..live.calling import Called, called, channels_first, channels_last
from ..network import evaluate
from ..network.graph import Graph
from .verb import Port

Array = NDArray[Any]
DISTINCT = 2_000
"""up to so many weights are all different integers; more are drawn from fewer, so that sums stay exact"""
SMALL = 9
"""the largest magnitude of weights where there are more"""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A kernel in canonical order and in the layout it was given in, and a bias."""

    layer: Layer
    canonical: Array
    given: Array
    bias: Array | None


MODELS = frozenset(
    (".onnx", ".keras", ".pt2", ".json", ".safetensors", ".h5", ".hdf5", ".pt", ".pth", ".tflite", ".pb")
)
"""how a text ends that names a model's file, whether one that is read or one that is refused with the way out"""


def resolved(thing: Any) -> Any:
    """The model in the file that a path or a text names, or the layer that a line of source is; else the thing itself.

    Raises UnstrideError for a file that is not read, and for a text that is neither.
    """
    if not isinstance(thing, (str, PathLike)):
        return thing
    path = Path(fspath(thing))
    if path.suffix.lower() == ".onnx":
        return called(path)
    if isinstance(thing, PathLike) or names_file(thing):
        from ..models.opening import open_model

        return replace(_graph(open_model(path)), name=path.name)
    return parse(thing)


def names_file(text: str) -> bool:
    """Whether a text names a model's file, rather than being a line of source.

    >>> names_file("unet.keras"), names_file("nn.Conv2d(1, 1, 3)")
    (True, False)
    """
    return not set(text) & set("()\n") and (Path(text).suffix.lower() in MODELS or Path(text).exists())


def subjects(
    a: object,
    b: object,
    input_shape: tuple[int, ...],
    kernel_shape: tuple[int, ...] | None,
    weights: tuple[ArrayLike, ArrayLike | None] | None,
    seed: int,
) -> tuple[Called, Called]:
    """Both things as functions; those that need weights get the same ones: the given, or distinct integers.

    Shapes and weights are in the layouts of the first that needs them, ``kernel_shape`` for functions only.
    """
    first = next((each for each in (a, b) if _weightless(each, weights)), None)
    if first is None:
        if weights is None:
            return _subject(a), _subject(b)
        return _built(a, weights), _built(b, weights)
    spec = first if isinstance(first, Spec) else first.spec
    other = b if first is a else a
    found = None if _weightless(other, weights) or weights is not None else _found(other, spec)
    shape = first.input_shape if isinstance(first, Port) else input_shape
    if found is not None and first is b:
        layout = found.spec.data_layout(len(shape))
        shape = layout.to(_batched(spec, layout.rank), shape).merged
    biased = any(isinstance(each, Spec) and each.bias_present for each in (a, b))
    shared = _weights(spec, shape, kernel_shape, weights if found is None else found, seed, biased=biased)
    return _weighed(a, shared), _weighed(b, shared)


def _found(thing: object, spec: Spec) -> Found:
    """A live layer's weights, for a spec that has none; UnstrideError for anything else."""
    found = find(thing) if is_live(thing) else None
    if found is None or found.kernel is None:
        rule = f"are needed: {spec.call} is a source line, which has none, and the other's are not known"
        hint = "give weights=(kernel, bias), on the command line --weights and --bias"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="weights", value=None, hint=hint)
    return found


def _batched(spec: Spec, rank: int) -> DataLayout:
    return spec.data_layout(rank + (2 if spec.batched else 1))


def _weightless(thing: object, weights: object) -> TypeGuard[Spec | Port]:
    """Whether it is a layer whose weights are still to be given; a port may hold those of a live layer."""
    return isinstance(thing, Spec) or (isinstance(thing, Port) and (thing.held is None or weights is not None))


def _weights(
    spec: Spec,
    input_shape: tuple[int, ...],
    kernel_shape: tuple[int, ...] | None,
    given: tuple[ArrayLike, ArrayLike | None] | Found | None,
    seed: int,
    *,
    biased: bool,
) -> Weights:
    """The weights for ``spec``: a live layer's, in that layer's layout, those given in its own, or drawn integers."""
    if isinstance(given, Found) and given.kernel is not None:
        layer = spec.read(input_shape, kernel_shape)
        rank = layer.rank
        plain = given.spec.weight_layout(rank).to(canonical(rank), layer).apply(given.kernel)
        return Weights(layer, plain, canonical(rank).to(spec.weight_layout(rank), layer).apply(plain), given.bias)
    arrays = given if isinstance(given, tuple) else None
    layer = spec.read(input_shape, np.asarray(arrays[0]).shape if arrays else kernel_shape)
    layout = spec.weight_layout(layer.rank)
    if arrays is None:
        kernel = integers(layout.shape(layer), seed)
        bias = integers((layer.out_channels,), seed + 1) if layer.bias or biased else None
    else:
        kernel, bias = np.asarray(arrays[0]), None if arrays[1] is None else np.asarray(arrays[1])
    return Weights(layer, layout.to(canonical(layer.rank), layer).apply(kernel), kernel, bias)


def integers(shape: tuple[int, ...], seed: int, dtype: str = "float32") -> Array:
    """Integers other than 0, all different where there are few enough, in random order."""
    draw, count = np.random.default_rng(seed), prod(shape)
    if count <= DISTINCT:
        values = draw.permutation(np.arange(1, count + 1)) * draw.choice([-1, 1], count)
    else:
        values = draw.integers(1, SMALL + 1, count) * draw.choice([-1, 1], count)
    made: Array = values.reshape(shape).astype(dtype)
    return made


def _weighed(thing: object, weights: Weights) -> Called:
    """A spec or port with the weights; anything else has its own."""
    if _weightless(thing, weights) and isinstance(thing, Port):
        return _port(thing, weights.given, weights.bias)
    if not isinstance(thing, Spec):
        return _subject(thing)
    layer = weights.layer
    layout = thing.weight_layout(layer.rank)
    kernel = canonical(layer.rank).to(layout, layer).apply(weights.canonical)
    bias = weights.bias if thing.bias_present else None
    return Called(lambda x: computation.run(thing, x, kernel, bias), thing.code(), layouts_of(thing))


def layouts_of(spec: Spec) -> Callable[[int], tuple[DataLayout, DataLayout]]:
    """The orders of a spec's input and output axes."""
    return lambda dimensions: (spec.data_layout(dimensions), spec.output_layout(dimensions))


def _port(port: Port, kernel: Array | None = None, bias: Array | None = None) -> Called:
    """What a port builds, of the weights in its source's layout or of those that it holds."""
    made, plan = called(port.build(kernel, bias)), port.plan
    mapped = made.layouts is not None and not plan.spec.batched  # over the batch, by ``called``
    layouts = made.layouts if mapped else lambda _: (plan.data, plan.result)
    return Called(made.function, f"port to {port.dialect}", layouts, made.dtype)


def _built(thing: Any, weights: tuple[ArrayLike, ArrayLike | None]) -> Called:
    """A function of (kernel, bias) that makes a layer, called with them."""
    if isinstance(thing, type) or not callable(thing):
        return _subject(thing)
    return _subject(thing(*weights))


def stated_shape(thing: Any) -> tuple[int | None, ...] | None:
    """The input's shape that the thing itself states, None for what is open; None where it states none."""
    if isinstance(thing, Spec):
        return thing.known_input_shape
    return thing.input_shape if isinstance(thing, Port) else _subject(thing).input_shape


def usual_layout(thing: Any, dimensions: int | None = None) -> DataLayout | None:
    """The order of the input's axes: for so many dimensions, else for those that the thing has; None where untold."""
    if isinstance(thing, Port):
        return thing.plan.data
    of: Callable[[int], DataLayout]
    if isinstance(thing, Spec):
        of, tried = thing.data_layout, (4, 3, 5)
    else:
        ordered = _subject(thing).layouts
        if ordered is None:
            return None
        # what has a rank of its own takes one dimension more than that for an input without a batch axis
        of, ranked = (lambda count: ordered(count)[0]), [count for count in (2, 3, 4) if not ordered(count)[0].batched]
        tried = (ranked[0] + 1 if ranked else 4, 4, 3)
    for count in (dimensions, *tried):
        try:
            if count is not None:
                return of(count)
        except UnstrideError:
            continue
    return None


def _subject(thing: Any) -> Called:
    if isinstance(thing, computation.Prepared):
        return Called(thing, thing.spec.call, layouts_of(thing.spec), input_shape=thing.input_shape)
    if isinstance(thing, Graph):
        return _graph(thing)
    if isinstance(thing, Port):
        return _port(thing)
    return called(thing)


def _graph(graph: Graph) -> Called:
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        rule = f"has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs: one of each is compared"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="layer", value=graph.name)

    def function(x: Array) -> Array:
        return np.asarray(evaluate.run(graph, x))

    ordered = (channels_last if graph.channels_last else channels_first)(graph.rank)
    return Called(function, graph.name, ordered, "float32", _graph_shape(graph))


def _graph_shape(graph: Graph) -> tuple[int | None, ...]:
    (given,) = graph.inputs
    if graph.channels_last:
        return (None, *given.size, given.channels)
    return (None, given.channels, *given.size)
