"""Questions for ONNX nodes, put to ONNX Runtime and to ONNX's reference evaluator."""

from __future__ import annotations

from random import Random

from .corpus_shapes import Case, Geometry, conv_same, draw, grid, thin, unless, written


def systematic(rng: Random) -> list[Case]:
    """The grid: auto_pad's words, pads on either side, output_padding to its limit, output_shape."""
    rows, shaped, forward = [], [], []
    for each in grid(sizes=(1, 4)):
        span, full, stride = each.span[0], each.full[0], each.stride[0]
        limit = max(stride, *each.dilation)
        for word in ("SAME_UPPER", "SAME_LOWER", "VALID"):
            rows += [
                _transposed(each, auto_pad=word, output_padding=unless([extra], [0]))
                for extra in sorted({0, stride - 1})
            ]
            forward += [_conv(each, auto_pad=word)]
        for pads in ([1, 1], [1, 0], [0, 1], [span, span - 1]):
            if full > sum(pads):
                extras = sorted({0, stride - 1, limit} if pads == [1, 0] else {0, limit - 1})
                rows += [_transposed(each, pads=pads, output_padding=unless([extra], [0])) for extra in extras]
            if each.size[0] + sum(pads) >= span:
                forward += [_conv(each, pads=pads)]
        for size in (full - 1, full + stride - 1, full + stride, each.size[0] * stride):
            for mode in (None, "SAME_UPPER", "SAME_LOWER", "VALID"):
                shaped += [_transposed(each, auto_pad=mode, output_shape=[size])] if size > 0 else []
    return thin(rng, rows, 120) + thin(rng, shaped, 80) + thin(rng, forward, 70)


def _transposed(each: Geometry, **attributes: object) -> Case:
    return Case(_node("ConvTranspose", each, attributes), each.first(1), (1, 1, *each.kernel))


def _conv(each: Geometry, **attributes: object) -> Case:
    return Case(_node("Conv", each, attributes), each.first(1), (1, 1, *each.kernel))


def _node(name: str, each: Geometry, attributes: dict[str, object]) -> str:
    shared = {
        "strides": list(each.stride) if each.strided else None,
        "dilations": list(each.dilation) if each.dilated else None,
        "group": unless(each.groups, 1),
    }
    return written(name, **shared, **attributes)


def random(rng: Random, count: int) -> list[Case]:
    """Random nodes, both directions."""
    return [rng.choice((_random_transposed, _random_transposed, _random_conv))(rng) for _ in range(count)]


