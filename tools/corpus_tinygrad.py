"""Questions for tinygrad's tensor methods, which serve every rank."""

from __future__ import annotations

from random import Random

from .corpus_shapes import B, Case, Geometry, W, X, compact, draw, grid, thin, unless, written

NAME = "tinygrad.Tensor.conv_transpose2d"


def systematic(rng: Random) -> list[Case]:
    """The grid: numbers, sides and output_padding without a limit."""
    rows = []
    for each in grid(sizes=(1, 4), dilations=(1, 2)):
        for padding in (0, 1, (1, 0), (0, 2), (each.span[0], 0)):
            total = 2 * padding if isinstance(padding, int) else sum(padding)
            rows += [_transposed(each, padding, extra) for extra in (0, 1, 4) if each.full[0] > total]
    return thin(rng, rows, 90)


def _transposed(each: Geometry, padding: object, extra: int) -> Case:
    code = written(
        NAME,
        X,
        W,
        stride=each.stride[0],
        dilation=unless(each.dilation[0], 1),
        padding=padding,
        output_padding=unless(extra, 0),
    )
    return Case(code, each.first(1), (1, 1, *each.kernel))


def random(rng: Random, count: int) -> list[Case]:
    """Random calls, both directions."""
    return [rng.choice((_random_transposed, _random_transposed, _random_conv))(rng) for _ in range(count)]


def _random_transposed(rng: Random) -> Case:
    each = draw(rng)
    befores = [
        rng.randint(0, min(span, max(0, (full - 1) // 2))) for span, full in zip(each.span, each.full, strict=True)
    ]
    # sides stand last axis first, as in torch.nn.functional.pad
    sides = tuple(side for before in reversed(befores) for side in (before, rng.randint(0, before)))
    extra = compact(rng, [rng.randint(0, 2) for _ in each.size])
    bias = rng.random() < 0.5
    code = written(
        NAME,
        X,
        W,
        bias=B if bias else None,
        groups=unless(each.groups, 1),
        stride=compact(rng, each.stride),
        dilation=unless(compact(rng, each.dilation), 1),
        padding=rng.choice((compact(rng, befores), sides)),
        output_padding=unless(extra, 0),
    )
    kernel = (each.small, each.large // each.groups, *each.kernel)
    return Case(code, each.first(each.small), kernel, each.large if bias else 0)


def _random_conv(rng: Random) -> Case:
    each = draw(rng)
    padding = compact(rng, [rng.randint(0, span) for span in each.span])
    code = written(
        "tinygrad.Tensor.conv2d",
        X,
        W,
        groups=unless(each.groups, 1),
        stride=compact(rng, each.stride),
        dilation=unless(compact(rng, each.dilation), 1),
        padding=padding,
    )
    return Case(code, each.first(each.large), (each.small, each.large // each.groups, *each.kernel))


def telling() -> list[Case]:
    """Refusals and corner sizes."""
    plane, taps = (1, 2, 3, 3), (2, 3, 3, 3)
    arguments = (
        "stride=2",
        "b, 1, 2, 1, 1, 1",
        "stride=0",
        "stride=(2, 1)",
        "stride=(2, 2, 2)",
        "padding=-1",
        "padding=(1, 0)",
        "padding=(1, 0, 0, 1)",
        "padding=(1, 0, 0)",
        "padding=5",
        "dilation=2",
        "output_padding=7",
        "groups=2",
        "strides=2",
        "padding='same'",
    )
    rows = [Case(f"{NAME}(x, w, {each})", plane, taps, 3 if each.startswith("b") else 0) for each in arguments]
    rows += [
        Case(f"{NAME}(x, w, stride=2)", shape, kernel)
        for shape, kernel in (((1, 3, 3, 3), taps), ((2, 3, 3), taps), ((1, 2, 1, 1), taps), (plane, (2, 3, 3)))
    ]
    rows += [
        Case(f"tinygrad.Tensor.conv2d(x, w, {each})", plane, (4, 2, 2, 2))
        for each in ("stride=1", "stride=2, padding=1", "groups=2", "padding=(1, 0, 0, 1)")
    ]
    return rows


def cases(rng: Random) -> list[Case]:
    """All of tinygrad's questions."""
    return systematic(rng) + telling() + random(rng, 80)
