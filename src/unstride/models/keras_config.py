"""What a Keras configuration says, checked: layers by name, their calls, and what each call takes.

Nothing is deserialised: a class is a name here, and its arguments are the values of a JSON text.
Source: keras/src/models/functional.py, keras/src/models/sequential.py, keras/src/saving/serialization_lib.py
(Keras 3.15); tf_keras/src/engine/functional.py (2.21).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from reprlib import Repr
from typing import Any, TypeAlias

from ..dialects.spec import Source
from ..errors import Reason, UnstrideError
from ..geometry.layer import ELEMENT_LIMIT
from ..network.graph import NODE_LIMIT

Config: TypeAlias = Mapping[str, Any]
Shape: TypeAlias = tuple[int | None, ...]

NAME_LIMIT = 256
"""characters of a name"""
RANK_LIMIT = 16
"""axes of an array"""

_CONSTANT = "_CONSTANT_VALUE"
"""what Keras 2 writes in place of a layer for a number"""
_MODELS = ("Functional", "Model", "Sequential")
_OWN = ("keras", "tf_keras", "keras.layers", "keras.models", "tf_keras.layers", "tf_keras.models")
_OWN_PACKAGES = ("keras.src.", "tf_keras.src.", "keras.engine.", "keras.api.", "keras.ops")


@dataclass(frozen=True, slots=True)
class Reference:
    """One output of one call of a layer; the shape that the file states for it, where it states one."""

    layer: str
    call: int
    output: int = 0
    shape: Shape | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """What a layer is called on."""

    arguments: tuple[Any, ...] = ()
    """given by position, lists opened: references, and plain JSON values between them"""
    named: Mapping[str, Any] = field(default_factory=dict)

    @property
    def references(self) -> tuple[Reference, ...]:
        """All values that the call takes, those given by name last."""
        found = [*self.arguments, *leaves(list(self.named.values()))]
        return tuple(leaf for leaf in found if isinstance(leaf, Reference))


@dataclass(frozen=True, slots=True)
class Described:
    """One layer, or operation, or model within a model, as its configuration describes it."""

    name: str
    kind: str
    """the name of its class"""
    custom: bool
    """whether the class is none of Keras's own"""
    layered: bool
    """whether it is a layer, not a bare operation: only layers have a place among the stored weights"""
    config: Config
    calls: tuple[Call, ...] = ()
    built: Shape | None = None
    """the shape that it was built for, where there is just one"""
    shared: int | None = None
    """the number that the file gives to an object which it describes several times"""

    @property
    def is_model(self) -> bool:
        """Whether it is a model made of layers."""
        return not self.custom and self.kind in _MODELS and isinstance(self.config.get("layers"), list)


@dataclass(frozen=True, slots=True)
class Model:
    """Layers, the values that the model takes, and those that it gives."""

    name: str
    layers: tuple[Described, ...]
    inputs: tuple[Reference, ...]
    outputs: tuple[Reference, ...]
    stored: tuple[Described, ...]
    """the layers in the order in which their weights are stored"""


def shown(value: Any) -> str:
    """A value of a file in an error's text: cut short, however large it is."""
    return _BRIEF.repr(value)


_BRIEF = Repr()
_BRIEF.maxstring = _BRIEF.maxother = 60


def broken(rule: str, value: object = None) -> UnstrideError:
    """The error for a configuration that no Keras writes."""
    return UnstrideError(Reason.FILE, rule, argument="config", value=Source(shown(value)))


def too_many(count: int) -> UnstrideError:
    """The error for a model of more layers than a graph may have steps."""
    rule = f"has more than {NODE_LIMIT} layers"
    return UnstrideError(Reason.TOO_LARGE, rule, argument="model", value=count)


def leaves(value: Any, *, legacy: bool = False) -> Iterator[Any]:
    """The values in nested lists and dictionaries, the latter by their sorted keys; references recognised."""
    if isinstance(value, list):
        if legacy and len(value) == 3 and isinstance(value[0], str):
            yield _reference(value)
            return
        for entry in value:
            yield from leaves(entry, legacy=legacy)
    elif isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        stated = value.get("config")
        if not isinstance(stated, dict):
            raise broken("a value without a description", value)
        yield _reference(stated.get("keras_history"), stated.get("shape"))
    elif isinstance(value, dict) and "class_name" not in value:
        for key in sorted(value):
            yield from leaves(value[key], legacy=legacy)
    else:
        yield value


