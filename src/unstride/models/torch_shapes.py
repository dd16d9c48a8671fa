"""What a torch program does to shapes alone: views, permuted axes, margins, slices, and steps that do nothing.

Source: aten/src/ATen/native/native_functions.yaml (torch 2.13), for arguments and their defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from ..network import Features, Flatten, Pad, Unflatten
from .pt2_program import LARGEST
from .torch_steps import Feature, Result, Step, Unsaid, count


def reshaped(step: Step) -> Result:
    """A view as a vector, of a vector as features, or both after each other; the batch axis stays."""
    x, made = step.feature(permuted=True), step.made.sizes
    if made == x.sizes:
        return x
    if len(made) < 2 or made[0] != x.sizes[0]:
        raise Unsaid(f"it changes the batch axis: {_shown(x.sizes)} to {_shown(made)}")
    last = (0, *range(2, x.rank + 2), 1)
    if x.order not in ((), last):
        raise Unsaid("the axes of its input are permuted")
    if len(made) == 2:
        return Flatten(channels_last=bool(x.order))
    channels, *size = (length for length in made[1:] if isinstance(length, int))
    if len(size) != len(made) - 2 or count(x.sizes[1:]) is None:
        raise Unsaid(f"its sizes depend on the input's: {_shown(x.sizes)} to {_shown(made)}")
    if count(x.sizes[1:]) != count(made[1:]):
        raise Unsaid(f"it changes the number of elements: {x.sizes} to {made}")
    features = Unflatten(Features(channels, tuple(size)), channels_last=False)
    return features if x.rank == 0 else [Flatten(channels_last=bool(x.order)), features]


def _shown(sizes: tuple[int | str, ...]) -> str:
    return f"({', '.join(str(size) if isinstance(size, int) else 'n' for size in sizes)})"


def permuted(step: Step) -> Result:
    """The same value with its axes in another order, which a later step may take back."""
    x = step.feature(permuted=True)
    rank = len(x.sizes)
    dims = list(range(rank))
    if step.name == "permute":
        dims = [axis % rank for axis in step.integers("dims", rank, 0)]
    else:
        a, b = (0, 1) if step.name == "t" else (step.integer("dim0", 0) % rank, step.integer("dim1", 1) % rank)
        dims[a], dims[b] = dims[b], dims[a]
    if sorted(dims) != list(range(rank)):
        raise Unsaid("its axes are no permutation")
    before = x.order or tuple(range(rank))
    order = tuple(before[axis] for axis in dims)
    return replace(x, sizes=tuple(x.sizes[axis] for axis in dims), order=() if order == tuple(range(rank)) else order)


_MODES: Mapping[str, Literal["constant", "reflect", "edge"]] = {
    "constant": "constant",
    "reflect": "reflect",
    "replicate": "edge",
}


def padded(step: Step) -> Result:
    """``pad``, ``constant_pad_nd``, ``reflection_pad*d``, ``replication_pad*d``: pairs, the last axis first."""
    x = step.feature()
    named = step.name.startswith("re")
    numbers = step.plain("padding" if named else "pad", ())
    if not isinstance(numbers, tuple) or len(numbers) % 2 or not all(type(each) is int for each in numbers):
        raise Unsaid("its margins are no pairs of integers")
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))[::-1]
    margins = tuple([(0, 0)] * max(x.rank - len(pairs), 0) + pairs[max(len(pairs) - x.rank, 0) :])
    if any(pair != (0, 0) for pair in pairs[: max(len(pairs) - x.rank, 0)]):
        raise Unsaid("it pads the channels or the batch")
    if not any(map(any, margins)):
        return x
    word = (
        step.name.partition("_")[0].removesuffix("ion").replace("replicat", "replicate").replace("reflect", "reflect")
    )
    mode = _MODES.get(word if named else step.plain("mode", "constant"))
    if mode is None or (mode != "constant" and min(map(min, margins)) < 0):
        raise Unsaid(f"it pads in the mode {step.plain('mode', word)}")
    return Pad(margins, mode, float(step.number("value", 0.0)) if step.plain("value", None) is not None else 0.0)


def sliced(step: Step) -> Result:
    """``slice`` and ``narrow`` along a spatial axis: margins that drop elements."""
    x = step.feature()
    axis, skip = step.integer("dim", 0) % len(x.sizes), step.integer("step", 1)
    start = 0 if step.plain("start", None) is None else step.integer("start", 0)
    if step.name == "narrow":
        end = start + step.integer("length", 0)
        end = LARGEST if start < 0 <= end else end
    else:
        end = LARGEST if step.plain("end", None) is None else step.integer("end", 0)
    before, after = _dropped(x, axis, start, end)
    if skip != 1:
        raise Unsaid("it takes every second element or fewer")
    if before == after == 0:
        return x
    if axis < 2:
        raise Unsaid("it takes a part of the channels or of the batch")
    margins = [(0, 0)] * x.rank
    margins[axis - 2] = (-before, -after)
    return Pad(tuple(margins))


def _dropped(x: Feature, axis: int, start: int, end: int) -> tuple[int, int]:
    """How many elements a slice drops at both ends."""
    length = x.sizes[axis]
    if isinstance(length, int):
        first, last, _ = slice(start, end).indices(max(length, 0))
        return first, max(length, 0) - max(last, first)
    if start < 0 or LARGEST > end >= 0:
        raise Unsaid("its margins depend on the input's size")
    return start, 0 if end == LARGEST else -end


def same(step: Step) -> Result:
    """A step that leaves its input as it is, in the same element type and shape."""
    x = step.feature(permuted=True)
    if step.flag("train", default=False) or step.flag("training", default=False):
        raise Unsaid("it drops at random: export the module after eval()")
    if step.made.dtype != x.dtype:
        raise Unsaid(f"it changes {x.dtype} to {step.made.dtype}")
    if step.made.sizes != x.sizes:
        raise Unsaid("it repeats its input")
    return x


ALIASES = frozenset({"detach", "alias", "dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"})
"""operators that return their very input at inference"""
_RESHAPES = ("view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze")
_PERMUTES = ("permute", "transpose", "t", "swapaxes")
_MAYBE_COPIES = ("contiguous", "_to_copy", "to", "type_as", "expand", "expand_as")
VIEWS = frozenset({*_RESHAPES, *_PERMUTES, *_MAYBE_COPIES, "slice", "narrow"})
"""operators whose output may share memory with their input"""
_PADS = [f"{name}_pad{rank}d" for name in ("reflection", "replication") for rank in (1, 2, 3)]
SHAPES: Mapping[str, Callable[[Step], Result]] = {
    **dict.fromkeys(_RESHAPES, reshaped),
    **dict.fromkeys(_PERMUTES[:3], permuted),
    **dict.fromkeys(("pad", "constant_pad_nd", *_PADS), padded),
    **dict.fromkeys(("slice", "narrow"), sliced),
    **dict.fromkeys((*ALIASES, *_MAYBE_COPIES, "clone", "native_dropout", "lift_fresh_copy", "lift_fresh"), same),
}
"""aten operator -> how it is read"""
