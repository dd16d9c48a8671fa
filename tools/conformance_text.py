"""What the text of ONNX's ConvTranspose says of a node: the window of its output, or several where it leaves it open.

Written from the operator's own description (onnx/defs/nn/defs.cc, opsets 1, 11 and 22) and from nothing else: no
runtime, no other code of ONNX, and none of ``unstride.dialects``. A window is (before, size): ``size`` elements of the
full extent ``(n − 1)·stride + dilation·(kernel − 1) + 1`` from ``before`` on, zeros outside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

Ints = tuple[int, ...]
Window = tuple[int, int]
"""before and size on one axis"""

SINGLE = ""
"""the name of the reading where there is only one"""

WHY = {
    "clamped": "the crop is never negative (pads are 0 or more), so what is missing is added at the end, "
    "where output_padding adds its elements",
    "halved-to-zero": "the equations for pads as they stand, a division by 2 rounding towards zero: "
    "a negative pad adds zeros on that side",
    "halved-down": "the equations for pads as they stand, a division by 2 rounding down: "
    "a negative pad adds zeros on that side",
    "natural-size": "pads are 0 or more, so that the wanted size cannot be reached: nothing is cropped, nothing added",
    "refused": "pads are 0 or more, so that the wanted size cannot be reached: there is no such layer",
    "padding-counts": "the size is input · stride, and output_padding is part of the total that is cropped, "
    "as it is for output_shape",
    "padding-on-top": "the size is input · stride before output_padding, which adds its elements at the end, "
    "as it does everywhere else",
    "padding-ignored": "the size is input · stride and is settled: output_padding changes nothing",
    "below-dilation": "output_padding is less than the stride or the dilation",
    "below-stride": "output_padding is less than the stride: refused",
    "empty": "the equation gives 0 elements, and an empty tensor has 0 elements",
    "empty-refused": "an output without elements is refused",
    "as-written": "the equations of opset 1: an odd element goes to the start with SAME_UPPER, to the end otherwise",
    "as-corrected": "the equations of opset 11: an odd element goes to the end with SAME_UPPER, to the start otherwise",
    "input-size": "the sentence of opset 1: the output is as large as the input",
    "strided-size": "the sentence of opset 11: the output is as large as the input times the stride",
}
"""reading → the words of the text on which it rests, in ours"""

REFUSING = frozenset({"refused", "below-stride", "empty-refused"})


class Axis(NamedTuple):
    """One axis of a node."""

    small: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    extra: int = 0
    """output_padding"""
    pads: tuple[int, int] = (0, 0)
    wanted: int | None = None
    """output_shape"""

    @property
    def full(self) -> int:
        """Extent of all stamps together."""
        return (self.small - 1) * self.stride + self.dilation * (self.kernel - 1) + 1


class Reading(NamedTuple):
    """One way to take the text: the window it gives on every axis, or None where the node is refused."""

    name: str
    windows: tuple[Window, ...] | None
    also: tuple[str, ...] = ()
    """other readings that give the same here"""


def axes(attributes: dict[str, Any], small: Sequence[int], kernel: Sequence[int]) -> tuple[Axis, ...]:
    """The node's axes, attributes that are left out at their defaults."""
    rank = len(small)
    pads = attributes.get("pads", [0] * (2 * rank))
    return tuple(
        Axis(
            small[i],
            kernel[i],
            attributes.get("strides", [1] * rank)[i],
            attributes.get("dilations", [1] * rank)[i],
            attributes.get("output_padding", [0] * rank)[i],
            (pads[i], pads[rank + i]),
            attributes["output_shape"][i] if "output_shape" in attributes else None,
        )
        for i in range(rank)
    )


def readings(attributes: dict[str, Any], small: Sequence[int], kernel: Sequence[int], opset: int) -> list[Reading]:
    """Every reading that gives another answer, one where the text is clear; the order means nothing."""
    word = attributes.get("auto_pad", "NOTSET")
    found = [_axis(axis, word, opset) for axis in axes(attributes, small, kernel)]
    names = list(dict.fromkeys(name for each in found for name in each if name != SINGLE)) or [SINGLE]
    distinct: dict[tuple[Window, ...] | None, list[str]] = {}
    for name in names:
        windows = tuple(each.get(name) or each[SINGLE] for each in found)
        distinct.setdefault(None if name in REFUSING else windows, []).append(name)
    if len(distinct) == 1:
        return [Reading(SINGLE, next(iter(distinct)))]
    return [Reading(name, windows, tuple(also)) for windows, (name, *also) in distinct.items()]


def _axis(axis: Axis, word: str, opset: int) -> dict[str, Window]:
    found = _sized(axis, word, opset)
    if axis.stride <= axis.extra < axis.dilation:
        return {"below-dilation": found[SINGLE], "below-stride": found[SINGLE]}
    if found.get(SINGLE, (0, 1))[1] == 0:
        return {"empty": found[SINGLE], "empty-refused": found[SINGLE]}
    return found


def _sized(axis: Axis, word: str, opset: int) -> dict[str, Window]:
    upper = word == "SAME_UPPER"
    if axis.wanted is not None:
        total = axis.full + axis.extra - axis.wanted
        if opset < 11 and total % 2:
            return {
                "as-written": (_start(total, upper=not upper), axis.wanted),
                "as-corrected": (_start(total, upper=upper), axis.wanted),
            }
        return _halved(axis.wanted, total, upper=upper)
    if word in ("SAME_UPPER", "SAME_LOWER"):
        return _same(axis, opset, upper=upper)
    begin, end = axis.pads
    return {SINGLE: (begin, axis.full + axis.extra - begin - end)}


def _same(axis: Axis, opset: int, *, upper: bool) -> dict[str, Window]:
    size = axis.small * axis.stride
    if opset < 11 and axis.stride > 1:
        return {
            "input-size": (_start(axis.full - axis.small, upper=upper), axis.small),
            "strided-size": (_start(axis.full - size, upper=upper), size),
        }
    if axis.extra:
        start = _start(axis.full - size, upper=upper)
        return {
            "padding-counts": (_start(axis.full + axis.extra - size, upper=upper), size),
            "padding-on-top": (start, size + axis.extra),
            "padding-ignored": (start, size),
        }
    found = _halved(size, axis.full - size, upper=upper)
    return found if SINGLE in found else {**found, "natural-size": (0, axis.full)}


def _halved(size: int, total: int, *, upper: bool) -> dict[str, Window]:
    """``total`` cropped from both sides; what a negative one means is open."""
    if total >= 0:
        return {SINGLE: (_start(total, upper=upper), size)}
    towards_zero, down = -(-total // 2), total // 2
    return {
        "clamped": (0, size),
        "halved-to-zero": (towards_zero if upper else total - towards_zero, size),
        "halved-down": (down if upper else total - down, size),
        "refused": (0, size),
    }


def _start(total: int, *, upper: bool) -> int:
    """What is cropped in front of a total of 0 or more: its smaller half with SAME_UPPER, else the larger one."""
    if total < 0:
        raise ValueError("a case with two open questions: give it one")
    return total // 2 if upper else total - total // 2