def _reference(history: Any, shape: Any = None) -> Reference:
    if not isinstance(history, list) or len(history) != 3 or not isinstance(history[0], str):
        raise broken("a value must be [layer, call, output]", history)
    if any(type(index) is not int or index < 0 for index in history[1:]):
        raise broken("a call and an output are counted from 0", history)
    return Reference(history[0], history[1], history[2], shape_of(shape))


def shape_of(value: Any) -> Shape | None:
    """A shape, None for an open length; None for what is no shape, or the shapes of several values."""
    if not isinstance(value, list) or not 1 <= len(value) <= RANK_LIMIT:
        return None
    if any(length is not None and not _is_length(length) for length in value):
        return None
    return tuple(value)


def _is_length(value: Any) -> bool:
    return type(value) is int and 0 <= value <= ELEMENT_LIMIT


def name_of(value: Any) -> str:
    """A name, if it is a printable text of bounded length; UnstrideError otherwise."""
    if not isinstance(value, str) or not value or len(value) > NAME_LIMIT or not value.isprintable():
        raise broken(f"a name must be a printable text of at most {NAME_LIMIT} characters", value)
    return value


def described(entry: Any) -> Described:
    """One layer's description, without its calls."""
    if not isinstance(entry, dict) or not isinstance(entry.get("config"), dict):
        raise broken("a layer must have a class_name and a config", entry)
    config, module = entry["config"], entry.get("module")
    kind = name_of(entry.get("class_name"))
    name = name_of(entry.get("name", config.get("name", kind.lower())))
    built = entry.get("build_config")
    shared = entry.get("shared_object_id")
    return Described(
        name=name,
        kind=kind,
        custom=_is_custom(kind, module),
        layered=not (isinstance(module, str) and module.startswith(("keras.src.ops", "keras.ops"))),
        config=config,
        built=shape_of(built.get("input_shape")) if isinstance(built, dict) else None,
        shared=shared if type(shared) is int else None,
    )


def _is_custom(kind: str, module: Any) -> bool:
    """Whether the class is not Keras's own; files without modules mark others' classes by their package."""
    if module is None:
        return ">" in kind
    return not isinstance(module, str) or not (module in _OWN or module.startswith(_OWN_PACKAGES))


def model(whole: Described, generation: int) -> Model:
    """The model that a description describes; Keras 2 and 3 count the calls of a nested model differently."""
    entries = whole.config.get("layers")
    if not isinstance(entries, list) or not entries:
        raise broken("a model must have a list of layers", entries)
    if len(entries) > NODE_LIMIT:
        raise too_many(len(entries))
    if whole.kind == "Sequential":
        return _sequence(whole, [described(entry) for entry in entries])
    layers = [replace(each, calls=_calls(entry)) for each, entry in zip(map(described, entries), entries, strict=True)]
    by_name = {layer.name: layer for layer in layers}
    if len(by_name) < len(layers):
        raise broken("two layers have one name", whole.name)

    def counted(reference: Reference, *, outside: bool) -> Reference:
        layer = by_name.get(reference.layer)
        if layer is None:
            raise broken("a value of a layer that is not there", reference.layer)
        call = reference.call - _first_call(layer, generation, outside=outside)
        if not 0 <= call < max(1, len(layer.calls)):
            rule = f"a value of call {reference.call} of {layer.name}, which is called {len(layer.calls)} times"
            raise broken(rule, reference.call)
        return replace(reference, call=call)

    renumbered = tuple(
        replace(layer, calls=tuple(_renumbered(call, counted) for call in layer.calls)) for layer in layers
    )
    inputs, outputs = (
        tuple(counted(leaf, outside=True) for leaf in leaves(whole.config.get(key), legacy=True) if _is_reference(leaf))
        for key in ("input_layers", "output_layers")
    )
    if not inputs or not outputs:
        raise broken("a model must have inputs and outputs", whole.name)
    return Model(whole.name, renumbered, inputs, outputs, renumbered)


def _is_reference(leaf: Any) -> bool:
    if not isinstance(leaf, Reference):
        raise broken("an input or output must be [layer, call, output]", leaf)
    return True


