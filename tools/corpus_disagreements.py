"""Rows that unstride answers otherwise on purpose: a framework's own fault, or an outvoted backend."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from unstride.testing.corpus import Corpus, Row

REFERENCES = {"onnx_reference": "onnxruntime-*", "keras": "keras-*", "tensorflow": "tensorflow-*-onednn"}
"""framework → the files whose answers its dialect follows: for Keras, most of its own backends"""
CONTRADICTS = "contradicts "


def own_fault(provenance: dict[str, object], row: Row) -> str | None:
    """The known fault that this row shows, if any."""
    name, backend = provenance["framework"], provenance.get("backend")
    if row.output is None:
        return _empty_batch(row) if name == "keras2" else None
    if backend == "onednn" or name == "keras2":
        return _onednn(row)
    if name == "paddle" and "dilation=0" in row.code:
        return "folds all taps onto one for a dilation of 0"
    if name == "mlx" and _crops_past_kernel(row):
        return "drops elements of the input before it spaces them by the stride"
    return None


def _number(row: Row, name: str, default: int) -> int:
    found = re.search(rf"\b{name}=\[?(\d+)", row.code)
    return int(found[1]) if found else default


def _crops_past_kernel(row: Row) -> bool:
    last_tap = _number(row, "dilation", 1) * (row.kernel[1] - 1)
    return "conv_transpose" in row.code and _number(row, "stride", 1) > 1 and _number(row, "padding", 0) > last_tap


def _empty_batch(row: Row) -> str | None:
    return "gives an empty batch the input's channels" if row.input[0] == 0 and "BiasAdd" in str(row.error) else None


def _onednn(row: Row) -> str | None:
    if row.output is not None and 0 in row.output[1:-1]:
        return "gives an output of size 0, which no forward convolution maps to this input"
    if 0 in row.input[1:-1]:
        return "gives zeros for an input of size 0, which the output shape does not map to"
    return None


def against(corpus: Corpus, references: Sequence[Corpus]) -> Corpus:
    """The corpus with every row marked that most references answer otherwise, faults of their own aside."""
    answers = {each.title: {_question(row): row for row in each.rows} for each in references}
    return corpus._replace(rows=tuple(_marked(row, answers) for row in corpus.rows))


def _marked(row: Row, answers: dict[str, dict[tuple[object, ...], Row]]) -> Row:
    if row.disagrees and not row.disagrees.startswith(CONTRADICTS):
        return row
    found = {title: rows.get(_question(row)) for title, rows in answers.items()}
    votes = {title: (row.output, row.values) for title, row in found.items() if row and _is_sound(row)}
    if not votes:
        return row._replace(disagrees=None)
    winner, count = Counter(votes.values()).most_common(1)[0]
    if winner == (row.output, row.values) or 2 * count <= len(votes):
        return row._replace(disagrees=None)
    others = " and ".join(title for title, said in votes.items() if said == winner)
    return row._replace(disagrees=f"{CONTRADICTS}{others}")


def _question(row: Row) -> tuple[object, ...]:
    return (row.code, row.input, row.kernel, row.bias, row.opset)


def _is_sound(row: Row) -> bool:
    return row.disagrees is None or row.disagrees.startswith(CONTRADICTS)
