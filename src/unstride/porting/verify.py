"""The verb ``verify``: whether two layers, models or functions are the same, and if not, how they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..dialects.spec import checked_shape
from ..errors import Reason, UnstrideError
from ..geometry import DataLayout
from ..live.calling import Called, Layouts
from . import maps
from .comparing import Difference, Kind
from .maps import Answers
from .probes import Side
from .subjects import stated_shape, subjects

Array = NDArray[Any]
ULPS = 128.0
"""how far apart two floating-point outputs may lie, in units of the last place of the largest"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether ``b`` is ``a``; true in a condition where it is."""

    names: tuple[str, str]
    differences: tuple[Difference, ...]
    probes: tuple[str, ...]
    """what both were asked, one line for each input shape"""
    comparison: str
    """what counts as equal"""
    proof: str
    """what follows from the answers, and on what ground"""

    @property
    def same(self) -> bool:
        """Whether no probe tells them apart."""
        return not self.differences

    def __bool__(self) -> bool:
        return self.same

    def __str__(self) -> str:
        return self.text()

    def text(self) -> str:
        """The verdict in lines of text."""
        named = [f"a: {self.names[0]}", f"b: {self.names[1]}"]
        asked = [f"asked: {line}" for line in self.probes]
        if self.same:
            return "\n".join(["same", *named, *asked, f"compared: {self.comparison}", f"so: {self.proof}"])
        told = [f"  {difference}" for difference in self.differences]
        return "\n".join(["different", *told, *named, *asked, f"compared: {self.comparison}"])

    def as_json(self) -> dict[str, Any]:
        """The verdict as JSON values."""
        return {
            "same": self.same,
            "a": self.names[0],
            "b": self.names[1],
            "differences": [difference.as_json() for difference in self.differences],
            "probes": list(self.probes),
            "comparison": self.comparison,
            "proof": self.proof if self.same else None,
        }


def verify(
    a: Any,
    b: Any,
    *,
    input_shape: Sequence[int] | None = None,
    kernel_shape: Sequence[int] | None = None,
    weights: tuple[ArrayLike, ArrayLike | None] | None = None,
    layouts: str | tuple[str | None, str | None] | None = None,
    sizes: Sequence[Sequence[int]] = (),
    ulps: float = ULPS,
    seed: int = 0,
) -> Verdict:
    """Whether ``b`` computes what ``a`` does, on integer inputs that tell every tap and channel apart.

    Each may be a live layer or model of PyTorch, Keras, Flax or Equinox, an ONNX file, a network's graph, a prepared
    layer, or a function of one array. Specs and ports have no weights: both get the same distinct integers, or
    ``weights``, a kernel (in the first one's own layout) and a bias; other functions are then called with these two and
    give the layer. ``input_shape`` is in a's data layout, with or without the batch axis, and may be left out where a
    states it; ``sizes`` are further spatial sizes to try. ``layouts`` names the order of the axes, such as
    ``("NHWC", "NCHW")``, of functions, whose order nothing tells. Integers are compared for equality, anything else
    within ``ulps`` units in the last place of the largest output. Raises UnstrideError where one cannot be called.

    >>> from unstride import parse
    >>> keras = parse("keras.layers.Conv1DTranspose(2, 3, strides=2, padding='same')")
    >>> torch = parse("torch.nn.ConvTranspose1d(3, 2, 3, stride=2, padding=1, output_padding=1)")
    >>> print(verify(keras, torch, input_shape=(1, 4, 3)).differences[0])
    shifted by (-1,): b's output is a's moved 1 element earlier; a crops 0+1 (before+after), b 1+0
    """
    shape = _shape(a, input_shape)
    kernel = None if kernel_shape is None else checked_shape(tuple(kernel_shape), "kernel_shape")
    called = subjects(a, b, shape, kernel, weights, seed)
    ordered = _ordered(called, layouts, len(shape))
    found: list[Difference] = []
    told: list[str] = []
    answers: list[tuple[Answers, Answers]] = []
    for number, each in enumerate(_shapes(shape, ordered[0][0], sizes)):
        sides = _sides(called, ordered, each)
        pair = _asked(sides, each, ordered[0][0], seed, required=number == 0)
        if isinstance(pair, tuple):
            answers.append(pair)
            told.append(f"{each}: {pair[0].words}")
            found += [new for new in maps.told_apart(*pair, sides, ulps) if new not in found]
        elif pair is not None:
            found.append(pair)
            told.append(f"{each}")
        else:
            told.append(f"{each}: both reject it")
    names = called[0].name, called[1].name
    return Verdict(names, tuple(found), tuple(told), *maps.grounds([*answers], ulps))


