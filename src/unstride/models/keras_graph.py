"""A Keras configuration as a network: models within models opened, every call of a layer a step of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from heapq import heapify, heappop, heappush
from typing import Any, TypeAlias

from ..errors import Reason, UnstrideError
from ..network import Graph, Input, Node, Opaque
from ..network.graph import NODE_LIMIT
from .keras_config import (
    Call,
    Config,
    Described,
    Model,
    Reference,
    broken,
    described,
    leaves,
    model,
    shape_of,
    shown,
    too_many,
)
from .keras_layers import LAYERS
from .keras_legacy import modern
from .keras_operations import OPERATIONS
from .keras_step import Step, UnreadError, Value, resolved, value_of
from .keras_weights import Place, Weights

PATH_LIMIT = 1024
"""characters of a layer's name with those of the models around it"""
_ORDERED = ("Conv", "Depthwise", "Separable", "MaxPool", "Average", "Global", "UpSampling", "ZeroPadding", "Cropping")
"""classes whose data_format says how the model keeps its values"""

Key: TypeAlias = tuple[str, int, int]


def graph_of(whole: Described, weights: Weights, generation: int) -> Graph:
    """The network that a model's description describes. Raises UnstrideError where it is broken."""
    if not whole.is_model:
        rule = "is no model made of layers: what it computes is code"
        hint = "build it as keras.Model(inputs, outputs) or keras.Sequential, and save that"
        raise UnstrideError(Reason.UNSUPPORTED, rule, argument="model", value=whole.kind, hint=hint)
    outer = model(whole, generation)
    stated = next(_orders(whole), None)
    last = _kept_last(outer) if stated is None else stated != "channels_first"
    reader = _Reader(weights, generation, last)
    inputs = [_input(outer, reference, last, reader.rename) for reference in outer.inputs]
    given = [value_of(each.name, shape, last=last) for each, shape in inputs]
    made = reader.inside(outer, given, Place(), "")
    outputs = tuple(reader.ordered(value) for value in made)
    return Graph(outer.name, tuple(each for each, _ in inputs), tuple(reader.nodes), outputs, channels_last=last)


def _orders(whole: Described) -> Iterator[str]:
    """The data formats that the layers state, in their order."""
    for entry in whole.config["layers"]:
        layer = described(entry)
        if layer.is_model:
            yield from _orders(layer)
        order = layer.config.get("data_format")
        if isinstance(order, str) and layer.kind.startswith(_ORDERED) and not layer.custom:
            yield order


def _kept_last(outer: Model) -> bool:
    """Whether the shapes of the inputs say that channels are last: a number of channels is fixed."""
    layers = {layer.name: layer for layer in outer.layers}
    shapes = [_stated_shape(layers[each.layer].config) for each in outer.inputs]
    return not any(shape and len(shape) > 2 and shape[-1] is None and shape[1] is not None for shape in shapes)


def _input(
    outer: Model, reference: Reference, last: bool, rename: Callable[[str], str]
) -> tuple[Input, tuple[int | None, ...]]:
    layer = next(layer for layer in outer.layers if layer.name == reference.layer)
    shape = _stated_shape(layer.config)
    if shape is None:
        hint = "build the model for an input shape before it is saved"
        raise UnstrideError(Reason.SIZE, "its input has no stated shape", argument="input", value=layer.name, hint=hint)
    value = value_of(layer.name, shape, last=last)
    if value.channels is None:
        rule = "an input must have a batch axis and a fixed number of channels"
        raise UnstrideError(Reason.CHANNELS, rule, argument=layer.name, value=shape)
    return Input(rename(layer.name), value.channels, value.size), shape


def _stated_shape(config: Config) -> tuple[int | None, ...] | None:
    return shape_of(config.get("batch_shape", config.get("batch_input_shape")))