def _first_call(layer: Described, generation: int, *, outside: bool) -> int:
    """The number of a nested model's first call: a model counts its own making as call 0.

    Keras 3 does so where a model names its outputs, and for functional models only.
    """
    if not layer.is_model:
        return 0
    if generation == 3:
        return int(outside and layer.kind != "Sequential")
    first = layer.config["layers"][:1]
    starts = bool(first) and isinstance(first[0], dict) and first[0].get("class_name") == "InputLayer"
    return int(layer.kind != "Sequential" or starts)


def _renumbered(call: Call, counted: Any) -> Call:
    def moved(value: Any) -> Any:
        if isinstance(value, Reference):
            return counted(value, outside=False)
        return [moved(entry) for entry in value] if isinstance(value, list) else value

    return Call(tuple(map(moved, call.arguments)), {name: moved(value) for name, value in call.named.items()})


def _calls(entry: dict[str, Any]) -> tuple[Call, ...]:
    nodes = entry.get("inbound_nodes", [])
    if not isinstance(nodes, list):
        raise broken("inbound_nodes must be a list", nodes)
    return tuple(_call(node) if isinstance(node, dict) else _legacy_call(node) for node in nodes)


def _call(node: dict[str, Any]) -> Call:
    named = node.get("kwargs", {})
    if not isinstance(named, dict) or not isinstance(node.get("args"), list):
        raise broken("a call must have args and kwargs", node)
    return Call(tuple(leaves(node["args"])), {name_of(key): _opened(value) for key, value in named.items()})


def _legacy_call(node: Any) -> Call:
    """Keras 2's form: ``[[layer, call, output, {keywords}], ...]``."""
    if not isinstance(node, list):
        raise broken("a call must be a list of values", node)
    values = [node] if node and isinstance(node[0], str) else node
    taken: list[Any] = []
    named: dict[str, Any] = {}
    for value in values:
        if not isinstance(value, list) or len(value) not in (3, 4):
            raise broken("a value must be [layer, call, output]", value)
        taken.append(value[2] if value[0] == _CONSTANT else _reference(value[:3]))
        given = value[3] if len(value) == 4 else {}
        if not isinstance(given, dict):
            raise broken("keywords must be an object", given)
        named |= {name_of(key): _opened(each, legacy=True) for key, each in given.items()}
    return Call(tuple(taken), named)


def _opened(value: Any, *, legacy: bool = False) -> Any:
    """A keyword's value: itself where it is plain, else the list of the values in it."""
    if not isinstance(value, (list, dict)):
        return value
    found = list(leaves(value, legacy=legacy))
    if not any(isinstance(leaf, Reference) for leaf in found):
        return value
    return found[0] if len(found) == 1 else found


def _sequence(whole: Described, layers: list[Described]) -> Model:
    """A Sequential model as calls in a row, from an input that is its own first layer or is made up for it."""
    stored = layers
    if layers[0].kind == "InputLayer":
        stored = layers[1:]
    else:
        layers = [
            Described("input", "InputLayer", custom=False, layered=True, config=_first_input(whole, layers[0])),
            *layers,
        ]
        while layers[0].name in {layer.name for layer in stored}:
            layers[0] = replace(layers[0], name=f"{layers[0].name}_")
    if len({layer.name for layer in layers}) < len(layers):
        raise broken("two layers have one name", whole.name)
    called = [layers[0]]
    for before, layer in pairwise(layers):
        if layer.kind == "InputLayer":
            raise broken("an input in the middle of a sequence", layer.name)
        called.append(replace(layer, calls=(Call((Reference(before.name, 0),)),)))
    inputs, outputs = (Reference(layers[0].name, 0),), (Reference(layers[-1].name, 0),)
    return Model(whole.name, tuple(called), inputs, outputs, tuple(called[len(called) - len(stored) :]))


def _first_input(whole: Described, first: Described) -> Config:
    """The configuration of the input that a sequence does not write down."""
    while first.is_model and first.config["layers"] and "batch_input_shape" not in first.config:
        inner = described(first.config["layers"][0])
        if inner.kind == "InputLayer":
            return inner.config
        first = inner
    given = (whole.config.get("build_input_shape"), first.config.get("batch_input_shape"), whole.built, first.built)
    return {"batch_shape": next((list(shape) for shape in given if isinstance(shape, (list, tuple))), None)}