def _random_transposed(rng: Random) -> Case:
    each = draw(rng)
    style = rng.choice(("pads", "pads", "auto", "shape"))
    extra = [rng.randrange(stride) for stride in each.stride] if rng.random() < 0.4 else None
    attributes: dict[str, object] = {"kernel_shape": list(each.kernel) if rng.random() < 0.4 else None}
    if style == "pads":
        befores = [
            rng.randint(0, min(span, max(0, (full - 1) // 2))) for span, full in zip(each.span, each.full, strict=True)
        ]
        afters = [rng.randint(0, before) for before in befores]
        attributes["pads"] = befores + afters
    else:
        attributes["auto_pad"] = rng.choice(("SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"))
    if style == "shape":
        attributes["output_shape"] = [max(1, full + rng.randint(-3, 1)) for full in each.full]
    attributes["output_padding"] = extra
    kernel = (each.small, each.large // each.groups, *each.kernel)
    return Case(_node("ConvTranspose", each, attributes), each.first(each.small), kernel, rng.choice((0, each.large)))


def _random_conv(rng: Random) -> Case:
    each = draw(rng)
    attributes: dict[str, object] = {"kernel_shape": list(each.kernel) if rng.random() < 0.4 else None}
    if rng.random() < 0.5:
        attributes["auto_pad"] = rng.choice(("SAME_UPPER", "SAME_LOWER", "VALID"))
    else:
        attributes["pads"] = [rng.randint(0, span) for span in each.span] + [rng.randint(0, span) for span in each.span]
    kernel = (each.small, each.large // each.groups, *each.kernel)
    return Case(_node("Conv", each, attributes), each.first(each.large), kernel, rng.choice((0, each.small)))


PLANE, TAPS, CONV_TAPS = (1, 2, 3, 3), (2, 3, 3, 3), (3, 2, 3, 3)
ATTRIBUTES = (
    "",
    "strides=[2, 2]",
    "strides=[0, 2]",
    "strides=[-1, 1]",
    "strides=[2]",
    "strides=[2, 2, 2]",
    "dilations=[0, 1]",
    "dilations=[2]",
    "group=2",
    "group=0",
    "pads=[1, 1]",
    "pads=[1, 1, 1]",
    "pads=[-1, 0, 0, 0]",
    "auto_pad='SAME'",
    "auto_pad='same_upper'",
    "kernel_shape=[3, 2]",
    "kernel_shape=[3]",
    "auto_pad='SAME_UPPER', pads=[1, 1, 1, 1]",
    "auto_pad='VALID', pads=[1, 1, 1, 1]",
    "auto_pad='NOTSET', pads=[1, 1, 1, 1]",
    "kernel_size=[3, 3]",
    "kernel_shape=[3, 3], strides=[2, 1]",
    "pads=[0, 1, 0, 1]",
    "strides=[4, 4], auto_pad='SAME_UPPER'",
)
"""of either node"""
TRANSPOSED = (
    "output_padding=[1, 1]",
    "strides=[2, 2], output_padding=[1, 1]",
    "strides=[2, 2], output_padding=[2, 1]",
    "dilations=[2, 2], output_padding=[1, 1]",
    "strides=[2, 2], output_padding=[-1, 0]",
    "strides=[2, 2], output_padding=[1]",
    "strides=[2, 2], output_shape=[6, 6]",
    "strides=[2, 2], output_shape=[6]",
    "strides=[2, 2], output_shape=[1, 3, 6, 6]",
    "strides=[2, 2], output_shape=[9, 9]",
    "strides=[2, 2], output_shape=[2, 2]",
    "strides=[2, 2], output_shape=[6, 6], pads=[1, 1, 1, 1]",
    "strides=[2, 2], output_shape=[6, 6], auto_pad='SAME_UPPER'",
    "pads=[3, 3, 3, 3]",
    "pads=[2, 2, 2, 2]",
    "strides=[2, 2], output_shape=[6, 6], output_padding=[1, 1]",
    "strides=[2, 2], output_shape=[0, 6]",
)
"""attributes of ConvTranspose"""


def telling() -> list[Case]:
    """Refusals and corner sizes."""
    rows = [Case(f"ConvTranspose({each})", PLANE, TAPS, 3) for each in ATTRIBUTES]
    rows += [Case(f"Conv({each})", PLANE, CONV_TAPS, 3) for each in ATTRIBUTES]
    rows += [Case(f"ConvTranspose({each})", PLANE, TAPS, 3) for each in TRANSPOSED]
    return [*rows, *_shapes(), *_axes_and_groups(), *_unread_input()]


def _shapes() -> list[Case]:
    """Arrays that fit badly, or hardly."""
    rows = [
        Case("ConvTranspose(strides=[2, 2])", shape, kernel, bias)
        for shape, kernel, bias in (
            ((1, 3, 3, 3), TAPS, 3),
            ((2, 3, 3), TAPS, 3),
            ((0, 2, 3, 3), TAPS, 3),
            ((1, 2, 1, 1), TAPS, 3),
            ((1, 2, 3), TAPS, 3),
            (PLANE, TAPS, 2),
            (PLANE, (2, 3, 3), 0),
        )
    ]
    rows += [Case("Conv()", shape, CONV_TAPS, 3) for shape in ((1, 2, 2, 2), (1, 3, 3, 3), (0, 2, 3, 3), (1, 2, 3))]
    return rows


def _axes_and_groups() -> list[Case]:
    return [
        Case("ConvTranspose(strides=[2], output_shape=[8])", (1, 1, 4), (1, 1, 3)),
        Case("ConvTranspose(auto_pad='SAME_UPPER', strides=[3])", (1, 1, 4), (1, 1, 2)),
        Case("ConvTranspose(auto_pad='SAME_UPPER', strides=[2], output_padding=[1])", (1, 1, 4), (1, 1, 3)),
        Case("ConvTranspose(group=2, strides=[2])", (1, 4, 3), (4, 2, 3), 4),
        Case("ConvTranspose(group=2, strides=[2])", (1, 4, 3), (4, 1, 3)),
        Case("ConvTranspose(group=3)", (1, 4, 3), (4, 1, 3)),
        Case("Conv(group=2)", (1, 4, 3), (2, 2, 3), 2),
    ]


def _unread_input() -> list[Case]:
    """Strides that leave input unread, where SAME's total padding is negative; then SAME's padding in numbers."""
    rows = [
        Case(f"Conv(strides=[{stride}], auto_pad={word!r})", (1, 1, size), (1, 1, taps))
        for stride, size, taps in ((4, 4, 1), (5, 5, 1), (7, 7, 2), (7, 14, 1), (7, 8, 1), (3, 3, 1))
        for word in ("SAME_UPPER", "SAME_LOWER")
    ]
    for size, span, stride in ((7, 3, 2), (8, 3, 2), (8, 4, 3)):
        total = conv_same(size, span, stride)
        pads = [total // 2, total - total // 2]
        rows += [Case(f"Conv(strides=[{stride}], pads={pads})", (1, 1, size), (1, 1, span))]
    return rows


def cases(rng: Random) -> list[Case]:
    """All of ONNX's questions."""
    return systematic(rng) + telling() + random(rng, 140)
