"""Questions for MLX's functions and layers: channels last, kernels ``(out, taps..., in / groups)``."""

from __future__ import annotations

from random import Random

from .corpus_shapes import Case, Geometry, W, X, compact, draw, grid, thin, unless, written


def systematic(rng: Random) -> list[Case]:
    """The grid: padding past the kernel's end too, output_padding without a limit."""
    rows, forward = [], []
    for each in grid(sizes=(1, 4)):
        span = each.span[0]
        for padding in sorted({0, 1, span // 2, span - 1, span + 1}):
            if each.full[0] > 2 * padding:
                rows += [_transposed(each, padding, extra) for extra in (0, 1, 5)]
            if each.size[0] + 2 * padding >= span:
                forward += [_conv(each, padding)]
    return thin(rng, rows, 130) + thin(rng, forward, 40)


def _transposed(each: Geometry, padding: int, extra: int) -> Case:
    code = written(
        "mlx.core.conv_transpose1d",
        X,
        W,
        stride=each.stride[0],
        padding=padding,
        dilation=unless(each.dilation[0], 1),
        output_padding=unless(extra, 0),
    )
    return Case(code, each.last(1), (1, *each.kernel, 1))


def _conv(each: Geometry, padding: int) -> Case:
    code = written(
        "mlx.core.conv1d", X, W, stride=each.stride[0], padding=padding, dilation=unless(each.dilation[0], 1)
    )
    return Case(code, each.last(1), (1, *each.kernel, 1))


def random(rng: Random, count: int) -> list[Case]:
    """Random functions and layers, both directions."""
    return [rng.choice((_random_function, _random_function, _random_layer, _random_conv))(rng) for _ in range(count)]


def _paddings(rng: Random, each: Geometry) -> list[int]:
    return [
        rng.randint(0, min(span - 1, max(0, (full - 1) // 2))) for span, full in zip(each.span, each.full, strict=True)
    ]


def _random_function(rng: Random) -> Case:
    each = draw(rng, groups=rng.random() < 0.5)
    code = written(
        f"mlx.core.conv_transpose{each.rank}d",
        X,
        W,
        compact(rng, each.stride),
        compact(rng, _paddings(rng, each)),
        compact(rng, each.dilation),
        compact(rng, [rng.randint(0, 2) for _ in each.size]),
        each.groups,
    )
    return Case(code, each.last(each.small), (each.large, *each.kernel, each.small // each.groups))


def _random_layer(rng: Random) -> Case:
    each = draw(rng, groups=False)
    bias = rng.random() < 0.7
    code = written(
        f"mlx.nn.ConvTranspose{each.rank}d",
        each.small,
        each.large,
        compact(rng, each.kernel),
        stride=unless(compact(rng, each.stride), 1),
        padding=unless(compact(rng, _paddings(rng, each)), 0),
        dilation=unless(compact(rng, each.dilation), 1),
        bias=unless(bias, default=True),
    )
    return Case(code, each.last(each.small), (each.large, *each.kernel, each.small), each.large if bias else 0)


def _random_conv(rng: Random) -> Case:
    each = draw(rng)
    # a kernel wider than the padded input reads what is not there
    padding = compact(
        rng, [rng.randint(max(0, span - n + 1) // 2, span) for n, span in zip(each.size, each.span, strict=True)]
    )
    kernel = (each.small, *each.kernel, each.large // each.groups)
    if each.rank < 3 and rng.random() < 0.5:
        code = written(
            f"mlx.nn.Conv{each.rank}d",
            each.large,
            each.small,
            compact(rng, each.kernel),
            compact(rng, each.stride),
            padding,
            compact(rng, each.dilation),
            each.groups,
        )
        return Case(code, each.last(each.large), kernel, each.small)
    code = written(
        f"mlx.core.conv{each.rank}d", X, W, compact(rng, each.stride), padding, compact(rng, each.dilation), each.groups
    )
    return Case(code, each.last(each.large), kernel)


def telling() -> list[Case]:
    """Refusals and corner sizes."""
    plane, taps = (1, 3, 3, 2), (3, 3, 3, 2)
    arguments = (
        "stride=2",
        "2, 1",
        "2, 1, 1, 1",
        "stride=0",
        "stride=-1",
        "stride=(2, 1)",
        "stride=(2, 2, 2)",
        "padding=-1",
        "padding=5",
        "dilation=0",
        "dilation=2",
        "output_padding=7",
        "output_padding=-1",
        "groups=2",
        "groups=0",
        "strides=2",
        "padding='same'",
        "stride=2, padding=3",
    )
    rows = [Case(f"mlx.core.conv_transpose2d(x, w, {each})", plane, taps) for each in arguments]
    rows += [
        Case(f"mlx.core.conv2d(x, w, {each})", plane, taps)
        for each in ("1", "2, 1", "stride=0", "padding=-1", "groups=2")
    ]
    layer = (
        "2, 3, 3",
        "2, 3, 3, 2, 1",
        "2, 3, (3, 3), stride=(2, 1)",
        "2, 3, 3, bias=False",
        "2, 3",
        "2, 3, 3, groups=2",
    )
    rows += [Case(f"mlx.nn.ConvTranspose2d({each})", plane, taps, 0 if "bias" in each else 3) for each in layer]
    rows += [
        Case("mlx.core.conv_transpose2d(x, w, stride=2)", shape, kernel)
        for shape, kernel in (((1, 3, 3, 3), taps), ((3, 3, 2), taps), ((1, 1, 1, 2), taps), (plane, (3, 3, 2)))
    ]
    return rows


def cases(rng: Random) -> list[Case]:
    """All of MLX's questions."""
    return systematic(rng) + telling() + random(rng, 90)
