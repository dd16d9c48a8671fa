"""The explanation in words: one function a section, short sentences, every number the layer's own."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd, prod
from typing import TYPE_CHECKING

from ..dialects import registry
from ..dialects.windows import signed, spelled
from ..geometry import Axis, Layer
from .ambiguity import asking_arguments
from .coverage import TAP_LIMIT, AxisCoverage, is_even
from .elsewhere import MAJOR
from .prose import Section, count
from .reasons import channels, formula, relation, same_remark

if TYPE_CHECKING:
    from .ambiguity import AxisSizes, Choice
    from .derivation import Explanation
    from .elsewhere import Translation
    from .words import Saying

_NAMES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
_ALL = {1: "", 2: " (both axes)", 3: " (all three axes)"}
_SHOWN = 12
"""Most entries of one axis that are printed one by one."""


def tell(found: Explanation, *, details: bool = False) -> tuple[Section, ...]:
    """The sections of one explanation, most important first."""
    told = [
        Section(f"Why the output is {_times(found.layer.output_size)}", tuple(_derivation(found))),
        Section(_edges_title(found.layer), tuple(_edges(found))),
        Section("Which sizes go together", tuple(_sizes(found, details=details))),
        Section(_words_title(found), tuple(_same_words(found, details=details))),
        Section("The same layer elsewhere", tuple(_same_layer(found, details=details))),
        Section("Checkerboard?", tuple(_checkerboard(found, details=details))),
    ]
    if details:
        told.append(Section("Cost and weights", tuple(_cost(found))))
    return tuple(section for section in told if section.lines)


def _kinds(found: Explanation) -> Iterator[tuple[str, int]]:
    """For each kind of axis its name, empty where all axes are alike, and the first such axis."""
    first: dict[object, list[int]] = {}
    for index, window in enumerate(found.windows):
        first.setdefault(window, []).append(index)
    names = _NAMES.get(found.layer.rank, tuple(f"axis {i}" for i in range(found.layer.rank)))
    for indices in first.values():
        yield ("" if len(first) == 1 else " and ".join(names[i] for i in indices), indices[0])


# --- why this size --------------------------------------------------------------------------------------------


def _derivation(found: Explanation) -> Iterator[str]:
    """What all axes have in common is told once."""
    relations = [tuple(relation(axis, transposed=found.layer.transposed)) for axis in found.layer.axes]
    remarks = [same_remark(found, axis) for axis in found.layer.axes]
    alike = len(set(relations)) == 1
    if alike:
        yield from relations[0]
    for name, index in _kinds(found):
        if name:
            yield f"{name}:"
        indent = "  " if name else ""
        if not alike:
            yield from (indent + line for line in relations[index])
        yield from (indent + step for step in found.windows[index].steps)
        yield indent + formula(found.layer.axes[index], transposed=found.layer.transposed)
    yield from filter(None, dict.fromkeys(remarks))
    yield channels(found.layer)
    if found.spec.activation_name:
        yield f"{found.spec.activation_name} is applied to every output element; it changes no size"


# --- crop and pad ---------------------------------------------------------------------------------------------


def _edges_title(layer: Layer) -> str:
    title = "What is cropped" if layer.transposed else "What is padded"
    return title + (_ALL.get(layer.rank, " (every axis)") if len(set(layer.axes)) == 1 else "")


def _edges(found: Explanation) -> Iterator[str]:
    for name, index in _kinds(found):
        axis = found.layer.axes[index]
        label = f"{name}: " if name else ""
        told = _crop(axis, bias=found.layer.bias) if found.layer.transposed else _pad(axis)
        yield from (f"{label}{line}" for line in told)


def _crop(axis: Axis, *, bias: bool) -> Iterator[str]:
    before, after = max(axis.before, 0), max(axis.after, 0)
    if axis.small == 0 or axis.large == 0:
        yield f"there is nothing to crop: input {axis.small}, output {axis.large}"
        return
    if axis.before == 0 and axis.after == 0:
        yield f"nothing: the stamps cover {axis.full} elements and the output keeps them all"
    elif before or after:
        kept = range(before, axis.full - after)
        shown = spelled(kept) if kept else "none of it"
        yield f"{before} before and {after} after: the stamps cover 0…{axis.full - 1}, the output keeps {shown}"
    alone = "only the bias" if bias else "zero"
    for side, margin in (("before the first", axis.before), ("behind the last", axis.after)):
        if margin < 0:
            yield f"the output has {count(-margin, 'element')} {side} stamp: {alone} there"


def _pad(axis: Axis) -> Iterator[str]:
    before, after = max(axis.before, 0), max(axis.after, 0)
    if before or after:
        yield f"{count(before, 'zero')} before and {after} after"
    else:
        yield "nothing" + (": the kernel's steps fit the input exactly" if axis.after == 0 == axis.before else "")
    if axis.after < 0:
        yield f"the last {count(-axis.after, 'input element')} {_are(-axis.after)} never read: no whole step is left"
    if axis.before < 0:
        yield f"the first {count(-axis.before, 'input element')} {_are(-axis.before)} never read"


# --- sizes ----------------------------------------------------------------------------------------------------


def _sizes(found: Explanation, *, details: bool) -> Iterator[str]:
    for (name, _), sizes in zip(_kinds(found), found.sizes, strict=True):
        label = f"{name}: " if name else ""
        if len(sizes.sizes) == 1:
            yield f"{label}small {sizes.small} and large {sizes.sizes[0]} go together, one to one: the stride is 1"
        elif found.layer.transposed:
            yield f"{label}{_shared(sizes)}; so each is a possible output of {sizes.small}"
            yield f"{label}{_chosen(found, sizes)}"
            yield from (f"{label}{line}" for line in _other_choices(sizes, details=details))
        else:
            yield f"{label}{_shared(sizes)}: the remainder is dropped"
            yield f"{label}so the way back is ambiguous; a transposed convolution of {sizes.small} has to choose one"
        if sizes.large not in sizes.sizes:
            yield f"{label}{sizes.large} is not among them: that convolution does not turn it into {sizes.small}"


def _shared(sizes: AxisSizes) -> str:
    first, last = sizes.sizes[0], sizes.sizes[-1]
    every = f"{first} and {last} both" if last - first == 1 else f"{spelled(sizes.sizes)} all"
    return f"a convolution with this kernel, stride and padding turns {every} into {sizes.small}"


def _chosen(found: Explanation, sizes: AxisSizes) -> str:
    asked = [f"{name}={value}" for name, value in asking_arguments(found.spec).items()]
    if asked:
        return f"{', '.join(asked)} asks for {sizes.large}"
    place = {sizes.sizes[0]: ", the smallest", sizes.sizes[-1]: ", the largest"}.get(sizes.large, "")
    return f"nothing in the line asks for one; {found.title} takes {sizes.large}{place}"


def _other_choices(sizes: AxisSizes, *, details: bool) -> Iterator[str]:
    others = [choice for choice in sizes.choices if not choice.chosen]
    named = [choice for choice in others if choice.argument]
    if named and len(named) == len(others):
        shown = named if details or len(named) <= 4 else [*named[:2], named[-1]]
        parts = [f"{choice.argument} gives {choice.size}" for choice in shown]
        yield "to get another: " + ", ".join(parts[:-1] + (["…"] if len(shown) < len(named) else []) + parts[-1:])
        return
    for choice in others if details else others[:2]:
        yield _way(choice)
    if not details and len(others) > 2:
        yield f"(and {len(others) - 2} more)"


def _way(choice: Choice) -> str:
    way = choice.argument or choice.code
    return f"to get {choice.size}: {way}" if way else f"to get {choice.size}: crop or zero-pad the output"


# --- the same words -------------------------------------------------------------------------------------------


def _words_title(found: Explanation) -> str:
    words = found.words.text() if found.words else ""
    return f"The same words elsewhere ({words})"


def _same_words(found: Explanation, *, details: bool) -> Iterator[str]:
    groups: dict[tuple[Axis, ...], list[Saying]] = {}
    for saying in found.same_words:
        if saying.layer is not None:
            groups.setdefault(saying.layer.axes, []).append(saying)
    for axes, sayings in sorted(groups.items(), key=lambda group: group[0] != found.layer.axes):
        yield f"{_difference(found.layer, axes)}: {', '.join(_titled(found, saying) for saying in sayings)}"
        if axes != found.layer.axes or details:
            yield from (f"  {saying.code}" for saying in (sayings if details else sayings[:1]))
    if any(_is_reversed(found, saying) for saying in found.same_words if saying.layer):
        yield "kernel reversed: the taps are stored the other way round; flip the kernel array for the same values"
    for saying in found.same_words:
        if saying.complaint:
            yield f"{_title(saying.dialect)} rejects {saying.code if details else 'them'}: {saying.complaint}"


def _difference(layer: Layer, axes: tuple[Axis, ...]) -> str:
    """How another framework's window differs from this one."""
    if axes == layer.axes:
        return "exactly the same window"
    sizes = [axis.large if layer.transposed else axis.small for axis in axes]
    befores, afters = tuple(axis.before for axis in axes), tuple(axis.after for axis in axes)
    verb = "cropped" if layer.transposed else "padded"
    window = f"{_times(sizes)}, {verb} {_each(befores)} before and {_each(afters)} after"
    if tuple(sizes) != layer.output_size:
        return window
    if not layer.transposed:
        return f"{window} (same size, other values)"
    shifts = {theirs.before - ours.before for theirs, ours in zip(axes, layer.axes, strict=True)} - {0}
    moved = f" by {abs(shifts.pop())}" if len(shifts) == 1 else ""
    return f"{window} (same size, shifted{moved}: other values)"