class _Reader:
    """Collects the nodes of one network."""

    def __init__(self, weights: Weights, generation: int, last: bool) -> None:
        self._weights = weights
        self._generation = generation
        self._last = last
        self._models: dict[int, tuple[Described, Model]] = {}
        self._names: dict[str, int] = {}
        self._renamed: list[tuple[str, int]] = []
        self._calls = 0
        self.nodes: list[Node] = []

    def rename(self, name: str) -> str:
        """The name, or where it is taken, the name with a number: a layer's second call is ``name#2``."""
        while (count := self._names.get(name, 0)) > 0:
            self._take(name, count)
            name = f"{name}#{count + 1}"
        self._take(name, 0)
        return name

    def _take(self, name: str, count: int) -> None:
        self._renamed.append((name, count))
        self._names[name] = count + 1

    def inside(self, inner: Model, given: list[Value], place: Place, prefix: str) -> list[Value]:
        """The outputs of a model whose inputs are ``given``; its nodes are added."""
        if len(given) != len(inner.inputs):
            raise broken(f"{inner.name} takes {len(inner.inputs)} values, it is called on {len(given)}", inner.name)
        layers = {layer.name: layer for layer in inner.layers}
        places = place.within(inner)
        values: dict[Key, Value] = {_key(each): value for each, value in zip(inner.inputs, given, strict=True)}
        used = _used(inner)
        for name, number in _in_order(inner, set(values)):
            layer, call = modern(layers[name], layers[name].calls[number] if layers[name].calls else Call())
            self._count(layer, prefix)
            made = self._called(layer, call, values, places.get(name, Place()), prefix, used.get((name, number), {0}))
            values |= {(name, number, output): value for output, value in made.items()}
        return [_found(values, reference) for reference in inner.outputs]

    def _count(self, layer: Described, prefix: str) -> None:
        self._calls += 1
        if self._calls > NODE_LIMIT:
            raise too_many(self._calls)
        if len(prefix) + len(layer.name) > PATH_LIMIT:
            rule = f"its layers' names are longer than {PATH_LIMIT} characters"
            raise UnstrideError(Reason.TOO_LARGE, rule, argument="model", value=prefix)

    def _called(
        self, layer: Described, call: Call, values: Mapping[Key, Value], place: Place, prefix: str, used: set[int]
    ) -> dict[int, Value]:
        """The outputs of one call that are used, by their numbers."""
        taken = tuple(resolved(_found(values, each), each, layer.built) for each in call.references)
        known = iter(taken)
        arguments = tuple(next(known) if isinstance(each, Reference) else each for each in call.arguments)
        extra = _extra(call)
        if layer.is_model and extra is None and len(taken) == len(arguments):
            made = self.inside(self._model(layer), list(taken), place, f"{prefix}{layer.name}/")
            if max(used) >= len(made):
                raise broken(f"{layer.name} has {len(made)} outputs", max(used))
            return dict(enumerate(made))
        try:
            if extra is not None:
                raise UnreadError(extra)
            return {0: self._step(layer, arguments, place, prefix)} if used == {0} else _several(used)
        except (UnreadError, UnstrideError) as why:
            return self._opaque(layer, taken, prefix, used, _reason(why))

    def _model(self, layer: Described) -> Model:
        """A nested model, opened once however often it is called."""
        if id(layer) not in self._models:
            self._models[id(layer)] = layer, model(layer, self._generation)
        return self._models[id(layer)][1]

    def _step(self, layer: Described, arguments: tuple[Any, ...], place: Place, prefix: str) -> Value:
        """A layer's one output; its nodes are added once all of them are known."""
        handlers = LAYERS if layer.layered else OPERATIONS
        if layer.custom:
            raise UnreadError("is no layer of Keras: what it computes is code")
        if layer.kind not in handlers:
            raise UnreadError("not among the layers that are understood")

        def weight(index: int, name: str, shape: tuple[int, ...]) -> Any:
            return self._weights.stored(place, index, name, shape)

        self._renamed.clear()
        step = Step(layer, prefix + layer.name, arguments, weight, self.rename, self._last, self._generation)
        try:
            value = handlers[layer.kind](step)
        except (UnreadError, UnstrideError):
            self._names |= reversed(self._renamed)
            raise
        self.nodes.extend(step.made)
        return value

    def _opaque(
        self, layer: Described, taken: tuple[Value, ...], prefix: str, used: set[int], why: str
    ) -> dict[int, Value]:
        found = {}
        for output in sorted(used):
            name = self.rename(prefix + layer.name + (f":{output}" if output else ""))
            self.nodes.append(Node(name, Opaque(layer.kind, why), tuple(value.name for value in taken)))
            found[output] = Value(name, None, (), self._last)
        return found

    def ordered(self, value: Value) -> str:
        """The name of a value that the model gives; one that it keeps in another order than the others is opaque."""
        if not value.size or value.last == self._last:
            return value.name
        name = self.rename(f"{value.name}/permuted")
        self.nodes.append(Node(name, Opaque("Permute", "an output that keeps its channels elsewhere"), (value.name,)))
        return name


