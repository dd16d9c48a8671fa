"""More cases of the published suite: ranks, extreme sizes, types, the text of opset 1, and what must be refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tools.conformance_cases import Case, case, shared


def rank() -> Iterator[Case]:
    """One to four spatial axes."""
    yield case("rank", "rank-1", "one axis", (5,), (3,), strides=[2])
    yield case("rank", "rank-2", "two axes, nothing the same", (2, 4), (3, 2), strides=[1, 2], dilations=[2, 1])
    yield case("rank", "rank-3", "three axes, nothing the same", (2, 3, 4), (3, 2, 1), (1, 2), strides=[1, 2, 3])
    yield case("rank", "rank-4", "four axes", (2, 1, 3, 2), (2, 3, 1, 2), (1, 2), strides=[1, 2, 3, 1])
    everything = "every attribute, every axis different"
    pads4 = [0, 1, 0, 1, 1, 0, 2, 0]
    yield case("rank", "rank-4-pads", everything, (2, 2, 2, 2), (3, 2, 3, 2), (1, 2), bias=True, strides=[2, 1, 2, 3],
               pads=pads4, output_padding=[1, 0, 0, 2])  # fmt: skip
    pads3 = [0, 1, 2, 1, 0, 1]
    yield case("rank", "rank-3-everything", everything, (2, 3, 2), (3, 2, 3), (2, 2), bias=True, group=2,
               strides=[1, 2, 3], dilations=[2, 3, 1], pads=pads3, output_padding=[0, 1, 2])  # fmt: skip
    yield case("rank", "rank-2-everything", everything, (3, 2), (2, 3), (4, 2), 2, bias=True, group=2, strides=[3, 2],
               dilations=[2, 1], pads=[1, 2, 0, 1], output_padding=[2, 1], kernel_shape=[2, 3])  # fmt: skip
    yield case("rank", "rank-1-everything", everything, (4,), (3,), (4, 2), 2, bias=True, group=2, strides=[3],
               dilations=[2], pads=[2, 1], output_padding=[1], kernel_shape=[3])  # fmt: skip
    for axis, name in enumerate(("depth", "height", "width")):
        strides = [2 if each == axis else 1 for each in range(3)]
        covers = f"a stride along the {name} only"
        yield case("rank", f"rank-3-stride-{name}", covers, (2, 2, 2), (2, 2, 2), (1, 2), strides=strides)
    for axis, name in enumerate(("height", "width")):
        strides = [3 if each == axis else 1 for each in range(2)]
        yield case("rank", f"rank-2-stride-{name}", f"a stride along the {name} only", (3, 3), (2, 2), strides=strides)


def sizes() -> Iterator[Case]:
    """Extreme sizes."""
    yield case("sizes", "sizes-batch-2", "two images", (3, 3), (2, 2), batch=2, strides=[2, 2])
    yield case("sizes", "sizes-batch-5", "five images", (4,), (3,), batch=5, strides=[2])
    yield case("sizes", "sizes-batch-3d", "two volumes", (2, 2, 2), (2, 2, 2), (1, 2), 2, strides=[2, 1, 1])
    yield case("sizes", "sizes-batch-0", "no image: no element", (3, 3), (2, 2), batch=0, strides=[2, 2])
    yield case("sizes", "sizes-one-element", "one input element: the output is the kernel", (1, 1), (3, 2), (1, 1))
    yield case("sizes", "sizes-one-row", "one row", (1, 5), (3, 3), strides=[2, 2])
    yield case("sizes", "sizes-one-column", "one column", (5, 1), (3, 3), strides=[2, 2])
    yield case("sizes", "sizes-one-tap", "one tap: a product of channels", (3, 4), (1, 1))
    yield case("sizes", "sizes-one-of-everything", "one number times one number", (1,), (1,), (1, 1), bias=True)
    yield case("sizes", "sizes-kernel-longer", "a kernel longer than the input", (2, 3), (5, 4))
    yield case("sizes", "sizes-kernel-longer-strided", "the same, strided", (2, 2), (7, 5), (1, 2), strides=[2, 3])
    yield case("sizes", "sizes-kernel-longer-pads", "the same, cropped", (2, 2), (5, 5), (1, 2), pads=[2, 1, 2, 3])
    yield case("sizes", "sizes-tall-kernel", "a kernel of one column", (3, 3), (4, 1))
    yield case("sizes", "sizes-wide-kernel", "a kernel of one row", (3, 3), (1, 4))
    yield case("sizes", "sizes-long", "a row longer than a vector register", (70,), (3,), (1, 1), strides=[2])
    yield case("sizes", "sizes-long-kernel", "a kernel longer than a vector register", (3,), (67,), (1, 1), strides=[2])
    yield case("sizes", "sizes-many-outputs", "more outputs than a vector register holds", (2,), (2,), (1, 35))
    yield case("sizes", "sizes-many-inputs", "more inputs than a vector register holds", (2,), (2,), (35, 1))
    yield case("sizes", "sizes-kernel-equals-stride", "stamps side by side", (3, 3), (2, 2), strides=[2, 2])
    yield case("sizes", "sizes-long-stride", "a stride longer than the input", (2,), (3,), bias=True, strides=[9])
    empty = "the equation gives 0 elements"
    yield case("sizes", "sizes-empty-output", empty, (3,), (2,), rule="pads", pads=[2, 2])
    yield case("sizes", "sizes-empty-rows", empty, (2, 3), (2, 2), rule="pads", pads=[1, 0, 2, 0])


def types() -> Iterator[Case]:
    """Element types and operator sets."""
    for dtype in ("float64", "float16"):
        short = f"types-{dtype}"
        given = shared(rule="types", dtype=dtype)
        yield case("types", short, f"{dtype} in and out", (3, 3), (2, 2), (1, 2), **given)
        covers = f"{dtype}, strided"
        yield case("types", f"{short}-strides", covers, (3,), (3,), (1, 2), bias=True, **given, strides=[2])
        covers = f"{dtype} with groups"
        yield case("types", f"{short}-groups", covers, (2, 2), (2, 2), (2, 1), bias=True, **given, group=2)
        yield case("types", f"{short}-opset-1", f"{dtype} in opset 1", (3,), (2,), (1, 2), opset=1, **given)
    for opset in (1, 11, 22):
        covers = f"the same node in opset {opset}"
        given = shared(rule="defaults", opset=opset)
        yield case("types", f"types-opset-{opset}", covers, (3, 3), (3, 2), bias=True, **given, strides=[2, 2],
                   pads=[1, 0, 0, 1], output_padding=[1, 0])  # fmt: skip
        yield case("types", f"types-opset-{opset}-plain", covers, (3, 3), (3, 2), **given)


def opset_1() -> Iterator[Case]:
    """Where opset 1 says otherwise than opset 11, or than itself."""
    given = shared(opset=1, rule="output_shape")
    for word in (None, "SAME_UPPER", "SAME_LOWER"):
        name = "notset" if word is None else word.removeprefix("SAME_").lower()
        words = shared(auto_pad=word) if word else {}
        odd = "an odd crop: the equations and the sentence about SAME_UPPER and SAME_LOWER disagree"
        yield case("opset-1", f"opset-1-output-shape-{name}-odd", odd, (3,), (3,), **given, **words, strides=[2],
                   output_shape=[6])  # fmt: skip
        even = "an even crop: all texts agree"
        yield case("opset-1", f"opset-1-output-shape-{name}-even", even, (3,), (3,), **given, **words, strides=[2],
                   output_shape=[5])  # fmt: skip
    for word in ("SAME_UPPER", "SAME_LOWER"):
        name = word.removeprefix("SAME_").lower()
        given = shared(opset=1, rule="auto_pad", auto_pad=word)
        size = "opset 1 makes the output as large as the input, opset 11 as large as the input times the stride"
        yield case("opset-1", f"opset-1-same-{name}-s2", size, (4,), (3,), **given, strides=[2])
        both = "without a stride both texts give the input's size"
        yield case("opset-1", f"opset-1-same-{name}-s1", both, (4,), (4,), **given)


def refuse() -> Iterator[Case]:
    """Nodes that the text forbids."""
    for made, why, changes in (*_forbidden_sizes(), *_forbidden_attributes(), *_forbidden_shapes()):
        yield made._replace(forbidden=why, **changes)


Forbidden = tuple[Case, str, dict[str, Any]]


def _plain(name: str, covers: str, rule: str, **attributes: Any) -> Case:
    return case("refuse", f"refuse-{name}", covers, (3, 3), (3, 3), rule=rule, **attributes)


def _forbidden_sizes() -> Iterator[Forbidden]:
    negative = "the equation gives a negative size"
    yield _plain("negative-size", "pads longer than the output", "size", pads=[3, 3, 3, 3]), negative, {}
    yield _plain("negative-rows", "one axis of negative size", "size", pads=[4, 0, 2, 0]), negative, {}
    wide = case("refuse", "refuse-negative-width", "one axis, strided", (3,), (2,), strides=[2], pads=[6, 2])
    yield wide, negative, {}
    more = "output_padding is not less than the stride, nor than the dilation"
    yield _plain("output-padding-s1", "output_padding 1, stride 1", "output_padding", output_padding=[1, 1]), more, {}
    equal: dict[str, Any] = {"strides": [2, 2], "output_padding": [2, 0]}
    yield _plain("output-padding-equal", "output_padding equal to the stride", "output_padding", **equal), more, {}
    above: dict[str, Any] = {"strides": [2, 2], "dilations": [3, 1], "output_padding": [4, 0]}
    yield _plain("output-padding-above-both", "above stride and dilation", "output_padding", **above), more, {}


def _forbidden_attributes() -> Iterator[Forbidden]:
    both = "pads and auto_pad exclude each other"
    for word in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        name = f"pads-and-{word.lower().replace('_', '-')}"
        yield _plain(name, f"pads beside auto_pad {word}", "pads", pads=[1, 1, 1, 1], auto_pad=word), both, {}
    negative = "every entry is 0 or more"
    yield _plain("negative-pads", "negative pads", "pads", pads=[-1, 0, 0, 0]), negative, {}
    yield _plain("negative-output-padding", "negative", "output_padding", output_padding=[-1, 0]), negative, {}
    entries = "the list has one entry per spatial axis, or two for pads"
    for name, values in {
        "strides": [2],
        "dilations": [1, 1, 1],
        "pads": [1, 1],
        "output_padding": [0],
        "output_shape": [6],
        "kernel_shape": [3],
    }.items():
        rule = name if name in ("pads", "output_padding", "output_shape") else "defaults"
        shown = f"{name} has {len(values)} entries on two axes"
        yield _plain(f"{name.replace('_', '-')}-entries", shown, rule, **{name: values}), entries, {}
    whole = "batch and channels are not part of output_shape"
    given = shared(strides=[2, 2], output_shape=[1, 3, 6, 6])
    yield _plain("output-shape-whole", "output_shape with batch and channels", "output_shape", **given), whole, {}
    word = "auto_pad is NOTSET, SAME_UPPER, SAME_LOWER or VALID"
    yield _plain("auto-pad-word", "an unknown auto_pad", "auto_pad", auto_pad="SAME"), word, {}
    zero = "there is no such step: the text describes strides and dilations along an axis"
    yield _plain("stride-0", "a stride of 0", "defaults", strides=[0, 1]), zero, {}
    yield _plain("dilation-0", "a dilation of 0", "defaults", dilations=[1, 0]), zero, {}
    yield _plain("stride-negative", "a negative stride", "defaults", strides=[-2, 1]), zero, {}
    yield _plain("group-0", "no group", "weights", group=0), "the channels are divided into the groups", {}


def _forbidden_shapes() -> Iterator[Forbidden]:
    yield (
        _plain("kernel-shape", "kernel_shape is not that of W", "defaults", kernel_shape=[2, 2]),
        ("kernel_shape is the shape of the kernel, which W has"),
        {},
    )
    channels = "W has as many input channels as X"
    yield _plain("channels", "W has more input channels than X", "weights"), channels, {"w": (4, 3, 3, 3)}
    divided = "the channels are divided into the groups"
    yield (
        _plain("groups", "three input channels in two groups", "weights", group=2),
        divided,
        {
            "x": (1, 3, 3, 3),
            "w": (3, 2, 3, 3),
        },
    )
    bias = "B has one element per output channel"
    yield _plain("bias-length", "B is one too long", "bias"), bias, {"bias": 4}
    grouped = _plain("bias-per-group", "B has the length of one group", "bias", group=2)
    yield grouped, bias, {"bias": 3}
    rank = "X and W have the same number of spatial axes"
    yield _plain("rank", "W has one axis more than X", "weights"), rank, {"w": (2, 3, 3, 3, 3)}
