"""The verb ``verify``: whether two layers, models or functions are the same, and if not, how they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..dialects.spec import Source, checked_shape
from ..errors import Reason, UnstrideError
from ..geometry import DataLayout
from ..live.calling import Called, Layouts
from . import maps
from .comparing import Difference, Kind
from .maps import Answers
from .probes import DENSE, REACH, Side
from .subjects import resolved, stated_shape, subjects, usual_layout

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

    Each may be a line of source, a model's file (.onnx, .keras, .pt2), a live layer or model of PyTorch, Keras, Flax or
    Equinox, a network's graph, a prepared layer, or a function of one array. Lines, specs and ports have no weights:
    both get the same distinct integers, or ``weights``, a kernel (in the first one's own layout) and a bias; other
    functions are then called with these two and give the layer. ``input_shape`` is in a's data layout, with or without
    the batch axis, and may be left out where one of them states it; ``sizes`` are further spatial sizes to try.
    ``layouts`` names the order of the axes, such as ``("NHWC", "NCHW")``, of functions, whose order nothing tells.
    Integers are compared for equality, anything else within ``ulps`` units in the last place of the largest output.
    Where these show nothing, numbers from 1/16 to 1024 are tried, which show what is clipped or rounded. Raises
    UnstrideError where one cannot be called, or answers with nothing that is finite.

    >>> keras = "keras.layers.Conv1DTranspose(2, 3, strides=2, padding='same')"
    >>> torch = "torch.nn.ConvTranspose1d(3, 2, 3, stride=2, padding=1, output_padding=1)"
    >>> print(verify(keras, torch, input_shape=(1, 4, 3)).differences[0])
    shifted by (-1,): b's output is a's moved 1 element earlier; a crops 0+1 (before+after), b 1+0
    """
    a, b = resolved(a), resolved(b)
    shape = _shape(a, b, input_shape, layouts)
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
            new = maps.told_apart(*pair, sides, ulps)
            if not new:
                _check_finite(pair, called[0].name)
                pair, bent = maps.at_scales(pair, sides, ulps, seed)
                new = (bent,) if bent is not None and all(bent.kind != each.kind for each in found) else ()
            answers.append(pair)
            told.append(f"{each}: {pair[0].words}")
            found += [difference for difference in new if difference not in found]
        elif pair is not None:
            found.append(pair)
            told.append(f"{each}")
        else:
            told.append(f"{each}: both reject it")
    names = called[0].name, called[1].name
    return Verdict(names, tuple(found), tuple(told), *_grounds([*answers], ulps))


def _check_finite(pair: tuple[Answers, Answers], name: str) -> None:
    if not any(each.finite for each in pair):
        rule, hint = "gives no finite number for any input, and b neither", "look for NaN among the weights"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="a", value=Source(name), hint=hint)


Named: TypeAlias = str | tuple[str | None, str | None] | None
"""the orders of the axes of both, of each, or of none"""


def _shape(a: Any, b: Any, given: Sequence[int] | None, layouts: Named) -> tuple[int, ...]:
    """The input's shape in a's layout: as given, as a states it, or as b does."""
    stated: Sequence[int | None] | None = _stated(a) if given is None else tuple(given)
    if stated is None or None in stated:
        stated = _stated_by_other(a, b, layouts) or stated
    if stated is None or None in stated:
        raise _open(a, stated, layouts)
    shape = checked_shape(tuple(stated), "input_shape")
    if 0 in shape:
        raise UnstrideError(Reason.SIZE, "has no elements to probe", argument="input_shape", value=shape)
    return shape


def _stated(thing: Any) -> tuple[int | None, ...] | None:
    """The shape that the thing states, of one image where it leaves that open."""
    stated = stated_shape(thing)
    return (1, *stated[1:]) if stated and stated[0] is None else stated


def _layout(thing: Any, named: str | None, dimensions: int | None = None) -> DataLayout | None:
    return DataLayout.named(named.upper()) if named is not None else usual_layout(thing, dimensions)


def _each(layouts: Named) -> tuple[str | None, str | None]:
    return (layouts, layouts) if isinstance(layouts, str) or layouts is None else layouts


def _stated_by_other(a: Any, b: Any, layouts: Named) -> tuple[int, ...] | None:
    """The shape that b states, in a's layout; None where it states none, or nothing tells the layouts."""
    stated, (first, second) = _stated(b), _each(layouts)
    if stated is None:
        return None
    known = tuple(size for size in stated if size is not None)
    mine, yours = _layout(a, first, len(stated)), _layout(b, second, len(stated))
    if len(known) < len(stated) or mine is None or yours is None or len(yours.order) != len(known):
        return None
    return mine.join(*yours.split(known)) if mine.rank == yours.rank else None


def _open(a: Any, stated: Sequence[int | None] | None, layouts: Named) -> UnstrideError:
    """What to say where the input's shape is needed, with one that fits as far as a is known."""
    layout = _layout(a, _each(layouts)[0], None if stated is None else len(stated))
    channels = getattr(a, "in_channels", None)
    likely = DataLayout.last(2) if layout is None else layout
    usual = likely.join(1, channels if isinstance(channels, int) else 3, (8,) * likely.rank)
    if stated is not None and len(stated) == len(usual):
        usual = tuple(other if size is None else size for size, other in zip(stated, usual, strict=True))
    rule = "is needed: a does not state it" if stated is None else "is needed: a leaves these sizes open"
    told = "in a's data layout" if layout is None else f"in a's data layout, {layout.name}"
    return UnstrideError(Reason.SIZE, rule, argument="input_shape", value=stated, hint=f"such as {usual}, {told}")


def _ordered(
    called: tuple[Called, Called], layouts: Named, dimensions: int
) -> tuple[tuple[DataLayout, DataLayout], tuple[DataLayout, DataLayout]]:
    """The layouts of input and output of both; those named win over what the things say."""
    named = _each(layouts)
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
        return maps.first_line(error)
    return None


def _grounds(answers: Sequence[tuple[Answers, Answers]], ulps: float) -> tuple[str, str]:
    """What counted as equal, and what follows where all was equal."""
    both = [each for pair in answers for each in pair]
    return _compared(both, ulps), _proof(both)


def _compared(both: list[Answers], ulps: float) -> str:
    dtype = both[0].zero.dtype
    near = f"within {ulps:g} units in the last place ({dtype}) of the largest output"
    if not all(each.exact for each in both):
        return near
    if not all(wide.exact for each in both for wide in each.wide):
        return f"integers up to ±{REACH}, for equality; further numbers {near}"
    return "integers and sixteenths, for equality" if any(each.wide for each in both) else "integers, for equality"


def _proof(both: list[Answers]) -> str:
    count, finite = sum(each.count for each in both[::2]), sum(each.finite for each in both[::2])
    if finite < count:
        bad = f"{count - finite} of {count} outputs are NaN or infinite in both"
        return f"no difference found; {bad}, so that probes are evidence and no proof"
    if not all(each.affine_throughout for each in both):
        return "no difference found; they are not affine, so that probes are evidence and no proof"
    top = f"both are affine up to ±{min(each.wide[-1].scale.top for each in both)}"
    if all(each.basis for each in both):
        return f"the same affine map: the probes are a basis, and {top}"
    if all(each.units is not None for each in both):
        chance = f"by the {DENSE} dense inputs with a chance of error of at most 9^-{DENSE}"
        return f"the same affine map if it reaches no further than measured, and {chance}; {top}"
    return f"the same affine map, with a chance of error of at most 9^-{DENSE}; {top}"
