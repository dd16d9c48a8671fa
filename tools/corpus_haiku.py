"""Questions for Haiku's modules."""

from __future__ import annotations

from random import Random

from .corpus_shapes import Case, Geometry, compact, draw, grid, thin, unless, written


def systematic(rng: Random) -> list[Case]:
    """The grid: words, with and without output shapes at the ends of the legal range and beyond; pairs."""
    rows, forward = [], []
    for each in grid(sizes=(1, 4), dilations=(1,)):
        stride, least, full = each.stride[0], (each.size[0] - 1) * each.stride[0] + 1, each.full[0]
        for padding, first in (("SAME", least), ("VALID", full)):
            sizes = {first - 1, first, first + stride - 1, first + stride}
            rows += [_transposed(each, padding, size) for size in (None, *sorted(sizes)) if size != 0]
            forward += [_conv(each, padding)]
        rows += [_transposed(each, pair, None) for pair in ((1, 0), (each.span[0] - 1, each.span[0] - 1))]
    return thin(rng, rows, 110) + thin(rng, forward, 25)


def _transposed(each: Geometry, padding: object, size: int | None) -> Case:
    code = written(
        "haiku.Conv1DTranspose",
        1,
        each.kernel[0],
        stride=each.stride[0],
        output_shape=size,
        padding=unless(padding, "SAME"),
    )
    return Case(code, each.last(1), (*each.kernel, 1, 1), 1)


def _conv(each: Geometry, padding: str) -> Case:
    code = written("haiku.Conv1D", 1, each.kernel[0], stride=each.stride[0], padding=unless(padding, "SAME"))
    return Case(code, each.last(1), (*each.kernel, 1, 1), 1)


def random(rng: Random, count: int) -> list[Case]:
    """Random modules, both directions, channels last and first."""
    return [rng.choice((_random_transposed, _random_transposed, _random_conv))(rng) for _ in range(count)]


FORMATS = ("NCW", "NCHW", "NCDHW")


def _random_transposed(rng: Random) -> Case:
    each = draw(rng, groups=False, dilate=False)
    first, bias = rng.random() < 0.25, rng.random() < 0.7
    pairs = [(rng.randint(0, span), rng.randint(0, span)) for span in each.span]
    padding: object = rng.choice(("SAME", "SAME", "VALID", pairs))
    size = None
    if isinstance(padding, str) and rng.random() < 0.4:
        least = (
            each.full if padding == "VALID" else [(n - 1) * s + 1 for n, s in zip(each.size, each.stride, strict=True)]
        )
        size = compact(rng, [extent + rng.randrange(s) for extent, s in zip(least, each.stride, strict=True)])
    code = written(
        f"haiku.Conv{each.rank}DTranspose",
        each.large,
        compact(rng, each.kernel),
        stride=unless(compact(rng, each.stride), 1),
        output_shape=size,
        padding=unless(padding, "SAME"),
        with_bias=unless(bias, default=True),
        data_format=FORMATS[each.rank - 1] if first else None,
    )
    shape = each.first(each.small) if first else each.last(each.small)
    return Case(code, shape, (*each.kernel, each.large, each.small), each.large if bias else 0)


def _random_conv(rng: Random) -> Case:
    each = draw(rng, groups=False)
    padding = rng.choice(("SAME", "VALID", [(rng.randint(0, span), rng.randint(0, span)) for span in each.span]))
    code = written(
        f"haiku.Conv{each.rank}D",
        each.small,
        compact(rng, each.kernel),
        stride=unless(compact(rng, each.stride), 1),
        rate=unless(compact(rng, each.dilation), 1),
        padding=unless(padding, "SAME"),
    )
    return Case(code, each.last(each.large), (*each.kernel, each.large, each.small), each.small)


PLANE, TAPS = (1, 3, 3, 2), (3, 3, 3, 2)
TRANSPOSED = (
    "3, 2",
    "(3, 3), (2, 2)",
    "(3,)",
    "3, stride=0",
    "3, stride=-1",
    "3, stride=(2, 2, 2)",
    "3, padding='same'",
    "3, padding='FULL'",
    "3, padding=1",
    "3, padding=(1, 1)",
    "3, padding=[(1, 1)]",
    "3, 2, 5",
    "3, 2, (6, 5)",
    "3, 2, 7",
    "3, 2, 6, 'VALID'",
    "3, 2, 7, 'VALID'",
    "3, 2, [(1, 1), (1, 1)]",
    "3, rate=2",
    "0",
    "3, 2, (1, 6, 6, 3)",
    "3, 2, output_shape=4",
    "3, data_format='NWC'",
    "3, strides=2",
)
"""arguments of a transposed module of 3 channels, from its kernel's shape on"""
FORWARD = (
    "3, rate=0",
    "3, 2, 2",
    "3, stride=0",
    "3, padding='FULL'",
    "3, padding='VALID'",
    "3, 2, 1, [(1, 0), (0, 1)]",
    "(3, 2, 2)",
    "3, padding=(1, 1)",
)
"""the same for a forward module"""


def telling() -> list[Case]:
    """Refusals and corner sizes."""
    rows = [Case(f"haiku.Conv2DTranspose(3, {each})", PLANE, TAPS, 3) for each in TRANSPOSED]
    rows += [Case(f"haiku.Conv2D(3, {each})", PLANE, (3, 3, 2, 3), 3) for each in FORWARD]
    rows += [
        Case("haiku.Conv2DTranspose(3, 3, 2)", shape, TAPS, 3)
        for shape in ((1, 3, 3, 3), (3, 3, 2), (3, 2), (1, 1, 1, 2), (0, 3, 3, 2))
    ]
    return rows


def cases(rng: Random) -> list[Case]:
    """All of Haiku's questions."""
    return systematic(rng) + telling() + random(rng, 80)
