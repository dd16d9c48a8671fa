"""One framework's live layers, asked in a process of their own: ``python -m tests.live.asking NAME COUNT SEED``.

Random lines of source are built with the real framework. Each object's spec must be the one that its line is parsed to,
and what is computed from the object alone must be what the framework computes: small integers, so that equal means
equal. Then every way in which the dialect says the same layer is built and must be found again.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from dataclasses import fields, replace
from importlib import import_module
from itertools import islice
from random import Random
from typing import Any

import numpy as np
from tools.corpus_shapes import Case

import unstride
from unstride import Spec, UnstrideError
from unstride.dialects import onnx, registry
from unstride.dialects.arguments import compact
from unstride.dialects.refusal import ways
from unstride.dialects.spec import Source
from unstride.live import find
from unstride.testing.corpus import Row

from .builders import BUILDERS, Array, Built

NOT_LAYERS = (".functional.", "keras.ops.", "conv_utils", "mlx.core.", "tinygrad.Tensor.", ")(")
LARGEST = 50_000
"""elements of the arrays asked about"""

WAYS = 2
"""in which one layer is said again"""


def layers(name: str, count: int, seed: int) -> Iterator[Case]:
    """Random lines that make a layer and call it on its input alone."""
    if name == "tinygrad":
        yield from TINYGRAD
        return
    module = import_module(f"tools.corpus_{name}")
    found: list[Case] = []
    for attempt in range(seed, seed + 20):
        drawn: list[Case] = module.random(Random(attempt), 4 * count)  # noqa: S311 - questions, no secrets
        found += [case for case in drawn if not any(word in case.code for word in NOT_LAYERS) and not case.unsafe]
        if len(found) >= count:
            break
    yield from found[:count]


TINYGRAD = (
    Case("tinygrad.nn.Conv1d(2, 4, 3, padding='same', dilation=2)", (1, 2, 7), (4, 2, 3), 4),
    Case("tinygrad.nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=2)", (1, 4, 6, 5), (6, 2, 3, 2), 6),
    Case("tinygrad.nn.Conv2d(1, 1, 3, padding=(1, 2, 0, 1), bias=False)", (1, 1, 4, 4), (1, 1, 3, 3)),
    Case("tinygrad.nn.ConvTranspose1d(3, 2, 4, stride=3, output_padding=1)", (1, 3, 4), (3, 2, 4), 2),
    Case("tinygrad.nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, groups=2)", (1, 4, 3, 3), (4, 1, 3, 3), 2),
    Case("tinygrad.nn.ConvTranspose2d(2, 3, (3, 2), dilation=2, bias=False)", (1, 2, 3, 3), (2, 3, 3, 2)),
)
"""its recorded questions are about tensors' methods"""

LOSSY = {"haiku": "padding", "tinygrad": "padding"}
"""what a framework keeps as the numbers that it means, so that only the layers read are compared"""


def normal(spec: Spec) -> Spec:
    """The spec as a framework keeps it: equal sizes are one, words are in its case, arrays have no names."""
    words: dict[str, Any] = {}
    for field in fields(spec):
        value = getattr(spec, field.name)
        if LOSSY.get(spec.dialect) == field.name:
            value = None
        elif spec.dialect == "flax":
            value = (value,) if field.name == "kernel_size" and isinstance(value, int) else value
        elif spec.dialect == "onnx":
            value = field.name if field.name in ("X", "W", "B") and value not in (None, "") else value
        elif field.name == "padding" and spec.dialect == "equinox":
            value = _equal_pairs(value.upper() if isinstance(value, str) else value)
        elif isinstance(value, tuple) and value and all(type(entry) is int for entry in value):
            value = compact(value)
        elif field.name == "data_format" and value == "channels_last" and "keras" in spec.dialect:
            value = None
        words[field.name] = value
    made: Spec = object.__new__(type(spec))
    for word, value in words.items():
        object.__setattr__(made, word, value)
    return made


def _equal_pairs(padding: Any) -> object:
    if isinstance(padding, tuple) and all(isinstance(pair, tuple) and pair[0] == pair[1] for pair in padding):
        padding = tuple(pair[0] for pair in padding)
    return compact(padding) if isinstance(padding, tuple) and not isinstance(padding[0], tuple) else padding


