"""An audit as SARIF 2.1.0, which code hosts show beside a change.

Source: Static Analysis Results Interchange Format (SARIF) Version 2.1.0, OASIS Standard.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .findings import Code, Finding, Level

if TYPE_CHECKING:
    from .audit import Audit

LEVELS = {Level.ERROR: "error", Level.HAZARD: "warning", Level.NOTE: "note"}
RULES = {
    Code.SIZE_MISMATCH: "Values that are joined differ in size",
    Code.SIZE_RULE: "The network does not take every input size",
    Code.OUTPUT_PADDING: "An output_padding that is right for some input sizes only",
    Code.SAME_ASYMMETRIC: "SAME padding whose two sides differ",
    Code.AUTO_PAD: "auto_pad leaves the margins to the runtime",
    Code.HOLES: "Outputs that no tap reaches",
    Code.UNREAD: "Inputs that no tap reads",
    Code.UNEVEN_COVERAGE: "More taps meet on some outputs than on others",
    Code.UNEVEN_GAIN: "Weights that give the phases different strength",
    Code.DISAGREEMENT: "Frameworks are known to compute this setting differently",
    Code.NOT_UNDERSTOOD: "A step that the audit does not know",
}
"""what each code is about, in a few words"""


def sarif(found: Audit, source: str) -> dict[str, Any]:
    """The findings as a SARIF log; ``source`` is the audited file as it was named."""
    from .. import __version__

    rules = [
        {
            "id": code.value,
            "shortDescription": {"text": text},
            "helpUri": "https://distill.pub/2016/deconv-checkerboard/",
        }
        if code in (Code.UNEVEN_COVERAGE, Code.UNEVEN_GAIN, Code.HOLES)
        else {"id": code.value, "shortDescription": {"text": text}}
        for code, text in RULES.items()
    ]
    driver = {"name": "unstride", "version": __version__, "rules": rules}
    results = [_result(finding, source) for finding in found.findings]
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _result(finding: Finding, source: str) -> dict[str, Any]:
    fixes = "".join(f"\n→ {fix}" for fix in finding.fixes)
    place: dict[str, Any] = {"physicalLocation": {"artifactLocation": {"uri": _uri(source)}}}
    if finding.node:
        place["logicalLocations"] = [{"fullyQualifiedName": finding.node, "kind": "member"}]
    return {
        "ruleId": finding.code.value,
        "level": LEVELS[finding.level],
        "message": {"text": finding.says + fixes},
        "locations": [place],
    }


def _uri(source: str) -> str:
    """The file's name as a relative reference, percent-encoded."""
    from urllib.parse import quote

    return quote(Path(source).as_posix())
