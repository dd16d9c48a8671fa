"""The cases of the published suite: a table, theme by theme; ``conformance.py`` makes files of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

Ints = tuple[int, ...]

RULES = {
    "size": "The equation of the output's size: stride · (input − 1) + output_padding + dilation · (kernel − 1) + 1, "
    "less both pads.",
    "pads": "Attribute pads: what is taken away at the begin and at the end of each axis; every value is 0 or more; "
    "pads and auto_pad exclude each other.",
    "output_padding": "Attribute output_padding: elements added at the higher end of an axis, fewer than the stride or "
    "the dilation; it chooses which computed values are kept and changes none.",
    "output_shape": "The equations of the generated pads: total = full + output_padding − output_shape; SAME_UPPER "
    "takes the smaller half from the start, everything else the larger half; pads that are given are ignored; batch "
    "and channels are not part of output_shape.",
    "auto_pad": "Attribute auto_pad: SAME_UPPER and SAME_LOWER make the output input · stride elements long, an odd "
    "element of padding at the end for UPPER and at the start for LOWER; VALID takes nothing away.",
    "weights": "Input W: channels × outputs per group × taps, in the order of cross-correlation turned round: tap t of "
    "input element i lands at i · stride + t · dilation; output channel o belongs to group o ÷ (outputs per group).",
    "bias": "Input B: optional, one number per output channel, added to every element of it.",
    "defaults": "Attributes that are left out: strides 1, dilations 1, pads 0, output_padding 0, group 1, kernel_shape "
    "that of W.",
    "types": "The types that X, W, B and Y may have.",
}
"""What a case rests on: a passage of the operator's text, in our words."""

THEMES = {
    "bias": "The optional third input",
    "groups": "Groups, several outputs per group, depthwise",
    "same": "auto_pad SAME_UPPER and SAME_LOWER",
    "valid": "auto_pad VALID",
    "pads": "Explicit pads, equal and unequal",
    "output-shape": "output_shape, alone and with everything else",
    "output-padding": "output_padding, with strides, pads and dilations",
    "holes": "Strides longer than the kernel",
    "dilation": "Dilated kernels",
    "rank": "One to four spatial axes, every axis different",
    "sizes": "Batches, single elements, kernels longer than the input",
    "types": "Element types and operator sets",
    "opset-1": "The text of opset 1, which contradicts itself",
    "refuse": "Nodes that the text forbids",
}


class Case(NamedTuple):
    """One node and the shapes of its inputs."""

    theme: str
    name: str
    covers: str
    x: Ints
    w: Ints
    attributes: dict[str, Any]
    bias: int = 0
    """elements of B; 0 where there is none"""
    rule: str = "size"
    opset: int = 11
    weights: str = "initializer"
    """initializer or input: how the model holds W and B"""
    dtype: str = "float32"
    forbidden: str | None = None
    """why the text forbids the node"""

    @property
    def outputs(self) -> int:
        """Output channels."""
        return self.w[1] * int(self.attributes.get("group", 1))


def cases() -> list[Case]:
    """All cases; every third of a theme takes its weights as inputs, every fourth is of opset 22."""
    from tools import conformance_edges as edges

    makers = (
        *(_bias, _groups, _same, _valid, _pads, _output_shape, _output_padding, _holes, _dilation),
        *(edges.rank, edges.sizes, edges.types, edges.opset_1, edges.refuse),
    )
    found = []
    for make in makers:
        for number, case in enumerate(make()):
            changes: dict[str, Any] = {}
            if number % 3 == 2 or case.opset == 1:  # opset 1 knows no initializer that is not an input as well
                changes["weights"] = "input"
            if number % 4 == 3 and case.opset == 11 and case.rule != "defaults":
                changes["opset"] = 22
            found.append(case._replace(**changes))
    return found


