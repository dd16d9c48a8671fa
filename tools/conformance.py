"""Write the published suite: ``python tools/conformance.py [FOLDER]``, by default ``conformance/`` of the checkout.

The same files come out bit for bit every time. The values are small integers, no two of a kernel or of an input with
the same magnitude, and the outputs are what ``unstride.engine.reference`` sums of them, in integers: no runtime, no
code of ONNX and no dialect takes part. ``onnx`` writes the models, ``safetensors`` the arrays.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import chain, groupby
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.conformance_cases import RULES, THEMES, Case, cases
from tools.conformance_text import SINGLE, WHY, Reading, readings
from unstride.engine import reference
from unstride.geometry import Axis, Layer

Array = NDArray[Any]

FOLDER = Path(__file__).resolve().parents[1] / "conformance"
EXACT = {"float16": 2**11, "float32": 2**24, "float64": 2**53}
"""up to here every integer is a number of this type"""


class Written(NamedTuple):
    """One case with its arrays."""

    case: Case
    arrays: dict[str, Array]
    """x, w, b, and y or one y for each reading"""
    entry: dict[str, Any]
    """its row of the index"""


def numbers(shape: tuple[int, ...], salt: int) -> NDArray[np.int64]:
    """1, 2, 3 … in an order without a pattern, with signs: no two have the same magnitude."""
    count = prod(shape)
    hashed = (np.arange(1, count + 1, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(salt)) % np.uint64(2**32)
    order = np.argsort(hashed, kind="stable")
    signs = np.where(hashed[order] // np.uint64(2**17) % np.uint64(2) == 0, 1, -1)
    return ((order + 1) * signs).astype(np.int64).reshape(shape)


def inputs(case: Case) -> dict[str, NDArray[np.int64]]:
    """The case's inputs as integers; the bias in steps of 11, above what a single product often is."""
    given = {"x": numbers(case.x, 1905), "w": numbers(case.w, 977)}
    return given | ({"b": 11 * numbers((case.bias,), 31)} if case.bias else {})


def layer(case: Case, reading: Reading) -> Layer:
    """The relation that a reading of the case means."""
    rank, attributes = len(case.x) - 2, case.attributes
    strides, dilations = (attributes.get(name, [1] * rank) for name in ("strides", "dilations"))
    sides = zip(case.x[2:], case.w[2:], strides, dilations, reading.windows or (), strict=True)
    axes = tuple(Axis(n, size, k, s, d, before) for n, k, s, d, (before, size) in sides)
    return Layer(axes, case.x[1], case.outputs, attributes.get("group", 1), bias=bool(case.bias))


def write(case: Case) -> Written:
    """The case with its expected outputs."""
    found = [] if case.forbidden else readings(case.attributes, case.x[2:], case.w[2:], case.opset)
    given, outputs = inputs(case), {}
    for reading in found:
        if reading.windows is not None:
            key = "y" if reading.name == SINGLE else f"y.{reading.name}"
            y = reference.run(layer(case, reading), given["x"], given["w"], given.get("b"))
            if np.abs(y).max(initial=0) > EXACT[case.dtype]:
                raise ValueError(f"{case.name}: {case.dtype} does not hold {np.abs(y).max()}")
            outputs[key] = y
    arrays = {name: array.astype(case.dtype) for name, array in {**given, **outputs}.items()}
    return Written(case, arrays, _entry(case, found, arrays))


def _entry(case: Case, found: list[Reading], arrays: dict[str, Array]) -> dict[str, Any]:
    entry = {
        "name": case.name,
        "theme": case.theme,
        "covers": case.covers,
        "rule": case.rule,
        "tags": _tags(case),
        "opset": case.opset,
        "dtype": case.dtype,
        "attributes": case.attributes,
        "weights": case.weights,
        "model": f"{case.theme}/{case.name}.onnx",
        "arrays": f"{case.theme}/arrays.safetensors",
    }
    entry |= {name: _where(case, name, arrays) if name in arrays else None for name in ("x", "w", "b")}
    if case.forbidden:
        return {**entry, "expect": "refuse", "why": case.forbidden}
    if found[0].name == SINGLE:
        return {**entry, "expect": "values", **_expected(case, found[0], arrays)}
    told = [{"name": each.name, "why": WHY[each.name], **_expected(case, each, arrays)} for each in found]
    return {**entry, "expect": "one of", "readings": told}


