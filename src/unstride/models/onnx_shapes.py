"""ONNX nodes that change a value's size, rank or order of axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from typing import Literal, TypeAlias

from ..network import Features, Flatten, Operation, Pad, Resize, Unflatten
from .onnx_step import Result, Step, UnknownError, Value, channels_last, standard

Mode: TypeAlias = Literal["constant", "reflect", "edge"]
_MODES: Mapping[str, Mode] = {"constant": "constant", "reflect": "reflect", "edge": "edge"}
_OPEN_END = 2**31 - 1
"""an end from here on means: to the end"""


def pad(step: Step) -> Result:
    """``Pad`` of spatial axes; negative margins drop elements."""
    margins = step.whole(1, "pads") if step.opset >= 11 else step.ints("pads")
    mode = _MODES.get(step.text("mode", "constant"))
    if margins is None or mode is None:
        raise UnknownError("margins that are not in the file, or a mode that is not constant, reflect or edge")
    order = step.x.order or ""
    axes = step.whole(3, "axes") if step.given(3) is not None else tuple(range(len(order)))
    letters = step.letters(axes or ())
    if len(margins) != 2 * len(letters) or len(set(letters)) < len(letters):
        raise UnknownError(f"{len(margins)} margins for {len(letters)} axes")
    pairs = dict(zip(letters, zip(margins[: len(letters)], margins[len(letters) :], strict=True), strict=True))
    value = _value(step) if mode == "constant" else 0.0
    return _margins(step.x, pairs, mode, value)


def _value(step: Step) -> float:
    if step.opset < 11:
        return step.number("value", 0.0)
    values = step.numbers(2, "value") or (0.0,)
    if len(values) != 1:
        raise UnknownError("a value that is no number")
    return float(values[0])


def _margins(x: Value, pairs: Mapping[str, tuple[int, int]], mode: Mode, value: float) -> Result:
    """The margins in the network's own order of axes."""
    if any(pair != (0, 0) for letter, pair in pairs.items() if not letter.isdigit()):
        raise UnknownError("it changes the batch or the channels")
    order = x.order or ""
    margins = tuple(pairs.get(letter, (0, 0)) for letter in sorted(order) if letter.isdigit())
    if not any(map(any, margins)):
        return Result((), (x,), x.order)
    if mode == "reflect" and min(map(min, margins)) < 0:
        raise UnknownError("a reflection with negative margins")
    return Result((Pad(margins, mode, value),), (x,), x.order)


def slice_(step: Step) -> Result:
    """``Slice`` of spatial axes, in steps of one, from the front or the end by a fixed number."""
    if step.opset >= 10:
        parts = [step.whole(index, name) for index, name in enumerate(("starts", "ends", "axes", "steps"), start=1)]
    else:
        parts = [step.ints(name) for name in ("starts", "ends", "axes")] + [None]
    starts, ends, axes, steps = parts
    if starts is None or ends is None or any(each != 1 for each in steps or ()):
        raise UnknownError("steps other than one, or ends that are not in the file")
    letters = step.letters(axes if axes is not None else tuple(range(len(starts))))
    if not len(starts) == len(ends) == len(letters):
        raise UnknownError("starts, ends and axes of different lengths")
    pairs = {}
    for letter, start, end in zip(letters, starts, ends, strict=True):
        pairs[letter] = _dropped(step.x, letter, start, end)
    return _margins(step.x, pairs, "constant", 0.0)


def _dropped(x: Value, letter: str, start: int, end: int) -> tuple[int, int]:
    """Margins that leave ``[start:end]``; where the length is not known, both must be counted from their own side."""
    length = _length(x, letter)
    if length is not None:
        first, last, _ = slice(start, end).indices(length)
        return -first, -(length - max(first, last))
    if start >= 0 and end >= _OPEN_END:
        return -start, 0
    if start >= 0 and end < 0:
        return -start, end
    raise UnknownError(f"[{start}:{end}] of an axis whose length the file leaves open")


