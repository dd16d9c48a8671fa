"""The corpus: what the real frameworks answered, replayed against ``unstride`` without them.

A file holds one framework's answers; a row is a pasted source line, the shapes of its arrays, and the output's shape
and values, or the framework's error. The arrays' values are not stored: `array` makes them again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import UnstrideError

ROLES = ("input", "kernel", "bias")


class Row(NamedTuple):
    """One call and the framework's answer."""

    code: str
    """the call, as pasted source"""
    input: tuple[int, ...]
    """the input's shape, in the framework's own data layout"""
    kernel: tuple[int, ...]
    """the kernel array's shape, in the framework's own weight layout"""
    bias: int = 0
    """elements of the bias; 0 where there is none"""
    output: tuple[int, ...] | None = None
    """the output's shape; None where the framework refused"""
    values: tuple[int, ...] | None = None
    """the output's elements in order; None where only the shape is recorded"""
    error: str | None = None
    """the framework's error, where it refused"""
    disagrees: str | None = None
    """why unstride answers otherwise on purpose: a fault of this framework, or of one of its backends"""
    opset: int | None = None
    """the ONNX operator set, where it matters"""

    def arrays(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]:
        """Input, kernel and bias (None where there is none), by the corpus's recipe."""
        bias = array((self.bias,), "bias") if self.bias else None
        return array(self.input, "input"), array(self.kernel, "kernel"), bias

    @classmethod
    def from_json(cls, content: dict[str, object]) -> Row:
        """The row from its form in a file."""
        return cls(**{key: _frozen(value) for key, value in content.items()})

    def as_json(self) -> dict[str, object]:
        """The row as it stands in a file: what is absent is left out."""
        kept = {key: list(value) if isinstance(value, tuple) else value for key, value in self._asdict().items()}
        return {key: value for key, value in kept.items() if value is not None and (key != "bias" or value)}


class Corpus(NamedTuple):
    """One file: a framework's answers and their provenance."""

    provenance: dict[str, object]
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        """Framework, version and backend, as in the file's name."""
        parts = (self.provenance.get(key) for key in ("framework", "version", "backend"))
        return "-".join(str(part) for part in parts if part)


def array(shape: tuple[int, ...], role: str) -> NDArray[np.float32]:
    """Deterministic integers from −5 to 5 as float32: a multiplicative hash of the flat index, salted by ``role``.

    >>> array((4,), "input").tolist()
    [-4.0, 4.0, -5.0, 3.0]
    """
    index = np.arange(1, prod(shape) + 1, dtype=np.uint64)
    hashed = (index * np.uint64(2654435761) + np.uint64(977 * 65537 * ROLES.index(role))) % np.uint64(2**32)
    return ((hashed >> np.uint64(20)).astype(np.int64) % 11 - 5).astype(np.float32).reshape(shape)


def load(path: Path) -> Corpus:
    """One corpus file; ValueError where it holds no row."""
    content = json.loads(path.read_text(encoding="utf-8"))
    rows = tuple(map(Row.from_json, content.pop("rows")))
    if not rows:
        raise ValueError(f"{path.name} holds no row")
    return Corpus(content, rows)


def load_all(folder: Path) -> Iterator[Corpus]:
    """Every file of a corpus in the order of their names; ValueError where there is none."""
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise ValueError(f"no corpus file in {folder}")
    yield from map(load, paths)


def dump(corpus: Corpus) -> str:
    """The text of a corpus file: one row a line, so that differences can be read."""
    lines = ",\n".join(json.dumps(row.as_json(), ensure_ascii=False, separators=(",", ":")) for row in corpus.rows)
    head = json.dumps(corpus.provenance, ensure_ascii=False, indent=0)[:-2]
    return f'{head},\n"rows": [\n{lines}\n]}}\n'


class Answer(NamedTuple):
    """What unstride says to a row."""

    output: tuple[int, ...] | None
    values: tuple[int | float, ...] | None
    error: str | None

    def __str__(self) -> str:
        if self.output is None:
            return str(self.error)
        return f"{self.output} {'' if self.values is None else str(list(self.values))[:200]}"


def answer(row: Row) -> Answer:
    """Unstride's answer to the row: the shape by `output_shape`, the values by `run`; or its UnstrideError."""
    from .. import parse, run

    try:
        spec = parse(row.code)
        output = tuple(spec.output_shape(row.input, row.kernel))
        if row.output is not None and row.values is None:
            return Answer(output, None, None)
        x, kernel, bias = row.arrays()
        result = np.asarray(run(spec, x, kernel, bias))
    except UnstrideError as error:
        return Answer(None, None, str(error))
    if result.shape != output:
        raise AssertionError(f"{row.code}: output_shape says {output}, run gives {result.shape}")
    return Answer(output, tuple(result.reshape(-1).tolist()), None)


def agrees(row: Row, given: Answer) -> bool:
    """Whether an answer is the recorded one: the same shape and values, or a refusal of what was refused."""
    if row.output is None or given.output is None:
        return row.output is None and given.output is None
    return given.output == row.output and given.values == row.values


def replay(row: Row) -> None:
    """Assert that unstride answers as the framework did; where the row `disagrees`, that it does not."""
    given = answer(row)
    if agrees(row, given) == (row.disagrees is not None):
        recorded = Answer(row.output, row.values, row.error)
        because = f" although it {row.disagrees}" if row.disagrees else ""
        raise AssertionError(
            f"{row.code}\n  input {row.input}, kernel {row.kernel}{because}\n  recorded {recorded}\n  unstride {given}"
        )


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
