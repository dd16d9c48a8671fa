"""Findings: what an audit tells, each with a stable code, its level, the node, and the ways out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How much a finding weighs."""

    ERROR = "error"
    """the model cannot run as it stands"""
    HAZARD = "hazard"
    """it runs, and gives other numbers, or fails, elsewhere: in another framework, at another size"""
    NOTE = "note"
    """good to know"""


class Code(StrEnum):
    """What was found; the value is stable and is what reports print."""

    SIZE_MISMATCH = "size-mismatch"
    """values that are joined differ in size for some, or all, input sizes"""
    SIZE_RULE = "size-rule"
    """the network does not take every input size; it takes the one it is made for"""
    OUTPUT_PADDING = "output-padding"
    """an output_padding that is right for some input sizes only"""
    SAME_ASYMMETRIC = "same-asymmetric"
    """SAME padding whose two sides differ: frameworks put the odd element on different sides"""
    AUTO_PAD = "auto-pad"
    """ONNX's auto_pad, which runtimes read differently"""
    HOLES = "holes"
    """outputs that no tap reaches: the bias alone"""
    UNREAD = "unread"
    """inputs that no tap reads"""
    UNEVEN_COVERAGE = "uneven-coverage"
    """more taps meet on some outputs than on others: a checkerboard"""
    UNEVEN_GAIN = "uneven-gain"
    """even coverage, but weights that give the phases different strength: a checkerboard"""
    DISAGREEMENT = "disagreement"
    """frameworks known to compute this very setting differently"""
    NOT_UNDERSTOOD = "not-understood"
    """a step that the audit does not know"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found."""

    code: Code
    level: Level
    node: str | None
    """the operation it is about; None: the whole model"""
    says: str
    """what is the case, with the numbers, in one sentence"""
    fixes: tuple[str, ...] = ()
    """ways out, best first"""
    sources: tuple[str, ...] = ()
    """where it is documented"""

    def as_json(self) -> dict[str, Any]:
        """The finding as JSON values."""
        return asdict(self)
