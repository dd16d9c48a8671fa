"""The matrix as one HTML page without scripts: counts, open questions, and every cell with its explanation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape

from .judging import Judged, Verdict
from .report import LEGEND, SIGNS, grouped, readings_taken, reasons
from .running import Column, Matrix

_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:90rem;padding:0 1rem}
table{border-collapse:collapse;margin:1rem 0 2rem;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .7rem;text-align:left;vertical-align:top}
tr{border-bottom:1px solid color-mix(in srgb,currentColor 15%,transparent)}
thead th{position:sticky;top:0;background:Canvas;vertical-align:bottom}
th small{display:block;font-weight:400}
.agrees{color:light-dark(#17692e,#6fd08c)}.differs{color:light-dark(#b3131b,#ff8d8d);font-weight:600}
.refuses{color:light-dark(#7a5200,#e5b94b)}.crashes{color:light-dark(#8a1a8a,#f09af0);font-weight:600}
.not-asked{color:GrayText}
td small,dd small{display:block;font-weight:400;color:CanvasText}dt{margin-top:.6rem}dd{margin-left:1.5rem}
.wide{overflow-x:auto}code{font-size:.95em;white-space:nowrap}summary{cursor:pointer;font-size:1.2em;font-weight:600}
"""


def page(matrix: Matrix) -> str:
    """The page."""
    parts = (
        f"<p>{len(matrix.cases)} cases. {escape(LEGEND)}   – not asked: about ONNX's own words or types</p>",
        _counts(matrix),
        _readings(matrix),
        "".join(map(_others, matrix.asked)),
        "".join(f"<p>{escape(each.runtime)} could not start: {escape(each.unable or '')}</p>"
                for each in matrix.columns if each.unable),
        _cells(matrix),
    )  # fmt: skip
    title = "ConvTranspose conformance"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><h1>{title}</h1>{''.join(parts)}</body></html>"
    )


def _head(columns: Sequence[Column], *first: str) -> str:
    names = [escape(name) for name in first]
    names += [f"{escape(each.runtime)}<small>{escape(each.version or '')}</small>" for each in columns]
    return f"<thead><tr>{''.join(f'<th>{name}</th>' for name in names)}</tr></thead>"


def _counts(matrix: Matrix) -> str:
    rows = [(theme, names) for theme, names in matrix.themes().items()]
    rows.append(("all", tuple(case.name for case in matrix.cases)))
    body = "".join(
        f'<tr><th scope="row">{escape(theme)}</th><td>{len(names)}</td>'
        f"{''.join(f'<td>{_tally(column, names)}</td>' for column in matrix.asked)}</tr>"
        for theme, names in rows
    )
    return f'<div class="wide"><table>{_head(matrix.asked, "theme", "cases")}<tbody>{body}</tbody></table></div>'


def _tally(column: Column, names: tuple[str, ...]) -> str:
    counts = {verdict: column.count(verdict, names) for verdict in Verdict}
    return " ".join(f'<span class="{_class(each)}">{SIGNS[each][0]}{count}</span>'
                    for each, count in counts.items() if count)  # fmt: skip


def _readings(matrix: Matrix) -> str:
    questions = readings_taken(matrix)
    if not questions:
        return ""
    asked = [column for column in matrix.asked if any(column.runtime in taken for taken in questions.values())]
    rows = []
    for (_, question), taken in questions.items():
        counts = (taken.get(column.runtime, Counter()) for column in asked)
        told = (", ".join(f"{name} {count}" for name, count in each.items()) for each in counts)
        cells = "".join(f"<td>{escape(text)}</td>" for text in told)
        rows.append(f'<tr><th scope="row">{escape(question)}</th>{cells}</tr>')
    body = "".join(rows)
    why = reasons(matrix, taken=False)
    terms = "".join(f"<dt><code>{escape(name)}</code></dt><dd>{escape(text)}</dd>" for name, text in why.items())
    table = f'<div class="wide"><table>{_head(asked, "question")}<tbody>{body}</tbody></table></div>'
    return f"<h2>Where the text is open</h2>{table}<dl>{terms}</dl>"


def _others(column: Column) -> str:
    groups = grouped(column)
    told = "".join(
        f'<dt class="{_class(verdict)}">{SIGNS[verdict][0]} {verdict.value}: {escape(how)}</dt>'
        f"<dd>{', '.join(f'<code>{escape(name)}</code>' for name in names)}</dd>"
        for verdict, how, names in groups
    )
    return f"<h2>{escape(column.runtime)} {escape(column.version or '')}</h2><dl>{told}</dl>" if groups else ""


def _cells(matrix: Matrix) -> str:
    cells = {column.runtime: {cell.case: cell for cell in column.cells} for column in matrix.asked}
    rows = []
    for case in matrix.cases:
        told = "".join(_cell(cells[column.runtime].get(case.name)) for column in matrix.asked)
        attributes = ", ".join(f"{name}={value}" for name, value in case.attributes.items())
        notes = "".join(f"<small>{escape(text)}</small>" for text in (case.covers, attributes))
        name = f"<code>{escape(case.name)}</code>{notes}"
        rows.append(f'<tr><th scope="row">{name}</th>{told}</tr>')
    table = f"<table>{_head(matrix.asked, 'case')}<tbody>{''.join(rows)}</tbody></table>"
    return f"<details open><summary>Every case</summary>{table}</details>"


def _cell(cell: Judged | None) -> str:
    if cell is None:
        return "<td></td>"
    note = cell.reading or ("composed" if cell.steps else "")
    title = escape("\n".join(filter(None, (cell.how, *cell.steps))))
    return (
        f'<td class="{_class(cell.verdict)}" title="{title}">{SIGNS[cell.verdict][0]} {cell.verdict.value}'
        f"<small>{escape(note)}</small></td>"
    )


def _class(verdict: Verdict) -> str:
    return verdict.value.replace(" ", "-")
