"""Questions for PaddlePaddle's functions and layers."""

from __future__ import annotations

from random import Random

from .corpus_shapes import B, Case, Geometry, W, X, compact, draw, grid, thin, unless, written

FUNCTIONAL = "paddle.nn.functional"


def systematic(rng: Random) -> list[Case]:
    """The grid: words, numbers, pairs, output_padding to its limit, output_size at its ends."""
    rows, forward = [], []
    for each in grid(sizes=(1, 4)):
        span, stride, full = each.span[0], each.stride[0], each.full[0]
        paddings: tuple[str | int | list[int], ...] = ("SAME", "VALID", 0, 1, span // 2, [1, 0], [0, 1])
        for padding in paddings:
            total = _total(padding)
            if full <= total:
                continue
            rows += [
                _transposed(each, padding, extra)
                for extra in sorted({0, stride - 1} | ({stride} if padding == 1 else set()))
            ]
            if isinstance(padding, str) or each.size[0] + total >= span:
                forward += [_conv(each, padding)] if padding != "VALID" or not each.narrow else []
        rows += [_sized(each, size) for size in (full - 1, full, full + stride - 1, full + stride) if size > 0]
    return thin(rng, rows, 140) + thin(rng, forward, 50)


def _total(padding: str | int | list[int]) -> int:
    """Elements of padding on both sides together; 0 for a word."""
    if isinstance(padding, str):
        return 0
    return sum(padding) if isinstance(padding, list) else 2 * padding


def _transposed(each: Geometry, padding: object, extra: int) -> Case:
    code = written(
        f"{FUNCTIONAL}.conv1d_transpose",
        X,
        W,
        stride=each.stride[0],
        padding=padding,
        output_padding=unless(extra, 0),
        dilation=unless(each.dilation[0], 1),
    )
    return Case(code, each.first(1), (1, 1, *each.kernel))


def _sized(each: Geometry, size: int) -> Case:
    code = written(
        f"{FUNCTIONAL}.conv1d_transpose",
        X,
        W,
        stride=each.stride[0],
        dilation=unless(each.dilation[0], 1),
        output_size=[size],
    )
    return Case(code, each.first(1), (1, 1, *each.kernel))


def _conv(each: Geometry, padding: object) -> Case:
    code = written(
        f"{FUNCTIONAL}.conv1d", X, W, stride=each.stride[0], padding=padding, dilation=unless(each.dilation[0], 1)
    )
    return Case(code, each.first(1), (1, 1, *each.kernel))


def random(rng: Random, count: int) -> list[Case]:
    """Random functions and layers, both directions."""
    return [rng.choice((_random_function, _random_layer, _random_conv))(rng) for _ in range(count)]


def _padding(rng: Random, each: Geometry) -> object:
    befores = [
        rng.randint(0, min(span, max(0, (full - 1) // 2))) for span, full in zip(each.span, each.full, strict=True)
    ]
    sides = [side for before in befores for side in (before, rng.randint(0, before))]
    return rng.choice(("SAME", "VALID", compact(rng, befores), sides))


def _random_function(rng: Random) -> Case:
    each = draw(rng)
    padding, last = _padding(rng, each), rng.random() < 0.3
    extra = compact(rng, [rng.randrange(stride) for stride in each.stride]) if rng.random() < 0.5 else None
    bias = rng.random() < 0.5
    code = written(
        f"{FUNCTIONAL}.conv{each.rank}d_transpose",
        X,
        W,
        bias=B if bias else None,
        stride=_listed(compact(rng, each.stride)),
        padding=_listed(padding),
        output_padding=_listed(extra),
        groups=unless(each.groups, 1),
        dilation=_listed(unless(compact(rng, each.dilation), 1)),
        data_format=("NLC", "NHWC", "NDHWC")[each.rank - 1] if last else None,
    )
    kernel = (each.small, each.large // each.groups, *each.kernel)
    shape = each.last(each.small) if last else each.first(each.small)
    return Case(code, shape, kernel, each.large if bias else 0)


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _random_layer(rng: Random) -> Case:
    each = draw(rng)
    code = written(
        f"paddle.nn.Conv{each.rank}DTranspose",
        each.small,
        each.large,
        _listed(compact(rng, each.kernel)),
        stride=_listed(compact(rng, each.stride)),
        padding=_listed(_padding(rng, each)),
        groups=unless(each.groups, 1),
        dilation=_listed(unless(compact(rng, each.dilation), 1)),
    )
    return Case(code, each.first(each.small), (each.small, each.large // each.groups, *each.kernel), each.large)


def _random_conv(rng: Random) -> Case:
    each = draw(rng)
    padding: object = compact(rng, [rng.randint(0, span) for span in each.span])
    if rng.random() < 0.4:
        padding = rng.choice(("SAME", "VALID"))
    code = written(
        f"paddle.nn.Conv{each.rank}D",
        each.large,
        each.small,
        _listed(compact(rng, each.kernel)),
        stride=_listed(compact(rng, each.stride)),
        padding=_listed(padding),
        dilation=_listed(unless(compact(rng, each.dilation), 1)),
        groups=unless(each.groups, 1),
    )
    return Case(code, each.first(each.large), (each.small, each.large // each.groups, *each.kernel), each.small)


PLANE, TAPS = (1, 2, 3, 3), (2, 3, 3, 3)
TRANSPOSED = (
    "stride=2",
    "stride=2, padding=1",
    "stride=2, padding=1, output_padding=1",
    "stride=2, output_padding=2",
    "stride=0",
    "stride=-1",
    "stride=[2, 1]",
    "stride=[2, 2, 2]",
    "padding=[1, 0]",
    "padding=[1, 0, 0, 1]",
    "padding='same'",
    "padding='FULL'",
    "padding=[[0, 0], [0, 0], [1, 0], [0, 1]]",
    "padding=-1",
    "padding=3",
    "dilation=0",
    "dilation=2",
    "groups=2",
    "groups=0",
    "stride=2, output_size=[7, 7]",
    "stride=2, output_size=[8, 8]",
    "stride=2, output_size=[9, 9]",
    "stride=2, output_size=[6, 7]",
    "stride=2, output_size=8",
    "stride=2, output_size=[8, 8], output_padding=1",
    "stride=2, output_size=[8]",
    "strides=2",
    "stride=2, padding='SAME', dilation=2",
    "stride=2, padding='VALID', output_padding=1",
    "data_format='NWC'",
    "dilation=2, output_padding=1",
)
"""arguments of ``conv2d_transpose`` after the arrays"""
LAYER = (
    "2, 3, 3",
    "2, 3, 3, 2, 1, 1",
    "2, 3, [3, 3], groups=2",
    "2, 3, 3, bias_attr=False",
    "2, 3, 3, stride=0",
    "2, 3",
)
"""arguments of ``Conv2DTranspose``"""


FORWARD = (
    "stride=1",
    "stride=0",
    "padding='SAME', dilation=2",
    "padding=[1, 0]",
    "padding=[1, 0, 0, 1]",
    "padding=-1",
    "groups=2",
    "dilation=0",
    "padding='VALID', stride=2",
    "dilation=4",
)
"""arguments of ``conv2d`` after the arrays"""


def telling() -> list[Case]:
    """Refusals and corner sizes."""
    rows = [Case(f"{FUNCTIONAL}.conv2d_transpose(x, w, {each})", PLANE, TAPS) for each in TRANSPOSED]
    rows += [Case(f"paddle.nn.Conv2DTranspose({each})", PLANE, TAPS, 0 if "bias" in each else 3) for each in LAYER]
    rows += [Case(f"{FUNCTIONAL}.conv2d(x, w, {each})", PLANE, (4, 2, 2, 2)) for each in FORWARD]
    rows += [
        Case(f"{FUNCTIONAL}.conv2d_transpose(x, w, stride=2)", shape, kernel)
        for shape, kernel in (((1, 3, 3, 3), TAPS), ((2, 3, 3), TAPS), ((1, 2, 1, 1), TAPS), (PLANE, (2, 3, 3)))
    ]
    return rows


def cases(rng: Random) -> list[Case]:
    """All of PaddlePaddle's questions."""
    return systematic(rng) + telling() + random(rng, 100)
