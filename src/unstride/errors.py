"""The one error type, and the stable reason codes that programs may match on."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why something was rejected; the value is stable and is what `--json` prints."""

    ARGUMENT = "argument"
    """an argument is missing, unknown, given twice, or of the wrong type"""
    CHANNELS = "channels"
    """channel counts that do not fit the weights or each other"""
    DATA_FORMAT = "data-format"
    """an axis order that the framework does not know"""
    DILATION = "dilation"
    """a dilation that is not a positive integer, or that the framework forbids here"""
    DTYPE = "dtype"
    """an array whose element type cannot be computed with"""
    EXPRESSION = "expression"
    """pasted source that is not a literal value"""
    FILE = "file"
    """a file that cannot be read or written"""
    GROUPS = "groups"
    """groups that do not divide the channels, or that the framework does not have"""
    KERNEL = "kernel"
    """a kernel size that is not a positive integer, or a kernel array of the wrong shape"""
    OUTPUT_PADDING = "output-padding"
    """an output padding outside the framework's range"""
    OUTPUT_SHAPE = "output-shape"
    """an output shape that this input cannot have"""
    PADDING = "padding"
    """a padding that the framework does not accept"""
    RANK = "rank"
    """an input with the wrong number of dimensions"""
    SIZE = "size"
    """an input or output size that is zero, negative or not an integer"""
    STRIDE = "stride"
    """a stride that is not a positive integer, or that the framework forbids here"""
    SYNTAX = "syntax"
    """pasted text that is not one line of source"""
    TOO_LARGE = "too-large"
    """sizes whose product overflows, or that do not fit in memory"""
    UNKNOWN_CALL = "unknown-call"
    """a layer or function name that no dialect has"""
    UNSUPPORTED = "unsupported"
    """understood, but outside what the relation describes"""


class UnstrideError(ValueError):
    """A rejected request: the rule, the value received, where, and the way out.

    >>> raise UnstrideError(Reason.STRIDE, "must be at least 1", argument="stride", value=0)
    Traceback (most recent call last):
    ...
    unstride.errors.UnstrideError: stride=0: must be at least 1 [stride]
    """

    def __init__(
        self,
        reason: Reason,
        rule: str,
        *,
        argument: str | None = None,
        value: object = None,
        hint: str | None = None,
        where: str | None = None,
    ) -> None:
        self.reason = reason
        self.rule = rule
        self.argument = argument
        self.value = value
        self.hint = hint
        self.where = where
        super().__init__(str(self))

    @property
    def code(self) -> str:
        """The stable reason code, such as ``"output-padding"``."""
        return self.reason.value

    def __str__(self) -> str:
        subject = f"{self.argument}={_shown(self.value)}: " if self.argument else ""
        text = f"{subject}{self.rule}"
        if self.hint:
            text += f"; {self.hint}"
        text += f" [{self.code}]"
        return f"{text}\n{self.where}" if self.where else text

    def located(self, where: str) -> UnstrideError:
        """The same error, with the place in the user's text added."""
        return UnstrideError(
            self.reason,
            self.rule,
            argument=self.argument,
            value=self.value,
            hint=self.hint,
            where=where,
        )

    def as_json(self) -> dict[str, object]:
        """The error as the ``error`` object of every ``--json`` answer."""
        return {
            "code": self.code,
            "argument": self.argument,
            "value": _shown(self.value) if self.argument else None,
            "rule": self.rule,
            "hint": self.hint,
            "where": self.where,
        }


def _shown(value: object, limit: int = 80) -> str:
    try:
        text = repr(value)
    except ValueError:  # an integer with more digits than Python prints
        text = f"a {type(value).__name__} too long to print"
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
