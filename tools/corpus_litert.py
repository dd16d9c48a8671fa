"""Questions for LiteRT's TRANSPOSE_CONV and CONV_2D, which are 2-D, channels last, kernel first by output channel."""

from __future__ import annotations

from random import Random

from .corpus_shapes import Case, Geometry, as_plane, draw, grid, thin, unless, written
from .corpus_tensorflow import legal


def systematic(rng: Random) -> list[Case]:
    """The grid on the second axis, at both ends of the legal output range and outside it; CONV_2D."""
    rows, forward = [], []
    for each in map(as_plane, grid(sizes=(1, 4), dilations=(1,))):
        stride, full = each.stride[1], each.full[1]
        for padding, least in (("SAME", (each.size[1] - 1) * stride + 1), ("VALID", full)):
            sizes = sorted({least - 1, least, least + stride - 1, least + stride})
            rows += [_transposed(each, padding, [1, size]) for size in sizes if size > 0]
    for each in map(as_plane, grid(sizes=(4,), dilations=(1, 2))):
        forward += [_conv(each, padding) for padding in ("SAME", "VALID") if padding == "SAME" or not each.narrow]
    return thin(rng, rows, 80) + thin(rng, forward, 30)


def _transposed(each: Geometry, padding: str, size: list[int], bias: int = 0) -> Case:
    code = written(
        "TRANSPOSE_CONV",
        output_shape=[each.batch, *size, each.large],
        padding=padding,
        stride_h=each.stride[0],
        stride_w=each.stride[1],
    )
    return Case(code, each.last(each.small), (each.large, *each.kernel, each.small), bias)


def _conv(each: Geometry, padding: str) -> Case:
    code = written(
        "CONV_2D",
        padding=padding,
        stride_h=each.stride[0],
        stride_w=each.stride[1],
        dilation_h_factor=unless(each.dilation[0], 1),
        dilation_w_factor=unless(each.dilation[1], 1),
    )
    return Case(code, each.last(each.large), (each.small, *each.kernel, each.large), each.small)


def random(rng: Random, count: int) -> list[Case]:
    """Random operators, both directions."""
    cases = []
    for _ in range(count):
        padding = rng.choice(("SAME", "VALID"))
        if rng.random() < 0.65:
            each = draw(rng, ranks=(2,), groups=False, dilate=False)
            cases.append(_transposed(each, padding, legal(rng, each, padding), rng.choice((0, each.large))))
        else:
            each = draw(rng, ranks=(2,), groups=False)
            cases.append(_conv(each, "SAME" if each.narrow else padding))
    return cases


def telling() -> list[Case]:
    """Refusals and corner sizes."""
    plane, taps = (1, 3, 3, 2), (3, 3, 3, 2)
    arguments = (
        "output_shape=[1, 6, 6, 3], padding='SAME', stride_h=2, stride_w=2",
        "output_shape=[1, 6, 6, 2], padding='SAME', stride_h=2, stride_w=2",
        "output_shape=[2, 6, 6, 3], padding='SAME', stride_h=2, stride_w=2",
        "output_shape=[1, 6, 6, 3], padding='SAME', stride_h=0, stride_w=2",
        "output_shape=[1, 6, 6, 3], padding='SAME', stride_h=-1, stride_w=2",
        "output_shape=[6, 6], padding='SAME', stride_h=2, stride_w=2",
        "output_shape=[1, 6, 6, 3], padding='EXPLICIT', stride_h=2, stride_w=2",
        "output_shape=[1, 9, 9, 3], padding='VALID', stride_h=2, stride_w=2",
        "output_shape=[1, 8, 7, 3], padding='VALID', stride_h=2, stride_w=2",
        "output_shape=[1, 5, 6, 3], padding='SAME', stride_h=2, stride_w=2",
        "output_shape=[1, 6, 6, 3], padding='SAME', stride_h=2, stride_w=2, dilation_h_factor=2",
        "output_shape=[1, 3, 6, 3], padding='SAME', stride_h=1, stride_w=2",
    )
    rows = [Case(f"TRANSPOSE_CONV({each})", plane, taps, 3) for each in arguments]
    rows += [
        Case(f"TRANSPOSE_CONV({arguments[0]})", shape, kernel)
        for shape, kernel in (((1, 3, 3, 3), taps), ((3, 3, 2), taps), ((1, 4, 3, 2), taps), (plane, (3, 3, 2)))
    ]
    conv = (
        "padding='SAME', stride_h=1, stride_w=1",
        "padding='VALID', stride_h=0, stride_w=1",
        "padding='FULL', stride_h=1, stride_w=1",
        "padding='SAME', stride_h=2, stride_w=1, dilation_h_factor=2",
        "padding='VALID', stride_h=3, stride_w=3",
    )
    rows += [Case(f"CONV_2D({each})", plane, taps, 3) for each in conv]
    rows += [Case(f"CONV_2D({conv[0]})", shape, taps, 3) for shape in ((1, 3, 3, 3), (3, 3, 2), (1, 1, 1, 2))]
    return rows


def cases(rng: Random) -> list[Case]:
    """All of LiteRT's questions."""
    return systematic(rng) + telling() + random(rng, 90)
