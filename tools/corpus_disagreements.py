"""Rows that unstride answers otherwise on purpose: a framework's own fault, or an outvoted backend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from unstride.testing.corpus import Corpus, Row

REFERENCES = {"onnx_reference": "onnxruntime", "keras": "keras"}
"""framework → the frameworks that its dialect follows: for Keras, most of its own backends"""


def own_fault(name: str, row: Row) -> str | None:
    """The known fault that this row shows, if any."""
    del name, row
    return None


def against(corpus: Corpus, references: Sequence[Corpus]) -> Corpus:
    """The corpus with every row marked that most references answer otherwise."""
    answers = [{(row.code, row.input, row.kernel, row.opset): row for row in each.rows} for each in references]
    return corpus._replace(rows=tuple(_marked(row, answers, [each.title for each in references]) for row in corpus.rows))


def _marked(row: Row, answers: Sequence[dict[tuple[object, ...], Row]], titles: Sequence[str]) -> Row:
    key = (row.code, row.input, row.kernel, row.opset)
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