def case(
    theme: str,
    name: str,
    covers: str,
    size: Sequence[int],
    kernel: Sequence[int],
    channels: tuple[int, int] = (2, 3),
    batch: int = 1,
    *,
    bias: bool = False,
    rule: str = "size",
    opset: int = 11,
    dtype: str = "float32",
    **attributes: Any,
) -> Case:
    """A case from its input channels and outputs per group; attributes by their own names."""
    small, per_group = channels
    made = per_group * int(attributes.get("group", 1)) if bias else 0
    x, w = (batch, small, *size), (small, per_group, *kernel)
    return Case(theme, name, covers, x, w, attributes, made, rule, opset, dtype=dtype)


def shared(**given: Any) -> dict[str, Any]:
    """Arguments of ``case`` that several cases share."""
    return given


def _bias() -> Iterator[Case]:
    ranks = {1: ((4,), (3,)), 2: ((3, 2), (2, 3)), 3: ((2, 3, 2), (3, 2, 2))}
    settings: dict[str, tuple[str, dict[str, list[int]]]] = {
        "plain": ("one number per output channel", {}),
        "stride": ("every element gets it once, however many stamps meet there", {"strides": [2, 1, 2]}),
        "holes": ("elements that no stamp reaches hold the bias", {"strides": [4, 4, 4]}),
        "tail": ("what output_padding adds behind the last stamp holds the bias", {"strides": [5, 5, 5]}),
    }
    for rank, (size, kernel) in ranks.items():
        for word, (covers, lists) in settings.items():
            given: dict[str, Any] = {name: values[:rank] for name, values in lists.items()}
            if word == "tail":
                given["output_padding"] = [2, 3, 1][:rank]
            yield case("bias", f"bias-{word}-{rank}d", covers, size, kernel, bias=True, rule="bias", **given)
    groups = "each group's outputs have their own part of the bias"
    yield case("bias", "bias-groups", groups, (3, 3), (2, 2), (4, 2), bias=True, rule="bias", group=2)
    yield case("bias", "bias-depthwise", groups, (3, 3), (2, 2), (3, 1), bias=True, rule="bias", group=3)
    yield case("bias", "bias-batch", "every image gets the same bias", (3,), (2,), batch=3, bias=True, rule="bias")
    yield case("bias", "bias-one-output", "one output channel", (3, 3), (2, 2), (3, 1), bias=True, rule="bias")
    yield case("bias", "bias-one-input", "one input channel", (3, 3), (2, 2), (1, 4), bias=True, rule="bias")
    shown = "the bias is not cropped"
    yield case("bias", "bias-pads", shown, (3, 4), (3, 3), bias=True, rule="bias", strides=[2, 2], pads=[1, 0, 0, 2])
    far = "pads take every stamp away but those of the middle; the bias stays"
    yield case("bias", "bias-far-pads", far, (5,), (2,), bias=True, rule="bias", pads=[2, 2])
    as_long = "the bias has as many elements as the last axis of the output, and belongs to the channels"
    yield case("bias", "bias-as-long-as-the-last-axis", as_long, (2, 3), (2, 2), (2, 4), bias=True, rule="bias")
    square = "output channels, height and width are the same number"
    yield case("bias", "bias-square", square, (2, 2), (2, 2), (2, 3), bias=True, rule="bias")


