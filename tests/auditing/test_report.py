"""What is printed and written: complete, escaped, of the formats' own kinds."""

from __future__ import annotations

import json
from html.parser import HTMLParser

from tests.network.builders import unet
from unstride.auditing.audit import Audit, audit
from unstride.auditing.findings import Code, Level
from unstride.auditing.report import lines, page, rich
from unstride.auditing.sarif import LEVELS, RULES, sarif
from unstride.network import Graph, Node
from unstride.network.operations import Opaque

HOSTILE = "<script>alert('x')</script>&\u202e"


def found() -> Audit:
    graph = unet(output_padding=1)
    odd = Node(HOSTILE, Opaque(HOSTILE), ("last",))
    return audit(Graph(HOSTILE, graph.inputs, (*graph.nodes, odd), graph.outputs), size=(33, 40))


def test_every_finding_is_in_every_format() -> None:
    report = found()
    text, html = report.text(), page(report)
    results = sarif(report, "folder/a model.onnx")["runs"][0]["results"]
    assert len(results) == len(report.findings) >= 4
    assert {each.code for each in report.findings} >= {Code.SIZE_MISMATCH, Code.UNEVEN_COVERAGE, Code.NOT_UNDERSTOOD}
    for finding, result in zip(report.findings, results, strict=True):
        assert finding.says in text
        assert f"<code>{finding.code}</code>" in html
        assert result["ruleId"] == finding.code.value
        assert result["level"] == LEVELS[finding.level]
    assert results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "folder/a%20model.onnx"
    assert json.loads(json.dumps(report.as_json()))["multiply_accumulates"] == report.total > 0


def test_all_codes_have_words() -> None:
    assert set(RULES) == set(Code)
    assert set(LEVELS) == set(Level)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not any(name in ("src", "onclick", "onload") for name, _ in attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_loads_nothing_and_is_well_formed() -> None:
    parser = _Tags()
    parser.feed(page(found()))
    assert not parser.open
    assert not parser.tags & {"script", "img", "iframe", "object", "link"}


def test_the_terminal_says_the_same() -> None:
    from rich.console import Console

    report = found()
    console = Console(width=200, record=True, file=None, color_system=None)
    with console.capture() as drawn:
        console.print(rich(report))
    printed = drawn.get()
    for line in lines(report):
        assert line.split("  ")[0].strip() in printed


def test_repeated_hazards_are_told_once() -> None:
    graph = unet(output_padding=1)
    last = graph.by_name["up"]
    again = Graph("two", graph.inputs, (*graph.nodes, Node("up2", last.operation, ("pool",))), graph.outputs)
    text = audit(again, size=(32, 32)).text()
    assert "! up, up2 [uneven-coverage]" in text