def _length(x: Value, letter: str) -> int | None:
    if x.features is None or not letter.isdigit():
        return x.channels if letter == "C" else None
    return x.features.size[int(letter)]


# --- resizing -------------------------------------------------------------------------------------------------


def resize(step: Step) -> Result:
    """``Resize`` and ``Upsample`` by whole factors: elements repeated, or interpolated between pixel centres."""
    factors = _factors(step)
    letters = step.letters(tuple(range(len(step.x.order or ""))))
    if any(factors[letter] != 1 for letter in letters if not letter.isdigit()):
        raise UnknownError("it resizes the batch or the channels")
    spatial = [factors[letter] for letter in sorted(letters) if letter.isdigit()]
    if any(factor < 1 or factor != int(factor) for factor in spatial):
        raise UnknownError(f"factors that are no whole numbers: {spatial}")
    operation = Resize(tuple(map(int, spatial)), _mode(step, max(spatial, default=1)))
    return Result((operation,), (step.x,), step.x.order)


def _factors(step: Step) -> dict[str, float]:
    order = step.x.order or ""
    axes = step.ints("axes")
    letters = step.letters(tuple(range(len(order))) if axes is None else axes)
    scales, sizes = _scales(step), step.whole(3, "sizes") if step.opset >= 11 else None
    if step.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise UnknownError("factors that depend on the aspect ratio")
    if not scales and sizes:
        lengths = [_length(step.x, letter) for letter in letters]
        if len(sizes) != len(letters):
            raise UnknownError("sizes that do not fit the axes")
        known = zip(sizes, lengths, letters, strict=True)
        scales = tuple(1.0 if letter == "N" else made / had if had else 0.0 for made, had, letter in known)
    if not scales or len(scales) != len(letters):
        raise UnknownError("factors that are computed, not numbers in the file")
    return dict.fromkeys(order, 1.0) | dict(zip(letters, scales, strict=True))


def _scales(step: Step) -> tuple[float, ...] | None:
    if step.kind == "Upsample" and step.opset < 9:
        return step.floats("scales")
    return step.numbers(1 if step.opset < 11 else 2, "scales")