def _shape(a: Any, given: Sequence[int] | None) -> tuple[int, ...]:
    stated = stated_shape(a) if given is None else tuple(given)
    if stated is not None and stated and stated[0] is None:
        stated = (1, *stated[1:])
    if stated is None or None in stated:
        rule, hint = "is needed: a does not state it", "such as (1, 8, 8, 3), in a's data layout"
        raise UnstrideError(Reason.SIZE, rule, argument="input_shape", value=stated, hint=hint)
    shape = checked_shape(stated, "input_shape")
    if 0 in shape:
        raise UnstrideError(Reason.SIZE, "has no elements to probe", argument="input_shape", value=shape)
    return shape


def _ordered(
    called: tuple[Called, Called], layouts: str | tuple[str | None, str | None] | None, dimensions: int
) -> tuple[tuple[DataLayout, DataLayout], tuple[DataLayout, DataLayout]]:
    """The layouts of input and output of both; those named win over what the things say."""
    named = (layouts, layouts) if isinstance(layouts, str) or layouts is None else layouts
    found: list[tuple[DataLayout, DataLayout]] = []
    for each, name, letter in zip(called, named, "ab", strict=True):
        if name is not None:
            layout = DataLayout.named(name.upper())
            found.append((layout, layout))
        elif each.layouts is not None:
            found.append(_usual(each.layouts, found[0][0].rank) if found else each.layouts(dimensions))
        else:
            rule = f"nothing tells the order of {letter}'s axes"
            hint = 'give layouts=("NHWC", "NCHW"), those of a and b; on the command line --layouts NHWC,NCHW'
            raise UnstrideError(Reason.DATA_FORMAT, rule, argument=letter, value=each.name, hint=hint)
    return found[0], found[1]


def _usual(layouts: Layouts, rank: int) -> tuple[DataLayout, DataLayout]:
    """The layouts with a batch axis, or without one for what takes none."""
    try:
        return layouts(rank + 2)
    except UnstrideError:
        return layouts(rank + 1)


def _shapes(shape: tuple[int, ...], data: DataLayout, sizes: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """The input's shape, with a batch axis or without, for each of the sizes."""
    if len(shape) == len(data.order) - 1 and data.batched:
        data = DataLayout(data.order.replace("N", ""))
    batch, channels, _ = data.split(shape)
    return [shape, *(data.join(batch, channels, checked_shape(tuple(size), "sizes")) for size in sizes)]


def _sides(
    called: tuple[Called, Called],
    ordered: tuple[tuple[DataLayout, DataLayout], tuple[DataLayout, DataLayout]],
    shape: tuple[int, ...],
) -> tuple[Side, Side]:
    data = ordered[0][0]
    batch = data.split(shape)[0] if len(shape) == len(data.order) else 1
    made = [
        Side(each, *layouts, batch if layouts[0].batched else 1) for each, layouts in zip(called, ordered, strict=True)
    ]
    return made[0], made[1]


def _asked(
    sides: tuple[Side, Side], shape: tuple[int, ...], data: DataLayout, seed: int, *, required: bool
) -> tuple[Answers, Answers] | Difference | None:
    """Both sides' answers; a difference where only one answers, None where neither does."""
    if len(shape) == len(data.order) - 1 and data.batched:
        shape = data.join(1, *DataLayout(data.order.replace("N", "")).split(shape)[1:])
    batch, channels, size = data.split(shape)
    plain = (channels, *size)
    failures = [_failure(side, np.zeros((side.batch, *plain), side.called.dtype)) for side in sides]
    for letter, side, failure in zip("ab", sides, failures, strict=True):
        if failure is not None and required:
            given = side.data.join(batch, channels, size)
            rule = f"rejects an input of shape {given}, {side.data.name}: {failure}"
            hint = "input_shape is in a's data layout; layouts= names the axes of both"
            raise UnstrideError(Reason.SIZE, rule, argument=letter, value=side.called.name, hint=hint)
    if all(failures):
        return None
    for letter, other, failure in zip("ab", "ba", failures, strict=True):
        if failure is not None:
            return Difference(Kind.FAILURE, f"{letter} rejects the size {size}, which {other} takes: {failure}")
    return maps.ask(sides, plain, seed)


def _failure(side: Side, x: Array) -> str | None:
    """The first line of what the thing raises for the input; None where it answers."""
    try:
        side.one(x)
    except Exception as error:
        # frameworks raise anything; what it was is told
        return str(error).strip().partition("\n")[0] or type(error).__name__
    return None