def built(name: str, code: str, row: Row) -> Built | None:
    """The real layer; None where the framework refuses it."""
    try:
        return BUILDERS[name](code, *row.arrays())
    except Exception:
        return None


def check(name: str, row: Row) -> str | None:
    """What is wrong with the layer that the line makes; empty where all is well, None where the framework refuses."""
    made = built(name, row.code, row)
    x, _, bias = row.arrays()
    try:
        wanted = None if made is None else made[1](x)
    except Exception:
        wanted = None
    if made is None or wanted is None or not np.array_equal(wanted, np.rint(wanted)):
        return None  # refused; or unwritten, which oneDNN leaves outputs here and there
    try:
        return _wrong(made[0], wanted, _with_inputs(unstride.parse(row.code, name), bias is not None), row)
    except UnstrideError as error:
        return f"was refused: {error}"


def _wrong(thing: Any, wanted: Array, spec: Spec, row: Row) -> str:
    """The first thing that is wrong with what is found in the layer."""
    x, kernel, bias = row.arrays()
    found, given = find(thing), unstride.run(thing, x)
    own = np.asarray(found.kernel)
    facts = {
        f"{found.spec.code()} was found": normal(found.spec) != normal(spec),
        f"{found.spec.code()} reads as another layer": found.spec.read(x.shape, own.shape)
        != spec.read(x.shape, kernel.shape),
        "other weights were found": own.dtype != kernel.dtype or not np.array_equal(own, kernel),
        "another bias was found": not np.array_equal(_zeros(found.bias), _zeros(bias)),
        f"has become {given.dtype}": given.dtype != wanted.dtype,
        "another result was computed": not np.array_equal(given, wanted),
    }
    return next((words for words, wrong in facts.items() if wrong), "")


def _zeros(bias: Array | None) -> Array:
    return np.zeros(0, np.float32) if bias is None else bias


def laws(name: str, row: Row) -> Iterator[tuple[Spec, Spec]]:
    """(spec, the spec found in the layer that it builds) for every way to say the row's layer."""
    dialect = registry.named(name)
    layer = unstride.parse(row.code, dialect.name).read(row.input, row.kernel)
    weights = Row(row.code, (1,), (1,))
    said = (spec for spec in ways(layer, dialect.module().propose) if not any(w in spec.code() for w in NOT_LAYERS))
    for spec in islice(said, WAYS):
        shapes = spec.input_shape(layer), spec.kernel_shape(layer)
        asked = weights._replace(input=shapes[0], kernel=shapes[1], bias=layer.out_channels if layer.bias else 0)
        made = built(name, spec.code(), asked)
        if made is not None:
            again = find(made[0]).spec
            plain = spec.dialect not in ("flax", "haiku", "equinox", "onnx", "tinygrad", "paddle")
            yield (spec, again) if plain else (normal(spec), normal(again))


def _with_inputs(spec: Spec, biased: bool) -> Spec:
    """An ONNX node with its inputs, which its line may leave out; any other spec as it is."""
    if not isinstance(spec, onnx.Conv | onnx.ConvTranspose):
        return spec
    return replace(spec, X=Source("X"), W=Source("W"), B=Source("B") if biased else None)


def main(name: str, count: int, seed: int) -> dict[str, object]:
    """Counts, and what went wrong."""
    answered, refused, built_again, wrong = 0, 0, 0, []
    for case in layers(name, count, seed):
        if max(np.prod(case.input), np.prod(case.kernel)) > LARGEST:
            continue
        row = Row(case.code, case.input, case.kernel, case.bias)
        complaint = check(name, row)
        answered, refused = answered + (complaint is not None), refused + (complaint is None)
        wrong += [f"{row.code} on {row.input}: {complaint}"] if complaint else []
        for spec, again in laws(name, row) if complaint == "" else ():
            built_again += 1
            wrong += [f"{spec.code()} came back as {again.code()}"] if spec != again else []
    return {"answered": answered, "refused": refused, "built again": built_again, "wrong": wrong}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