def _groups() -> Iterator[Case]:
    shapes = {
        "2-of-1": ((2, 1), 2, "two groups of one input and one output"),
        "2-of-3": ((2, 3), 2, "one input and three outputs per group"),
        "2x2-of-1": ((4, 1), 2, "two inputs and one output per group"),
        "2x2-of-3": ((4, 3), 2, "two inputs and three outputs per group"),
        "3x2-of-2": ((6, 2), 3, "three groups of two inputs and two outputs"),
        "depthwise": ((3, 1), 3, "as many groups as channels"),
        "depthwise-of-2": ((3, 2), 3, "as many groups as channels, two outputs each"),
    }
    for word, (channels, group, covers) in shapes.items():
        for bias in (False, True):
            name = f"groups-{word}{'-bias' if bias else ''}"
            yield case("groups", name, covers, (3, 2), (2, 3), channels, bias=bias, rule="weights", group=group)
    settings: dict[str, dict[str, Any]] = {
        "stride": {"strides": [2, 3]},
        "pads": {"strides": [2, 2], "pads": [1, 0, 0, 1]},
        "dilation": {"dilations": [2, 1]},
        "output-padding": {"strides": [3, 2], "output_padding": [2, 1]},
    }
    for word, lists in settings.items():
        covers = f"groups with {', '.join(lists)}"
        yield case("groups", f"groups-{word}", covers, (3, 2), (2, 3), (4, 2), rule="weights", group=2, **lists)
    covers = "groups with auto_pad"
    for word in ("SAME_UPPER", "SAME_LOWER"):
        name = f"groups-{word.lower().replace('_', '-')}"
        given = shared(auto_pad=word, strides=[2, 2])
        yield case("groups", name, covers, (2, 3), (3, 3), (4, 2), bias=True, rule="weights", group=2, **given)
    covers = "groups in one dimension and in three"
    yield case("groups", "groups-1d", covers, (4,), (3,), (4, 2), bias=True, rule="weights", group=2, strides=[2])
    yield case("groups", "groups-3d", covers, (2, 2, 2), (2, 1, 2), (4, 2), bias=True, rule="weights", group=2)
    covers = "groups with more than one image"
    yield case("groups", "groups-batch", covers, (2, 2), (2, 2), (4, 2), 3, bias=True, rule="weights", group=2)


def _same() -> Iterator[Case]:
    for word, stride, kernel in product(("SAME_UPPER", "SAME_LOWER"), (1, 2, 3), (1, 2, 3, 4, 5)):
        side = word.removeprefix("SAME_").lower()
        excess = kernel - stride
        what = "an odd excess" if excess % 2 else "an even excess" if excess else "no excess"
        covers = f"{what} of the kernel over the stride" if excess >= 0 else "a kernel shorter than the stride"
        name = f"same-{side}-k{kernel}-s{stride}"
        yield case("same", name, covers, (4,), (kernel,), bias=True, rule="auto_pad", auto_pad=word, strides=[stride])
    for word in ("SAME_UPPER", "SAME_LOWER"):
        side = word.removeprefix("SAME_").lower()
        two = {"odd-odd": (3, 5), "odd-even": (3, 4), "even-odd": (4, 3), "even-even": (4, 2)}
        for which, kernel2 in two.items():
            covers = f"{which.replace('-', ' by ')} kernel, stride 2"
            name = f"same-{side}-2d-{which}"
            given = shared(rule="auto_pad", auto_pad=word)
            yield case("same", name, covers, (3, 2), kernel2, strides=[2, 2], **given)
        covers = "an odd excess on the depth only"
        yield case("same", f"same-{side}-3d", covers, (2, 2, 2), (3, 2, 1), **given, strides=[2, 2, 1])
        covers = "the excess is that of the dilated kernel"
        yield case("same", f"same-{side}-dilated", covers, (3, 4), (2, 3), **given, strides=[1, 2], dilations=[4, 2])
        covers = "without strides every excess is the kernel less one"
        yield case("same", f"same-{side}-no-strides", covers, (3, 4), (4, 3), **given)
        covers = "output_padding beside auto_pad: three readings of the text"
        for kernel1 in (3, 4):
            name = f"same-{side}-output-padding-k{kernel1}"
            yield case("same", name, covers, (3,), (kernel1,), **given, strides=[2], output_padding=[1])


def _valid() -> Iterator[Case]:
    given = shared(rule="auto_pad", auto_pad="VALID")
    nothing = "nothing is taken away"
    yield case("valid", "valid-1d", nothing, (4,), (3,), **given)
    yield case("valid", "valid-2d", nothing, (3, 2), (2, 3), **given)
    yield case("valid", "valid-3d", nothing, (2, 2, 2), (2, 1, 2), bias=True, **given)
    yield case("valid", "valid-strides", nothing, (3, 3), (3, 2), **given, strides=[2, 2])
    yield case("valid", "valid-dilations", nothing, (3, 3), (3, 2), **given, dilations=[2, 3])
    yield case("valid", "valid-holes", "the last stamp ends the output", (3,), (2,), bias=True, **given, strides=[4])
    more = "output_padding still adds its elements"
    yield case("valid", "valid-output-padding", more, (3,), (3,), **given, strides=[3], output_padding=[2])
    yield case("valid", "valid-groups", nothing, (3, 2), (2, 2), (4, 2), bias=True, **given, group=2, strides=[2, 1])


