"""The sentences that say why one axis has its size: the relation, the textbook's formula, what people believe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..dialects.windows import signed
from ..geometry import Axis, Layer
from .prose import count

if TYPE_CHECKING:
    from .derivation import Explanation


def relation(axis: Axis, *, transposed: bool) -> Iterator[str]:
    """The relation with the numbers of this axis."""
    place = "i" if axis.stride == 1 else f"{axis.stride}·i"
    place += " + t" if axis.dilation == 1 else f" + {axis.dilation}·t"
    place += f" {'−' if axis.before > 0 else '+'} {abs(axis.before)}" if axis.before else ""
    taps = count(axis.kernel, "tap")
    if transposed:
        apart = "one element apart" if axis.stride == 1 else f"{axis.stride} elements apart"
        yield f"each input element stamps the kernel ({taps}) into the output, {apart}:"
        yield f"  output[{place}] += input[i]·kernel[t]"
    else:
        yield f"the kernel ({taps}) moves over the input {count(axis.stride, 'element')} at a time:"
        yield f"  output[i] += input[{place}]·kernel[t]"
    sides = ("input", "output") if transposed else ("output", "input")
    yield "the relation: large = stride·small + dilation·tap − before; small is the {}, large the {}".format(*sides)


def formula(axis: Axis, *, transposed: bool) -> str:
    """The textbook's formula, with 2p read as what is really cropped or padded on both sides together."""
    both, small, large = axis.before + axis.after, axis.small, axis.large
    numbers = f"p counts both sides: 2p = before + after = {signed(axis.before)} + {signed(axis.after)} = {both}"
    if transposed:
        sum_ = f"({small} − 1)·{axis.stride} + {axis.span} − {signed(both)} = {large}"
        return f"as textbooks write it: (n − 1)·s + f − 2p = {sum_}; {numbers}"
    division = f"⌊({large} + {signed(both)} − {axis.span}) / {axis.stride}⌋ + 1 = {small}"
    return f"as textbooks write it: ⌊(n + 2p − f) / s⌋ + 1 = {division}; {numbers}"


def channels(layer: Layer) -> str:
    """Where the channels go: they have nothing to do with the sizes."""
    joined = layer.in_channels // layer.groups
    grouped = f" of its group, of which there are {layer.groups}" if layer.groups > 1 else ""
    return (
        f"channels: {layer.in_channels} in, {layer.out_channels} out; "
        f"every output channel sums over {count(joined, 'input channel')}{grouped}"
    )


def same_remark(found: Explanation, axis: Axis) -> str | None:
    """What ``same`` keeps the same; people expect the size, or a padding worked out for stride 1."""
    if found.words is None or found.words.padding != "same" or axis.stride == 1:
        return None
    margins = axis.before + axis.after
    if found.layer.transposed:
        aim = f"At stride {axis.stride} it aims at input·{axis.stride} = {axis.small * axis.stride}"
        if axis.large != axis.small * axis.stride:
            return f"'same' keeps the size only at stride 1. {aim}; here {axis.large} was asked for."
        if found.words.output_padding is None:
            aim += f". The crop is worked out with the real stride: {margins} in all, not span − 1 = {axis.span - 1}"
        return f"'same' keeps the size only at stride 1. {aim}."
    if axis.small != -(-axis.large // axis.stride):
        return None
    return (
        f"'same' keeps the size only at stride 1. At stride {axis.stride} it means the input divided by that, "
        "rounded up. "
        f"The padding is worked out with the real stride: {margins} in all, not span − 1 = {axis.span - 1}."
    )
