"""The suite as values: its index read and checked, its arrays loaded on request, no model opened.

A suite is a folder with ``index.json``; its README says what is in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Reason, UnstrideError
from ..files import load
from ..geometry import Axis, Layer

Array = NDArray[Any]
Shape = tuple[int, ...]

FORMAT = "unstride-conformance-1"
INDEX_BYTES = 16_000_000
"""a longer index is not read"""


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer that the operator's text allows; the only one where the text is clear."""

    name: str
    """empty where the text is clear"""
    why: str = ""
    """the words of the text on which it rests"""
    also: tuple[str, ...] = ()
    """other readings that give the same answer here"""
    key: str | None = None
    """the output's key among the arrays; None where the node is refused"""
    shape: Shape = ()
    before: Shape = ()
    """where the output begins in the full extent of all stamps, per axis"""

    @property
    def refuses(self) -> bool:
        """Whether an error is the answer."""
        return self.key is None


@dataclass(frozen=True, slots=True)
class Case:
    """One node, its inputs, and what it may answer."""

    name: str
    theme: str
    covers: str
    rule: str
    tags: tuple[str, ...]
    opset: int
    dtype: str
    attributes: Mapping[str, Any]
    weights: str
    """``initializer`` or ``input``: how the model holds W and B"""
    model: Path
    arrays: Path
    inputs: Mapping[str, tuple[str, Shape]]
    """x, w and, if there is one, b -> key and shape"""
    readings: tuple[Reading, ...]
    forbidden: str | None = None
    """why the text forbids the node; it then has one reading, which refuses"""

    @property
    def ambiguous(self) -> bool:
        """Whether the text can be read in several ways."""
        return len(self.readings) > 1

    def load(self, *names: str) -> tuple[Array, ...]:
        """Arrays by their names: x, w, b."""
        return tuple(load(f"{self.arrays}:{self.inputs[name][0]}") for name in names)

    def expected(self, reading: Reading) -> Array:
        """The output by that reading, which must not be a refusal."""
        return load(f"{self.arrays}:{reading.key}")

    def layer(self, reading: Reading) -> Layer:
        """The relation by that reading, which must not be a refusal."""
        x, w = self.inputs["x"][1], self.inputs["w"][1]
        rank = len(x) - 2
        strides, dilations = (self.attributes.get(name, [1] * rank) for name in ("strides", "dilations"))
        sides = zip(x[2:], reading.shape[2:], w[2:], strides, dilations, reading.before, strict=True)
        axes = tuple(Axis(*side) for side in sides)
        return Layer(axes, x[1], reading.shape[1], self.attributes.get("group", 1), bias="b" in self.inputs)


@dataclass(frozen=True, slots=True)
class Suite:
    """All cases, and what their themes and rules are."""

    path: Path
    themes: Mapping[str, str]
    rules: Mapping[str, str]
    cases: tuple[Case, ...]

    def case(self, name: str) -> Case:
        """The case of that name; UnstrideError where there is none."""
        for case in self.cases:
            if case.name == name:
                return case
        hint = f"unstride conformance --list names all {len(self.cases)}"
        raise UnstrideError(Reason.ARGUMENT, "is no case of this suite", argument="case", value=name, hint=hint)


def suite(path: Path | str | None = None) -> Suite:
    """The suite in ``path``, by default the one that comes with this package.

    Raises UnstrideError where there is none, or where its index is not one.

    >>> found = suite()
    >>> case = found.case("pads-1d-end")
    >>> case.attributes["pads"], case.readings[0].shape
    ([0, 2], (1, 3, 7))
    """
    folder = _default() if path is None else Path(path)
    index = folder / "index.json"
    try:
        if index.stat().st_size > INDEX_BYTES:
            raise _broken(index, f"it is longer than {INDEX_BYTES} bytes")
        content = json.loads(index.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise _broken(index, f"its format is not {FORMAT}")
        cases = tuple(_case(folder, each) for each in content["cases"])
        return Suite(folder, dict(content["themes"]), dict(content["rules"]), cases)
    except OSError as error:
        hint = "give --suite the folder that holds index.json"
        rule = f"holds no suite: {error.strerror}"
        raise UnstrideError(Reason.FILE, rule, argument="suite", value=str(folder), hint=hint) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, UnstrideError):
            raise
        raise _broken(index, f"it is damaged: {type(error).__name__} {error}") from None


def _default() -> Path:
    """The suite inside the installed package, or at the root of the checkout."""
    shipped = Path(__file__).parent / "suite"
    return shipped if shipped.is_dir() else Path(__file__).resolve().parents[3] / "conformance"


def _broken(index: Path, why: str) -> UnstrideError:
    return UnstrideError(Reason.FILE, f"cannot be read: {why}", argument="suite", value=str(index))


def _case(folder: Path, row: dict[str, Any]) -> Case:
    if row["expect"] == "refuse":
        readings: tuple[Reading, ...] = (Reading("", row["why"]),)
    else:
        told = [{**row, "name": "", "why": ""}] if row["expect"] == "values" else row["readings"]
        readings = tuple(map(_reading, told))
    return Case(
        name=str(row["name"]),
        theme=str(row["theme"]),
        covers=str(row["covers"]),
        rule=str(row["rule"]),
        tags=tuple(row["tags"]),
        opset=int(row["opset"]),
        dtype=np.dtype(row["dtype"]).name,
        attributes=dict(row["attributes"]),
        weights=str(row["weights"]),
        model=_inside(folder, row["model"]),
        arrays=_inside(folder, row["arrays"]),
        inputs={name: _array(row[name]) for name in ("x", "w", "b") if row[name] is not None},
        readings=readings,
        forbidden=row.get("why"),
    )


def _reading(told: dict[str, Any]) -> Reading:
    also = tuple(told.get("also", ()))
    if told.get("refuses"):
        return Reading(str(told["name"]), str(told["why"]), also)
    key, shape = _array(told["y"])
    return Reading(str(told["name"]), str(told["why"]), also, key, shape, tuple(map(int, told["before"])))


def _array(told: dict[str, Any]) -> tuple[str, Shape]:
    return str(told["key"]), tuple(map(int, told["shape"]))


def _inside(folder: Path, name: str) -> Path:
    """A file of the suite; ValueError for a path that leads out of it."""
    parts = Path(name).parts
    if Path(name).is_absolute() or ".." in parts or not parts:
        raise ValueError(f"{name!r} leads out of the suite")
    return folder / name
