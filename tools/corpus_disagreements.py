"""Rows that unstride answers otherwise on purpose: a framework's own fault, or an outvoted backend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from unstride.testing.corpus import Corpus, Row

REFERENCES = {"onnx_reference": "onnxruntime", "keras": "keras"}
"""framework → the frameworks that its dialect follows: for Keras, most of its own backends"""


_EIGEN = ("dilation rates larger", "dilated rates of 1", "only supports NHWC", "NHWC tensor format", "grouped convolutions")
"""what TensorFlow's own CPU kernels have no code for, in the words of their errors"""


def own_fault(provenance: dict[str, object], row: Row) -> str | None:
    """The known fault that this row shows, if any."""
    name, backend = provenance["framework"], provenance.get("backend")
    if backend == "eigen" and any(words in str(row.error) for words in _EIGEN):
        return "lacks this on the CPU without oneDNN"
    if backend == "onednn" or name == "keras2":
        return _onednn(row)
    if name == "openvino" and "output_shape=" in row.code and set(row.kernel[2:]) == {1} and row.output is not None:
        return "ignores pads_begin where an output_shape is given and the kernel has one tap"
    if name == "paddle" and "dilation=0" in row.code and row.output is not None:
        return "folds all taps onto one for a dilation of 0"
    return None


def _onednn(row: Row) -> str | None:
    if row.output is not None and 0 in row.output[1:-1]:
        return "gives an output of size 0, which no forward convolution maps to this input"
    if row.output is not None and 0 in row.input[1:-1]:
        return "gives zeros for an input of size 0, which the output shape does not map to"
    if row.input[0] == 0 and "BiasAdd" in str(row.error):
        return "gives an empty batch the input's channels"
    return None


def against(corpus: Corpus, references: Sequence[Corpus]) -> Corpus:
    """The corpus with every row marked that most references answer otherwise."""
    answers = [{(row.code, row.input, row.kernel, row.bias, row.opset): row for row in each.rows} for each in references]
    return corpus._replace(rows=tuple(_marked(row, answers, [each.title for each in references]) for row in corpus.rows))


def _marked(row: Row, answers: Sequence[dict[tuple[object, ...], Row]], titles: Sequence[str]) -> Row:
    key = (row.code, row.input, row.kernel, row.bias, row.opset)
    votes = {title: _said(rows[key]) for title, rows in zip(titles, answers, strict=True) if key in rows}
    if not votes:
        return row
    winner, count = Counter(votes.values()).most_common(1)[0]
    if winner == _said(row) or 2 * count <= len(votes):
        return row._replace(disagrees=None)
    others = " and ".join(title for title, said in votes.items() if said == winner)
    return row._replace(disagrees=f"contradicts {others}")


def _said(row: Row) -> tuple[object, ...]:
    return (row.output, row.values)