def _several(used: set[int]) -> dict[int, Value]:
    raise UnreadError(f"has {max(used) + 1} outputs or more")


def _reason(why: Exception) -> str:
    """What stands against a step, as one line."""
    if not isinstance(why, UnstrideError):
        return str(why)
    if why.reason in (Reason.FILE, Reason.TOO_LARGE) and why.argument in ("weights", "file"):
        raise why
    return f"{why.argument}={shown(why.value)}: {why.rule}" if why.argument else why.rule


def _extra(call: Call) -> str | None:
    """Why a call by keywords is not understood; None where they change nothing."""
    for name, value in call.named.items():
        absent = all(leaf is None for leaf in leaves(value))
        if not absent and not (name == "training" and value is False):
            return f"called with {name}={shown(value) if not isinstance(value, (Reference, list, dict)) else '…'}"
    return None


def _key(reference: Reference) -> Key:
    return reference.layer, reference.call, reference.output


def _found(values: Mapping[Key, Value], reference: Reference) -> Value:
    value = values.get(_key(reference))
    if value is None:
        raise broken(f"{reference.layer} has no output {reference.output}", reference.output)
    return value


def _used(inner: Model) -> dict[tuple[str, int], set[int]]:
    """The outputs of each call that something takes."""
    found: dict[tuple[str, int], set[int]] = {}
    taken = [each for layer in inner.layers for call in layer.calls for each in call.references]
    for each in (*taken, *inner.outputs):
        found.setdefault((each.layer, each.call), set()).add(each.output)
    return found


def _in_order(inner: Model, given: set[Key]) -> list[tuple[str, int]]:
    """All calls but those of the inputs, each after those whose values it takes, else in the file's order."""
    skipped = {(name, call) for name, call, _ in given}
    calls = [
        ((layer.name, number), call)
        for layer in inner.layers
        for number, call in enumerate(layer.calls or (Call(),))
        if (layer.name, number) not in skipped
    ]
    places = {key: place for place, (key, _) in enumerate(calls)}
    needs = [
        {places[each.layer, each.call] for each in call.references if (each.layer, each.call) in places}
        for _, call in calls
    ]
    after: dict[int, list[int]] = {}
    for place, needed in enumerate(needs):
        for each in needed:
            after.setdefault(each, []).append(place)
    waiting = [len(needed) for needed in needs]
    ready = [place for place, count in enumerate(waiting) if not count]
    heapify(ready)
    ordered = []
    while ready:
        place = heappop(ready)
        ordered.append(calls[place][0])
        for each in after.get(place, ()):
            waiting[each] -= 1
            if not waiting[each]:
                heappush(ready, each)
    if len(ordered) < len(calls):
        raise broken("a value depends on itself", inner.name)
    return ordered
