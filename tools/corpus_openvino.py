"""Questions for OpenVINO's operations, in the words of its Python interface."""

from __future__ import annotations

from random import Random

from .corpus_shapes import Case, Geometry, W, X, draw, grid, thin, unless, written

OPS = "openvino.opset13"


def systematic(rng: Random) -> list[Case]:
    """The grid: every auto_pad, pads, output_padding without a limit, output_shape."""
    rows, shaped, forward = [], [], []
    for each in grid(sizes=(1, 4)):
        span, full = each.span[0], each.full[0]
        for pads in ((0, 0), (1, 0), (0, 1), (span // 2, span // 2)):
            if full > sum(pads):
                rows += [_backprop(each, pads, output_padding=unless([extra], [0])) for extra in (0, 1, 5)]
            if each.size[0] + sum(pads) >= span:
                forward += [_conv(each, pads)]
        for word in ("same_upper", "same_lower", "valid"):
            rows += [_backprop(each, (0, 0), auto_pad=word)]
            shaped += [
                _backprop(each, (0, 0), auto_pad=word, output_shape=[size]) for size in (full - 1, full + 2) if size
            ]
            forward += [_conv(each, (0, 0), auto_pad=word)]
        shaped += [_backprop(each, (1, 0), auto_pad="explicit", output_shape=[full])]
    return thin(rng, rows, 110) + thin(rng, shaped, 70) + thin(rng, forward, 50)


def _backprop(each: Geometry, pads: tuple[int, int], **rest: object) -> Case:
    shape = rest.pop("output_shape", None)
    code = written(
        f"{OPS}.convolution_backprop_data",
        X,
        W,
        strides=list(each.stride),
        output_shape=shape,
        pads_begin=[pads[0]],
        pads_end=[pads[1]],
        dilations=list(each.dilation),
        **rest,
    )
    return Case(code, each.first(1), (1, 1, *each.kernel))


def _conv(each: Geometry, pads: tuple[int, int], auto_pad: str | None = None) -> Case:
    code = written(
        f"{OPS}.convolution", X, W, list(each.stride), [pads[0]], [pads[1]], list(each.dilation), auto_pad=auto_pad
    )
    return Case(code, each.first(1), (1, 1, *each.kernel))


def random(rng: Random, count: int) -> list[Case]:
    """Random operations, grouped and not, both directions."""
    return [rng.choice((_random_backprop, _random_backprop, _random_conv))(rng) for _ in range(count)]


def _random_backprop(rng: Random) -> Case:
    each = draw(rng)
    befores = [rng.randint(0, max(0, (full - 1) // 2)) for full in each.full]
    afters = [rng.randint(0, before) for before in befores]
    word = rng.choice((None, None, "explicit", "same_upper", "same_lower", "valid"))
    shape = [max(1, full + rng.randint(-3, 2)) for full in each.full] if rng.random() < 0.35 else None
    extra = [rng.randint(0, 2) for _ in each.size] if rng.random() < 0.3 else None
    name = "group_convolution_backprop_data" if each.groups > 1 else "convolution_backprop_data"
    code = written(
        f"{OPS}.{name}",
        X,
        W,
        list(each.stride),
        output_shape=shape,
        pads_begin=befores,
        pads_end=afters,
        dilations=list(each.dilation),
        auto_pad=word,
        output_padding=extra,
    )
    kernel = (each.small // each.groups, each.large // each.groups, *each.kernel)
    return Case(code, each.first(each.small), (each.groups, *kernel) if each.groups > 1 else kernel)


def _random_conv(rng: Random) -> Case:
    each = draw(rng)
    befores, afters = ([rng.randint(0, span) for span in each.span] for _ in range(2))
    name = "group_convolution" if each.groups > 1 else "convolution"
    code = written(
        f"{OPS}.{name}",
        X,
        W,
        list(each.stride),
        befores,
        afters,
        list(each.dilation),
        auto_pad=rng.choice((None, "explicit", "same_upper", "same_lower", "valid")),
    )
    kernel = (each.small // each.groups, each.large // each.groups, *each.kernel)
    return Case(code, each.first(each.large), (each.groups, *kernel) if each.groups > 1 else kernel)


PLANE, TAPS = (1, 2, 3, 3), (2, 3, 3, 3)
PLAIN = "pads_begin=[0, 0], pads_end=[0, 0], dilations=[1, 1]"
"""the arguments that have no default"""
BACKPROP = (
    f"strides=[2, 2], {PLAIN}",
    f"[2, 2], {PLAIN}",
    f"[0, 2], {PLAIN}",
    f"[-1, 2], {PLAIN}",
    f"[2], {PLAIN}",
    f"[2, 2, 2], {PLAIN}",
    f"[2, 2], {PLAIN}, auto_pad='SAME'",
    f"[2, 2], {PLAIN}, auto_pad='same'",
    f"[2, 2], {PLAIN}, auto_pad='SAME_UPPER'",
    f"[2, 2], {PLAIN}, output_padding=[1, 1]",
    f"[2, 2], {PLAIN}, output_padding=[-1, 0]",
    f"[2, 2], {PLAIN}, output_padding=[1]",
    f"[2, 2], {PLAIN}, output_shape=[6, 6], auto_pad='same_upper'",
    f"[2, 2], {PLAIN}, output_shape=[6]",
    f"[2, 2], {PLAIN}, output_shape=[6, 6]",
    f"[2, 2], {PLAIN}, output_shape=[0, 6]",
    "[2, 2]",
    "[2, 2], None, [1, 1], [0, 0], [1, 1]",
    "[2, 2], pads_begin=[-1, 0], pads_end=[0, 0], dilations=[1, 1]",
    "[2, 2], pads_begin=[0], pads_end=[0], dilations=[1, 1]",
    "[2, 2], pads_begin=[0, 0], pads_end=[0, 0], dilations=[0, 1]",
    "[1, 1], pads_begin=[3, 3], pads_end=[3, 3], dilations=[1, 1]",
    f"[2, 2], {PLAIN}, strides=[1, 1]",
)
"""arguments of ``convolution_backprop_data`` after the arrays"""
FORWARD = (
    "[1, 1], [0, 0], [0, 0], [1, 1]",
    "[0, 1], [0, 0], [0, 0], [1, 1]",
    "[1, 1], [-1, 0], [0, 0], [1, 1]",
    "[1, 1], [1, 0], [0, 1], [2, 1]",
    "[1], [0], [0], [1]",
    "[2, 2], [0, 0], [0, 0], [1, 1], 'same_lower'",
    "[1, 1], [0, 0], [0, 0], [4, 4]",
    "[1, 1], [0, 0], [0, 0], [1, 0]",
)
"""arguments of ``convolution`` after the arrays"""


def telling() -> list[Case]:
    """Refusals and corner sizes."""
    rows = [Case(f"{OPS}.convolution_backprop_data(x, w, {each})", PLANE, TAPS) for each in BACKPROP]
    rows += [Case(f"{OPS}.convolution(x, w, {each})", PLANE, (3, 2, 3, 3)) for each in FORWARD]
    rows += [
        Case(f"{OPS}.convolution_backprop_data(x, w, [2, 2], {PLAIN})", shape, kernel)
        for shape, kernel in (((1, 3, 3, 3), TAPS), ((2, 3, 3), TAPS), ((1, 2, 1, 1), TAPS), (PLANE, (2, 3, 3)))
    ]
    rows += [
        Case(f"{OPS}.group_convolution_backprop_data(x, w, [2, 2], {PLAIN})", (1, 4, 3, 3), kernel)
        for kernel in ((2, 2, 3, 3, 3), (4, 1, 1, 3, 3), (3, 1, 1, 3, 3))
    ]
    return rows


def cases(rng: Random) -> list[Case]:
    """All of OpenVINO's questions."""
    return systematic(rng) + telling() + random(rng, 100)
