"""An audit to read: lines of text, a rich drawing for a terminal, and a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from ..dialects.arguments import compact
from .findings import Finding, Level
from .skips import axis_name

if TYPE_CHECKING:
    from .audit import Audit, Entry

HEADINGS = ("layer", "kind", "kernel", "stride", "before, after", "input → output", "channels", "MACs", "MB")
"""the columns of the table of convolutions"""
MARKS = {Level.ERROR: "✗", Level.HAZARD: "!", Level.NOTE: "·"}
STYLES = {Level.ERROR: "bold red", Level.HAZARD: "yellow", Level.NOTE: "dim"}


def headline(found: Audit) -> str:
    """What was audited, in one line."""
    transposed = sum(entry.layer.transposed for entry in found.entries)
    count = len(found.entries)
    kinds = f"{count} convolution{'s' * (count != 1)}, {transposed} of them transposed"
    sizes = ", ".join("×".join(map(str, size)) for size in found.sizes.values() if size) or "vectors"
    return f"{found.graph.name}: {kinds}; {scaled(found.total)} multiply-accumulates at {sizes}"


def size_lines(found: Audit) -> Iterator[str]:
    """The sizes that the network takes and gives back, axis by axis; axes that agree share a line."""
    told: dict[tuple[str, str], list[str]] = {}
    for axis, each in enumerate(found.surveys):
        key = each.accepted.text(), "not known" if each.kept is None else each.kept.text()
        told.setdefault(key, []).append(axis_name(len(found.surveys), axis))
    is_open = any(length is None for given in found.graph.inputs for length in given.size)
    head = "" if is_open else "its input left open, "
    for (accepted, kept), names in told.items():
        returned = "returned unchanged" if accepted == kept else f"returned unchanged: {kept}"
        yield f"{head}{' and '.join(names)}: {accepted}; {returned}"


def row(entry: Entry) -> tuple[str, ...]:
    """One convolution as the columns of the table."""
    layer, cost = entry.layer, entry.cost
    kind = f"{'transposed' if layer.transposed else 'forward'}{f', {layer.groups} groups' * (layer.groups > 1)}"
    stride = f"{compact(layer.stride)}"
    stride += f", dilation {compact(layer.dilation)}" if max(layer.dilation) > 1 else ""
    margins = dict.fromkeys(f"{axis.before}, {axis.after}" for axis in layer.axes)
    sizes = f"{_times(layer.input_size)} → {_times(layer.output_size)}"
    bytes_touched = (cost.input_bytes + cost.output_bytes + cost.weight_bytes) / 1e6
    return (
        entry.node,
        kind,
        str(compact(layer.kernel)),
        stride,
        " × ".join(margins),
        sizes,
        f"{layer.in_channels} → {layer.out_channels}",
        scaled(cost.multiply_accumulates),
        f"{bytes_touched:.3g}",
    )


def _times(size: tuple[int, ...]) -> str:
    return "×".join(map(str, size))


def scaled(count: int) -> str:
    """A count with a metric prefix.

    >>> scaled(1_234_567), scaled(12)
    ('1.23 M', '12')
    """
    for limit, prefix in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= limit:
            return f"{count / limit:.3g} {prefix}"
    return str(count)


def counted(findings: Sequence[Finding]) -> str:
    """How many findings there are of each level."""
    counts = [(level, sum(each.level is level for each in findings)) for level in Level]
    said = [f"{count} {level.value}{'s' * (count != 1)}" for level, count in counts if count]
    return ", ".join(said) or "nothing found"


def lines(found: Audit) -> Iterator[str]:
    """The whole audit as plain text."""
    yield headline(found)
    yield from size_lines(found)
    if found.entries:
        yield ""
        yield from _table([HEADINGS, *map(row, found.entries)])
    yield ""
    yield counted(found.findings)
    for finding, nodes in grouped(found.findings):
        yield f"{MARKS[finding.level]} {', '.join(nodes) or 'model'} [{finding.code}]"
        yield f"    {finding.says}"
        yield from (f"    → {fix}" for fix in finding.fixes)
        yield from (f"    {source}" for source in finding.sources)


def grouped(findings: Sequence[Finding]) -> list[tuple[Finding, tuple[str, ...]]]:
    """Findings that say the same, with all the nodes they are about."""
    told: dict[tuple[Any, ...], list[Finding]] = {}
    for each in findings:
        told.setdefault((each.code, each.level, each.says, each.fixes), []).append(each)
    return [(same[0], tuple(each.node for each in same if each.node)) for same in told.values()]


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numbers = len(HEADINGS) - 2
    for each in rows:
        cells = [
            cell.rjust(width) if i >= numbers else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(each, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def rich(found: Audit) -> Any:
    """The audit as a rich renderable."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for i, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="right" if i >= len(HEADINGS) - 2 else "left", no_wrap=True)
    for entry in found.entries:
        table.add_row(*row(entry), style="cyan" if entry.layer.transposed else "")
    told: list[Any] = [Text(headline(found), style="bold"), *map(Text, size_lines(found)), Text("")]
    told += [table, Text("")] if found.entries else []
    told.append(Text(counted(found.findings), style="bold"))
    for finding, nodes in grouped(found.findings):
        head = f"{MARKS[finding.level]} {', '.join(nodes) or 'model'} [{finding.code}]"
        told.append(Text(head, style=STYLES[finding.level]))
        told.append(Text(f"    {finding.says}"))
        told += [Text(f"    → {fix}", style="green") for fix in finding.fixes]
        told += [Text(f"    {source}", style="dim") for source in finding.sources]
    return Group(*told)