def _titled(found: Explanation, saying: Saying) -> str:
    return _title(saying.dialect) + (" (kernel reversed)" if _is_reversed(found, saying) else "")


def _is_reversed(found: Explanation, saying: Saying) -> bool:
    return saying.flipped != found.spec.weight_layout(found.layer.rank).flipped


def _title(dialect: str) -> str:
    return registry.named(dialect).title


# --- the same layer -------------------------------------------------------------------------------------------


def _same_layer(found: Explanation, *, details: bool) -> Iterator[str]:
    shown = [translation for translation in found.same_layer if details or translation.dialect in MAJOR]
    width = max((len(translation.title) for translation in shown), default=0)
    for translation in shown:
        yield f"{translation.title:<{width}}  {translation.line}{_reversed(found, translation)}"


def _reversed(found: Explanation, translation: Translation) -> str:
    """A remark where the other kernel array is stored the other way round."""
    rank, target = found.layer.rank, translation.target
    if target is None or target.weight_layout(rank).flipped == found.spec.weight_layout(rank).flipped:
        return ""
    return "  # kernel reversed"


# --- coverage -------------------------------------------------------------------------------------------------


def _checkerboard(found: Explanation, *, details: bool) -> Iterator[str]:
    layer = found.layer
    if layer.transposed:
        met = "products per output along an axis"
    else:
        met = "how often each input element is read along an axis"
    if found.coverage is None:
        yield f"{met}: not listed for kernels or strides beyond {TAP_LIMIT}"
    else:
        for name, index in _kinds(found):
            axis, label = found.coverage.axes[index], f"{name}: " if name else ""
            if axis.axis.large:
                yield f"{label}{met}: {_listed(axis)}"
                yield from (f"{label}{line}" for line in _border(axis, transposed=layer.transposed))
            if details:
                yield from _runs(axis)
    for kind in dict.fromkeys((axis.kernel, axis.stride, axis.dilation) for axis in layer.axes):
        yield _verdict(*kind, transposed=layer.transposed)
    if layer.transposed and max(axis.stride for axis in layer.axes) > 1:
        yield "second cause, whatever the sizes: weights that differ in strength between the phases"


