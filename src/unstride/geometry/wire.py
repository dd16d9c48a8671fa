"""The JSON form of a layer, versioned, both ways."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ..errors import Reason, UnstrideError
from .axis import Axis
from .layer import Layer

VERSION = 1
AXIS_KEYS = ("small", "large", "kernel", "stride", "dilation", "before", "after")


def axis_to_wire(axis: Axis) -> dict[str, int]:
    """The axis with its derived ``after``, in the order every ``--json`` answer uses."""
    return {key: getattr(axis, key) for key in AXIS_KEYS}


def to_wire(layer: Layer) -> dict[str, Any]:
    """The layer as JSON values.

    >>> to_wire(Layer((Axis(2, 4, 3, stride=2),), 1, 1))["axes"]
    [{'small': 2, 'large': 4, 'kernel': 3, 'stride': 2, 'dilation': 1, 'before': 0, 'after': 1}]
    """
    named = {field.name: getattr(layer, field.name) for field in fields(layer) if field.name != "axes"}
    return {"version": VERSION, **named, "axes": [axis_to_wire(axis) for axis in layer.axes]}


def from_wire(document: object) -> Layer:
    """The layer that ``to_wire`` wrote.

    Raises UnstrideError for another version, a missing, unknown or ill-typed field, or an ``after`` that
    contradicts the other numbers.
    """
    table = _table(document, {field.name for field in fields(Layer)} | {"version"}, "layer")
    if type(table["version"]) is not int or table["version"] != VERSION:
        rule = f"this release reads version {VERSION}"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="version", value=table["version"])
    if not isinstance(table["axes"], list):
        raise UnstrideError(Reason.ARGUMENT, "must be a list", argument="axes", value=table["axes"])
    for name in ("transposed", "bias"):
        if not isinstance(table[name], bool):
            raise UnstrideError(Reason.ARGUMENT, "must be true or false", argument=name, value=table[name])
    named = {name: value for name, value in table.items() if name not in ("version", "axes")}
    return Layer(tuple(_axis(entry) for entry in table["axes"]), **named)


def _axis(document: object) -> Axis:
    table = _table(document, set(AXIS_KEYS), "axis")
    after = table.pop("after")
    axis = Axis(**table)
    if type(after) is not int or axis.after != after:
        rule = f"contradicts the other numbers, which give {axis.after}"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="after", value=after)
    return axis


def _table(document: object, keys: set[str], what: str) -> dict[str, Any]:
    if not isinstance(document, dict) or set(document) != keys:
        found = sorted(map(str, document)) if isinstance(document, dict) else document
        rule = f"must be an object with exactly the fields {', '.join(sorted(keys))}"
        raise UnstrideError(Reason.ARGUMENT, rule, argument=what, value=found)
    return dict(document)