def _expected(case: Case, reading: Reading, arrays: dict[str, Array]) -> dict[str, Any]:
    also = {"also": list(reading.also)} if reading.also else {}
    if reading.windows is None:
        return {**also, "refuses": True}
    key = "y" if reading.name == SINGLE else f"y.{reading.name}"
    return {**also, "y": _where(case, key, arrays), "before": [before for before, _ in reading.windows]}


def _where(case: Case, name: str, arrays: dict[str, Array]) -> dict[str, Any]:
    return {"key": f"{case.name}/{name}", "shape": list(arrays[name].shape)}


def _tags(case: Case) -> list[str]:
    group = case.attributes.get("group", 1)
    found = {f"{len(case.x) - 2}d": True, "bias": bool(case.bias), "batch": case.x[0] > 1}
    found |= {"several-outputs-per-group": group > 1 and case.w[1] > 1, "depthwise": 1 < group == case.x[1]}
    return [*(tag for tag, holds in found.items() if holds), *sorted(case.attributes)]


def model(written: Written) -> bytes:
    """The case as an ONNX file of one node; the output's sizes are left unsaid, so that they are the runtime's own."""
    import onnx.helper
    import onnx.numpy_helper

    case, arrays = written.case, written.arrays
    held = [name for name in ("w", "b") if name in arrays]
    named = ["x", *(held if case.weights == "input" else [])]
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(case.dtype))
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("ConvTranspose", ["x", *held], ["y"], name=case.name, **case.attributes)],
        case.name,
        [onnx.helper.make_tensor_value_info(name, kind, arrays[name].shape) for name in named],
        [onnx.helper.make_tensor_value_info("y", kind, [None] * len(case.x))],
        [onnx.numpy_helper.from_array(arrays[name], name) for name in held if case.weights == "initializer"],
        doc_string=case.covers,
    )
    opsets = [onnx.helper.make_opsetid("", case.opset)]
    least = max(onnx.helper.find_min_ir_version_for(opsets), 3 if case.weights == "input" else 4)
    made = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=least, producer_name="unstride conformance")
    content: bytes = made.SerializeToString(deterministic=True)
    return content


def index(written: list[Written]) -> bytes:
    """The index: one case a line, so that differences can be read."""
    head = {
        "format": "unstride-conformance-1",
        "operator": "ConvTranspose",
        "licence": "Apache-2.0",
        "values": "small integers, exact in the element type; compare for equality",
        "themes": THEMES,
        "rules": RULES,
    }
    lines = ",\n".join(json.dumps(each.entry, ensure_ascii=False, separators=(",", ":")) for each in written)
    return f'{json.dumps(head, ensure_ascii=False, indent=1)[:-2]},\n "cases": [\n{lines}\n]}}\n'.encode()


def tables(written: list[Written]) -> Iterator[tuple[str, bytes]]:
    """The index and the arrays of each theme, by their paths in the suite."""
    yield "index.json", index(written)
    for theme, members in groupby(written, lambda each: each.case.theme):
        arrays = {
            f"{each.case.name}/{name}": np.ascontiguousarray(array)
            for each in members
            for name, array in each.arrays.items()
        }
        yield f"{theme}/arrays.safetensors", safetensors.numpy.save(arrays)


def models(written: list[Written]) -> Iterator[tuple[str, bytes]]:
    """Every model by its path in the suite; needs ``onnx``."""
    for each in written:
        yield each.entry["model"], model(each)


def main(arguments: list[str]) -> None:
    folder = Path(arguments[0]) if arguments else FOLDER
    for old in [*folder.glob("*/*.onnx"), *folder.glob("*/arrays.safetensors")]:
        old.unlink()
    total = 0
    written = [write(case) for case in cases()]
    for path, content in chain(tables(written), models(written)):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        total += (folder / path).write_bytes(content)
    print(f"{folder}: {len(written)} cases, {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