def _listed(coverage: AxisCoverage) -> str:
    axis, shown = coverage.axis, range(coverage.axis.large)
    if axis.large <= _SHOWN:
        return " ".join(str(axis.coverage(large)) for large in shown)
    head = " ".join(str(axis.coverage(large)) for large in shown[:6])
    tail = " ".join(str(axis.coverage(large)) for large in shown[-4:])
    return f"{head} … {tail}"


def _border(coverage: AxisCoverage, *, transposed: bool) -> Iterator[str]:
    inside, large = coverage.interior, coverage.axis.large
    if not inside or (inside.start == 0 and inside.stop == large):
        return
    borders = [r for r in (range(inside.start), range(inside.stop, large)) if r]
    places, one = " and ".join(map(spelled, borders)), sum(map(len, borders)) == 1
    what = ("output" if transposed else "input") + ("" if one else "s")
    have = "has fewer than its" if one else "have fewer than their"
    yield f"{what} {places}, at the border, {have} like inside"


def _verdict(kernel: int, stride: int, dilation: int, *, transposed: bool) -> str:
    if stride == 1:
        return "stride 1: even coverage, no checkerboard from overlap"
    if is_even(Axis(1, 1, kernel, stride, dilation)):
        return f"kernel {kernel} is a multiple of stride {stride}: even coverage, no checkerboard from overlap"
    side = "outputs" if transposed else "inputs"
    result = f"{side} alternate" if transposed else f"{side} alternate, and so do their gradients"
    if gcd(stride, dilation) > 1:
        return f"stride {stride} and dilation {dilation} share a factor: some {side} meet no tap at all"
    if kernel < stride:
        return f"kernel {kernel} is shorter than stride {stride}: some {side} meet no tap at all"
    least = kernel // stride * stride
    return (
        f"kernel {kernel} is no multiple of stride {stride}: uneven coverage, {result}; "
        f"kernel {least} or {least + stride} would be even"
    )


def _runs(coverage: AxisCoverage) -> Iterator[str]:
    for run in coverage.runs[:64]:
        middle = "" if run.count < 3 else f", {run.first + run.step}, …"
        places = f"{run.first}{middle}" + ("" if run.count == 1 else f", {run.last}")
        yield f"  {places}: {count(run.taps, 'tap')}" + ("" if run.complete else " (border)")


# --- cost -----------------------------------------------------------------------------------------------------


def _cost(found: Explanation) -> Iterator[str]:
    cost, layer = found.cost, found.layer
    yield f"{cost.multiply_accumulates:,} multiply-accumulates computed; output × kernel would count {cost.naive:,}"
    layout = found.spec.weight_layout(layer.rank)
    shape = found.spec.kernel_shape(layer)
    bias = ", the bias included" if layer.bias else ""
    yield f"kernel array {shape}: {layout.name}; {count(cost.parameters, 'parameter')}{bias}"
    yield (
        f"float32 bytes: input {cost.input_bytes:,}, output {cost.output_bytes:,}, kernel {cost.weight_bytes:,}"
        f" ({prod(found.output_shape):,} output elements)"
    )


# --- words ----------------------------------------------------------------------------------------------------


def _times(sizes: tuple[int, ...] | list[int]) -> str:
    return " × ".join(map(str, sizes))


def _each(margins: tuple[int, ...]) -> str:
    return signed(margins[0]) if len(set(margins)) == 1 else f"({', '.join(map(str, margins))})"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