def _pads() -> Iterator[Case]:
    one: dict[str, tuple[str, list[int]]] = {
        "equal": ("as much from either end", [1, 1]),
        "begin": ("from the begin only", [2, 0]),
        "end": ("from the end only", [0, 2]),
        "unequal": ("more from the end", [1, 3]),
        "long": ("more from the begin than the kernel is long", [4, 1]),
        "one-left": ("all but one element", [2, 6]),
    }
    for word, (covers, pads) in one.items():
        yield case("pads", f"pads-1d-{word}", covers, (4,), (3,), rule="pads", strides=[2], pads=pads)
    two: dict[str, tuple[str, list[int]]] = {
        "order": ("all begins come before all ends", [1, 0, 0, 2]),
        "rows": ("rows only", [1, 2, 0, 0]),
        "first-axis": ("the first axis only", [1, 0, 2, 0]),
        "last-axis": ("the last axis only", [0, 1, 0, 2]),
        "four": ("four different numbers", [0, 1, 2, 3]),
    }
    for (word, (covers, pads)), stride in product(two.items(), (1, 2)):
        name = f"pads-2d-{word}-s{stride}"
        yield case("pads", name, covers, (4, 5), (3, 2), (1, 2), rule="pads", strides=[stride] * 2, pads=pads)
    six = "six different numbers"
    yield case("pads", "pads-3d", six, (3, 3, 4), (3, 3, 2), (1, 2), rule="pads", pads=[0, 1, 2, 2, 1, 0])
    given = shared(rule="pads", strides=[2, 2, 2], pads=[1, 0, 3, 0, 2, 1])
    yield case("pads", "pads-3d-strides", six, (3, 3, 3), (3, 2, 3), (1, 2), **given)
    explicit: dict[str, Any] = {"rule": "pads", "pads": [1, 0, 0, 1]}
    covers = "auto_pad NOTSET, written out, is no auto_pad"
    yield case("pads", "pads-notset", covers, (3, 3), (3, 3), **explicit, auto_pad="NOTSET")
    covers = "kernel_shape says what W says"
    yield case("pads", "pads-kernel-shape", covers, (3, 3), (3, 2), **explicit, kernel_shape=[3, 2])
    covers = "pads of a dilated kernel count elements of the output"
    yield case("pads", "pads-dilations", covers, (3, 3), (2, 3), **explicit, dilations=[3, 2])
    yield case("pads", "pads-groups", "groups", (3, 3), (3, 3), (4, 2), bias=True, **explicit, group=2, strides=[2, 2])
    yield case("pads", "pads-batch", "more than one image", (3, 3), (3, 3), batch=2, **explicit, strides=[2, 2])
    covers = "holes: pads may take away more than the kernel covers"
    yield case("pads", "pads-holes", covers, (4,), (2,), bias=True, rule="pads", strides=[4], pads=[3, 2])
    covers = "pads and output_padding on the same end"
    given = shared(rule="pads", strides=[3, 3], pads=[1, 2, 1, 0], output_padding=[2, 1])
    yield case("pads", "pads-output-padding", covers, (3, 3), (3, 3), **given)


