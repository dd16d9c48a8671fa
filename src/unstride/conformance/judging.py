"""Verdicts: what a runtime's answer to a case amounts to, and how it differs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from ..porting.diagnosis import describe
from .asking import Told
from .cases import Array, Case, Reading


class Verdict(StrEnum):
    """What became of a case; the value is stable and is what JSON holds."""

    AGREES = "agrees"
    """the expected answer, or one that the text allows; a refusal where the node is forbidden"""
    DIFFERS = "differs"
    """another answer; any answer where the node is forbidden"""
    REFUSES = "refuses"
    """an error where there is an answer"""
    CRASHES = "crashes"
    """the process ended, or gave no answer in time"""
    NOT_ASKED = "not asked"
    """the case is about ONNX alone"""


@dataclass(frozen=True, slots=True)
class Judged:
    """One cell of the matrix."""

    case: str
    verdict: Verdict
    how: str = ""
    """how it differs, the runtime's message, or why it was not asked"""
    reading: str | None = None
    """where the text is open: the reading that the runtime takes"""
    steps: tuple[str, ...] = ()
    """what equals the layer, where the framework needs more than one call"""

    def as_json(self) -> dict[str, Any]:
        """The cell as JSON values; what is absent is left out."""
        facts = {"how": self.how, "reading": self.reading, "steps": list(self.steps)}
        told = {key: value for key, value in facts.items() if value}
        return {"case": self.case, "verdict": self.verdict.value, **told}


def crashed(case: Case, message: str) -> Judged:
    """A case that ended the process, or took too long."""
    return Judged(case.name, Verdict.CRASHES, message)


def judge(case: Case, told: Told) -> Judged:
    """The verdict on one answer."""
    if not told.asked:
        return Judged(case.name, Verdict.NOT_ASKED, told.message or "")
    if told.y is None:
        return _judged_refusal(case, told.message or "")
    if case.forbidden:
        return Judged(case.name, Verdict.DIFFERS, f"answers, although the text forbids it: {case.forbidden}")
    for reading in case.readings:
        if not reading.refuses and _equal(case.expected(reading), told.y):
            return Judged(case.name, Verdict.AGREES, reading=reading.name or None, steps=told.steps)
    return Judged(case.name, Verdict.DIFFERS, _difference(case, told.y), steps=told.steps)


def _judged_refusal(case: Case, message: str) -> Judged:
    for reading in case.readings:
        if reading.refuses:
            return Judged(case.name, Verdict.AGREES, message, reading.name or None)
    return Judged(case.name, Verdict.REFUSES, message)


def _equal(expected: Array, got: Array) -> bool:
    return expected.dtype == got.dtype and np.array_equal(expected, got)


def _difference(case: Case, got: Array) -> str:
    """How the answer differs; from the nearest reading, where there are several."""
    readings = [reading for reading in case.readings if not reading.refuses]
    texts = {reading.name: _against(case, reading, got) for reading in readings}
    nearest = min(readings, key=lambda reading: (reading.shape != got.shape, len(texts[reading.name])))
    text = texts[nearest.name]
    return f"none of the readings; from {nearest.name}: {text}" if case.ambiguous else text


def _against(case: Case, reading: Reading, got: Array) -> str:
    expected = case.expected(reading)
    if expected.dtype != got.dtype:
        return f"{got.dtype.name} where {expected.dtype.name} is expected"
    bias = case.load("b")[0] if "b" in case.inputs else None
    text = describe(expected, got, bias=bias, names=("the expected output", "it"))
    ignored = _ignored(case, reading, got)
    return f"{ignored}: {text}" if ignored else text


def _ignored(case: Case, reading: Reading, got: Array) -> str | None:
    """The attribute that, left out, gives this size; None where none does."""
    if got.ndim != len(reading.shape) or got.shape == reading.shape:
        return None
    extras = case.attributes.get("output_padding", [0] * (got.ndim - 2))
    without = tuple(size - extra for size, extra in zip(reading.shape[2:], extras, strict=True))
    if got.shape[2:] == without:
        return "output_padding ignored"
    layer = case.layer(reading)
    natural = tuple(axis.full + extra for axis, extra in zip(layer.axes, extras, strict=True))
    if got.shape[2:] != natural:
        return None
    given = (name for name in ("output_shape", "auto_pad", "pads") if name in case.attributes)
    return next((f"{name} ignored" for name in given), None)