_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.25rem } h2 { font-size: 1.05rem; margin-top: 2rem }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884 }
td:nth-last-child(-n+2), th:nth-last-child(-n+2) { text-align: right }
.transposed td:first-child { font-weight: 600 }
article { border-left: .3rem solid #888; padding: .1rem 0 .1rem .8rem; margin: 1rem 0 }
.error { border-color: #d33 } .hazard { border-color: #c80 }
code { font: .9em ui-monospace, monospace }
article p { margin: .2rem 0 } ul { margin: .2rem 0; padding-left: 1.2rem }
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(found: Audit) -> str:
    """The audit as one HTML page that loads nothing."""
    head = "".join(f"<th scope='col'>{escape(heading)}</th>" for heading in HEADINGS)
    body = "".join(
        f"<tr class='{'transposed' if entry.layer.transposed else 'forward'}'>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in row(entry))
        + "</tr>"
        for entry in found.entries
    )
    sizes = "".join(f"<p>{escape(line)}</p>" for line in size_lines(found))
    articles = "".join(_article(finding, nodes) for finding, nodes in grouped(found.findings))
    title = escape(headline(found))
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{title}</title>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        "<meta name='viewport' content='width=device-width'>"
        f"<style>{_STYLE}</style></head><body><main><h1>{title}</h1>{sizes}"
        f"<h2>{escape(counted(found.findings))}</h2>{articles}"
        f"<h2>Convolutions</h2><div class='scroll' tabindex='0'><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div></main></body></html>\n"
    )


def _article(finding: Finding, nodes: tuple[str, ...]) -> str:
    fixes = "".join(f"<li>{escape(fix)}</li>" for fix in finding.fixes)
    sources = "".join(f"<p><a href='{escape(url, quote=True)}'>{escape(url)}</a></p>" for url in finding.sources)
    return (
        f"<article class='{finding.level}'><p><strong>{finding.level}</strong> <code>{finding.code}</code> "
        f"{escape(', '.join(nodes) or 'model')}</p><p>{escape(finding.says)}</p>"
        + (f"<ul>{fixes}</ul>" if fixes else "")
        + f"{sources}</article>"
    )