def _output_shape() -> Iterator[Case]:
    words = {"notset": None, "upper": "SAME_UPPER", "lower": "SAME_LOWER", "valid": "VALID"}
    for (word, auto_pad), size in product(words.items(), (9, 8, 7, 6)):
        given = shared(rule="output_shape", output_shape=[size], strides=[2])
        given |= {"auto_pad": auto_pad} if auto_pad else {}
        total = 9 - size
        covers = f"{total} to crop: {'odd' if total % 2 else 'even'}" if total else "the natural size: nothing to crop"
        yield case("output-shape", f"output-shape-{word}-{size}-of-9", covers, (4,), (3,), **given)
    for word, auto_pad in words.items():
        given = shared(rule="output_shape") | (shared(auto_pad=auto_pad) if auto_pad else {})
        beyond = "longer than the stamps reach: where the missing elements go is open"
        for size in (8, 9):
            name = f"output-shape-{word}-{size}-of-7"
            yield case("output-shape", name, beyond, (3,), (3,), bias=True, **given, strides=[2], output_shape=[size])
        mixed = "an odd crop on one axis, an even one on the other"
        name = f"output-shape-{word}-2d"
        yield case("output-shape", name, mixed, (3, 3), (3, 4), **given, strides=[2, 2], output_shape=[6, 6])
        counted = "output_padding takes part in the total and does not lengthen the output"
        for extra, size in ((1, 7), (1, 6), (1, 8), (2, 7)):
            name = f"output-shape-{word}-{size}-of-8-output-padding-{extra}"
            lists = shared(strides=[3], output_shape=[size], output_padding=[extra])
            yield case("output-shape", name, counted, (3,), (2,), **given, **lists)
    given = shared(rule="output_shape", strides=[2, 2])
    ignored = "pads beside output_shape are ignored"
    for pads in ([0, 0, 1, 1], [2, 1, 0, 0]):
        name = f"output-shape-pads-{'-'.join(map(str, pads))}"
        yield case("output-shape", name, ignored, (3, 3), (3, 3), **given, output_shape=[6, 5], pads=pads)
    covers = "dilated kernel"
    yield case("output-shape", "output-shape-dilations", covers, (3, 3), (2, 3), **given, output_shape=[6, 7],
               dilations=[2, 2])  # fmt: skip
    covers = "groups and a bias"
    yield case("output-shape", "output-shape-groups", covers, (3, 3), (3, 3), (4, 2), bias=True, **given,
               output_shape=[6, 5], group=2)  # fmt: skip
    given = shared(rule="output_shape", strides=[2, 2, 2], output_shape=[4, 3, 5])
    yield case("output-shape", "output-shape-3d", "three axes", (2, 2, 2), (3, 3, 3), (1, 2), **given)
    covers = "far smaller than the natural size"
    yield case("output-shape", "output-shape-small", covers, (5,), (3,), rule="output_shape", strides=[2],
               output_shape=[3])  # fmt: skip


def _output_padding() -> Iterator[Case]:
    for stride in (2, 3, 4):
        for extra in range(1, stride):
            covers = f"{extra} more, stride {stride}"
            name = f"output-padding-{extra}-s{stride}"
            given = shared(rule="output_padding", strides=[stride], output_padding=[extra])
            yield case("output-padding", name, covers, (3,), (3,), bias=True, **given)
            covers += ", given back from what pads take"
            yield case("output-padding", f"{name}-pads", covers, (3,), (4,), bias=True, **given, pads=[1, 2])
            covers = f"{extra} more, stride {stride}, dilation 2"
            yield case("output-padding", f"{name}-d2", covers, (3,), (3,), **given, dilations=[2], pads=[2, 2])
    given = shared(rule="output_padding", strides=[3, 3], bias=True)
    yield case("output-padding", "output-padding-first-axis", "first axis", (2, 3), (2, 3), **given,
               output_padding=[2, 0])  # fmt: skip
    yield case("output-padding", "output-padding-last-axis", "last axis", (2, 3), (2, 3), **given,
               output_padding=[0, 2])  # fmt: skip
    yield case("output-padding", "output-padding-groups", "groups", (2, 3), (2, 3), (4, 2), **given,
               output_padding=[1, 2], group=2)  # fmt: skip
    given = shared(rule="output_padding", strides=[2, 3, 2], output_padding=[1, 2, 0])
    yield case("output-padding", "output-padding-3d", "three axes", (2, 2, 2), (2, 2, 2), (1, 2), **given)
    for stride, extra, dilation in ((1, 1, 2), (2, 2, 3), (2, 3, 4), (1, 2, 3)):
        covers = "at least the stride, less than the dilation: the text says stride/dilation"
        name = f"output-padding-{extra}-s{stride}-d{dilation}"
        given = shared(rule="output_padding", strides=[stride], dilations=[dilation], output_padding=[extra])
        yield case("output-padding", name, covers, (4,), (3,), **given, pads=[1, 1])


