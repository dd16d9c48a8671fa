"""A program carried out: the same values that its text would make, without any text being run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import singledispatch
from importlib import import_module
from inspect import Parameter, Signature
from types import ModuleType
from typing import Any

from .program import (
    Assign,
    Attribute,
    Call,
    Definition,
    Do,
    Each,
    Expression,
    ForbidGiven,
    Function,
    Given,
    Index,
    InitializeBase,
    Name,
    Path,
    Program,
    Rearranged,
    Return,
    Statement,
    Sum,
)

Names = Mapping[str, Any]


def defined(program: Program) -> dict[str, Any]:
    """What the program defines, by name; its imports are made now."""
    names: dict[str, Any] = {"range": range, **dict(map(_imported, program.imports))}
    for definition in program.definitions:
        names[definition.name] = _definition(definition, names)
    return {definition.name: names[definition.name] for definition in program.definitions}


def _imported(words: str) -> tuple[str, ModuleType]:
    """The name that an import binds, and the module behind it."""
    module, _, name = words.partition(" as ")
    found = import_module(module)
    root = module.partition(".")[0]
    return (name, found) if name else (root, import_module(root))


def _definition(node: Definition, names: Names) -> Any:
    if isinstance(node, Function):
        return _function(node, names)
    base = value(node.base, names)
    methods = {each.name: _function(each, {**names, "super": base}) for each in node.methods}
    return type(node.name, (base,), {**methods, "__doc__": "\n".join(node.doc), "__module__": __name__})


def _function(node: Function, names: Names) -> Callable[..., Any]:
    parameters = [
        Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=Parameter.empty if name == full else None)
        for name, full in zip(node.bare, node.parameters, strict=True)
    ]
    signature = Signature(parameters)

    def function(*positional: Any, **keywords: Any) -> Any:
        bound = signature.bind(*positional, **keywords)
        bound.apply_defaults()
        return executed(node.body, {**names, **bound.arguments})

    function.__name__, function.__doc__ = node.name, "\n".join(node.doc)
    function.__signature__ = signature  # type: ignore[attr-defined]  # read by inspect.signature
    return function


def executed(body: Iterable[Statement], names: dict[str, Any]) -> Any:
    """What the statements return; ``names`` gets what they assign."""
    for node in body:
        match node:
            case Return(returned):
                return value(returned, names)
            case Do(done):
                value(done, names)
            case Assign(target, assigned):
                _assign(target, value(assigned, names), names)
            case ForbidGiven(name, rule):
                if names[name] is not None:
                    raise ValueError(rule)
            case InitializeBase():
                names["super"].__init__(names["self"])
    return None


def _assign(target: Name | Attribute | Index, assigned: Any, names: dict[str, Any]) -> None:
    match target:
        case Name(text):
            names[text] = assigned
        case Attribute(owner, name):
            setattr(value(owner, names), name, assigned)
        case Index(array, place):
            value(array, names)[place] = assigned


@singledispatch
def value(node: Expression, names: Names) -> Any:
    """The expression's value."""
    if isinstance(node, (tuple, list)):
        return type(node)(value(each, names) for each in node)
    if isinstance(node, dict):
        return {key: value(each, names) for key, each in node.items()}
    return node


@value.register
def _(node: Name, names: Names) -> Any:
    return names[node.text]


@value.register
def _(node: Path, names: Names) -> Any:
    return _resolved(node.text, names)


@value.register
def _(node: Attribute, names: Names) -> Any:
    return getattr(value(node.value, names), node.name)


@value.register
def _(node: Call, names: Names) -> Any:
    given = {name: value(each, names) for name, each in node.keywords.items()}
    return value(node.function, names)(*(value(each, names) for each in node.positional), **given)


@value.register
def _(node: Index, names: Names) -> Any:
    return value(node.value, names)[node.place]


@value.register
def _(node: Sum, names: Names) -> Any:
    return value(node.left, names) + value(node.right, names)


@value.register
def _(node: Given, names: Names) -> Any:
    return lambda given: value(node.value, {**names, node.name: given})


@value.register
def _(node: Rearranged, names: Names) -> Any:
    return node.by.apply(names[node.name])


@value.register
def _(node: Each, names: Names) -> Any:
    drawn = zip(*(value(each, names) for each in node.sequences), strict=True)
    return [value(node.element, {**names, **dict(zip(node.names, each, strict=True))}) for each in drawn]


def _resolved(path: str, names: Names) -> Any:
    """What a dotted path names, its packages imported on the way."""
    first, *rest = path.split(".")
    found = names[first]
    for part in rest:
        if isinstance(found, ModuleType) and not hasattr(found, part):
            import_module(f"{found.__name__}.{part}")
        found = getattr(found, part)
    return found