def _mode(step: Step, factor: float) -> Literal["nearest", "linear"]:
    """The mode, where its rule is one of ours.

    Between the centres, ``(j + ½) / f − ½`` is never halfway between two elements for a whole f, so that every way to
    round gives ``⌊j / f⌋`` but floor and ceil.
    """
    mode = step.text("mode", "nearest")
    old = step.opset < 11
    where = step.text("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    rounding = step.text("nearest_mode", "floor" if old else "round_prefer_floor")
    centred = where in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric")
    if mode == "nearest":
        cut = where == "asymmetric" and (rounding == "floor" or (factor <= 2 and rounding == "round_prefer_floor"))
        if cut or (centred and rounding.startswith("round_prefer")):
            return "nearest"
    elif mode == "linear" and centred and not step.integer("antialias", 0):
        return "linear"
    raise UnknownError(f"mode {mode} with coordinates {where}, rounded by {rounding}")


# --- rank and order -------------------------------------------------------------------------------------------


def transpose(step: Step) -> Result:
    """``Transpose``: the network's values stay as they are, the order of the axes in the file changes."""
    x = step.x
    if x.order is None:
        raise UnknownError("nothing tells what its axes are")
    permutation = step.ints("perm") or tuple(range(len(x.order)))[::-1]
    if sorted(permutation) != list(range(len(x.order))):
        raise UnknownError(f"perm={list(permutation)} for {len(x.order)} axes")
    order = "".join(x.order[axis] for axis in permutation)
    if order[:1] != "N":
        raise UnknownError("it moves the batch")
    return Result((), (x,), order)


def flatten(step: Step) -> Result:
    """``Flatten`` of all but the batch."""
    x = step.x
    axis = step.integer("axis", 1)
    if axis != 1 and (x.order is None or axis != 1 - len(x.order)):
        raise UnknownError("it joins the batch with other axes")
    return _flattened(x)


def _flattened(x: Value) -> Result:
    if x.order == "NC":
        return Result((), (x,), "NC")
    if not (x.first or x.last) or x.order is None:
        raise UnknownError("nothing tells the order of its input's axes, or it is neither channels first nor last")
    return Result((Flatten(channels_last=x.last),), (x,), "NC")


def reshape(step: Step) -> Result:
    """``Reshape`` to a vector for each example, or of a vector to channels and positions."""
    shape = step.whole(1, "shape") if step.opset >= 5 else step.ints("shape")
    x = step.x
    if shape is None or not shape or step.integer("allowzero", 0) or x.order is None:
        raise UnknownError("a shape that is not in the file, or an input of which nothing is known")
    batch, *rest = shape
    if batch == 1 and rest == [-1] and step.batch != 1:
        raise UnknownError(f"to {list(shape)}: it joins the examples of a batch, and the file does not fix it to one")
    if len(rest) == 1 and _keeps_batch(batch, rest[0], x):
        return _flattened(x)
    if x.order == "NC" and len(rest) > 1 and min(rest) > 0 and _keeps_batch(batch, prod(rest), x):
        return _unflattened(x, tuple(rest), step.layout or standard(len(rest) - 1))
    raise UnknownError(f"to {list(shape)}, neither a vector for each example nor channels and positions")


def _keeps_batch(batch: int, count: int, x: Value) -> bool:
    """Whether a shape that starts so has the input's batch."""
    own = prod((x.features.channels, *x.features.size)) if x.features else x.channels if x.order == "NC" else None
    return count == own or (count == -1 and (batch == 0 or (batch == 1 and own is not None)))


def _unflattened(x: Value, rest: tuple[int, ...], order: str) -> Result:
    last = order == channels_last(len(rest) - 1)
    if order not in (standard(len(rest) - 1), channels_last(len(rest) - 1)):
        raise UnknownError("what follows takes it neither channels first nor last")
    features = Features(rest[-1], rest[:-1]) if last else Features(rest[0], rest[1:])
    return Result((Unflatten(features, channels_last=last),), (x,), order)


def _axes(step: Step) -> tuple[int, ...] | None:
    return step.whole(1, "axes") if step.opset >= 13 else step.ints("axes")


def squeeze(step: Step) -> Result:
    """``Squeeze`` of all spatial axes, which have one element."""
    x, axes = step.x, _axes(step)
    order = x.order or ""
    if axes is None and (step.batch in (None, 1) or x.channels in (None, 1)):
        raise UnknownError("without axes it drops the batch and the channels too where they are one")
    letters = step.letters(axes) if axes is not None else tuple(order[1:].replace("C", ""))
    if not x.pooled or sorted(letters) != sorted(letter for letter in order if letter.isdigit()):
        raise UnknownError("its axes are not all spatial axes, of one element each")
    return Result((Flatten(channels_last=False),), (replace(x, order=standard(len(order) - 2)),), "NC")


def unsqueeze(step: Step) -> Result:
    """``Unsqueeze`` of a vector: channels at one position."""
    x, axes = step.x, _axes(step)
    if x.order != "NC" or x.channels is None or not axes:
        raise UnknownError("its input is no vector of a known length")
    rank = len(axes) + 2
    if any(not -rank <= axis < rank for axis in axes) or len({axis % rank for axis in axes}) < len(axes):
        raise UnknownError(f"axes {axes} of {rank}")
    new = iter("0123456789")
    old = iter("NC")
    order = "".join(next(new if place in {axis % rank for axis in axes} else old) for place in range(rank))
    if order[0] != "N":
        raise UnknownError("an axis before the batch")
    operation: Operation = Unflatten(Features(x.channels, (1,) * len(axes)), channels_last=False)
    return Result((operation,), (x,), order)


HANDLERS: Mapping[str, Callable[[Step], Result]] = {
    "Pad": pad,
    "Slice": slice_,
    "Resize": resize,
    "Upsample": resize,
    "Transpose": transpose,
    "Flatten": flatten,
    "Reshape": reshape,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
}