def _holes() -> Iterator[Case]:
    for kernel, stride in ((1, 2), (1, 3), (2, 3), (2, 5)):
        covers = f"kernel {kernel}, stride {stride}: some elements get nothing"
        given = shared(strides=[stride])
        yield case("holes", f"holes-1d-k{kernel}-s{stride}", covers, (4,), (kernel,), **given)
        covers += " but the bias"
        yield case("holes", f"holes-1d-k{kernel}-s{stride}-bias", covers, (4,), (kernel,), bias=True, **given)
    one = "holes along one axis only"
    yield case("holes", "holes-2d-rows", one, (3, 3), (1, 3), bias=True, strides=[2, 2])
    yield case("holes", "holes-2d-columns", one, (3, 3), (3, 1), bias=True, strides=[2, 3])
    yield case("holes", "holes-2d", "holes along both axes", (3, 3), (2, 1), bias=True, strides=[3, 4])
    yield case("holes", "holes-3d", "holes along all axes", (2, 2, 2), (1, 2, 1), bias=True, strides=[2, 3, 3])
    yield case("holes", "holes-dilated", "stride and dilation share a factor: taps fill no gap", (3,), (3,), bias=True,
               strides=[4], dilations=[2])  # fmt: skip
    yield case("holes", "holes-even", "stride 2 and dilation 2: every other element gets nothing", (4,), (3,),
               bias=True, strides=[2], dilations=[2])  # fmt: skip
    yield case("holes", "holes-groups", "groups", (3, 2), (1, 2), (4, 2), bias=True, group=2, strides=[3, 3])
    yield case("holes", "holes-one-element", "one input element", (1, 1), (1, 2), bias=True, strides=[5, 5])


def _dilation() -> Iterator[Case]:
    for stride, dilation in product((1, 2, 3), (2, 3, 4)):
        covers = f"stride {stride}, dilation {dilation}"
        given = shared(strides=[stride], dilations=[dilation])
        yield case("dilation", f"dilation-s{stride}-d{dilation}", covers, (4,), (3,), bias=True, **given)
    yield case("dilation", "dilation-2d-rows", "rows only", (3, 3), (2, 3), dilations=[3, 1])
    yield case("dilation", "dilation-2d-columns", "columns only", (3, 3), (2, 3), dilations=[1, 3])
    yield case("dilation", "dilation-2d-mixed", "strides and dilations differ by axis", (3, 3), (2, 3), strides=[3, 1],
               dilations=[2, 3])  # fmt: skip
    yield case("dilation", "dilation-3d", "three dilations", (2, 3, 2), (2, 2, 3), (1, 2), dilations=[1, 2, 3])
    yield case("dilation", "dilation-3d-strides", "strides too", (2, 2, 2), (2, 2, 2), (1, 2), strides=[3, 2, 1],
               dilations=[1, 2, 3])  # fmt: skip
    yield case("dilation", "dilation-groups", "groups", (3, 3), (2, 2), (4, 2), bias=True, group=2, dilations=[2, 3])
    yield case("dilation", "dilation-depthwise", "depthwise", (3, 3), (3, 2), (3, 1), group=3, dilations=[2, 2])
    yield case("dilation", "dilation-one-tap", "one tap has no dilation", (3, 3), (1, 1), dilations=[3, 5])
    yield case("dilation", "dilation-longer-than-input", "taps farther apart than the input is long", (3,), (3,),
               bias=True, dilations=[5])  # fmt: skip
    yield case("dilation", "dilation-batch", "more than one image", (3, 3), (2, 2), batch=2, dilations=[2, 2])
