"""Questions for Equinox's layers, whose inputs have no batch axis."""

from __future__ import annotations

from random import Random

from .corpus_shapes import Case, Geometry, Raw, compact, draw, grid, thin, unless, written

KEY = Raw("key")


def systematic(rng: Random) -> list[Case]:
    """The grid: words and numbers with every output_padding."""
    rows, forward = [], []
    for each in grid(sizes=(1, 4), dilations=(1, 2)):
        for padding in ("SAME", "SAME_LOWER", "VALID", 0, 1, ((1, 0),), ((0, 2),)):
            extras = {0, each.stride[0] - 1, each.stride[0]} if padding in {"SAME", 0} else {0, each.stride[0] - 1}
            rows += [_transposed(each, padding, extra) for extra in sorted(extras)]
            forward += [_conv(each, padding)]
    return thin(rng, rows, 140) + thin(rng, forward, 40)


def _transposed(each: Geometry, padding: object, extra: int) -> Case:
    code = written(
        "equinox.nn.ConvTranspose1d",
        1,
        1,
        each.kernel[0],
        stride=each.stride[0],
        padding=unless(padding, 0),
        output_padding=unless(extra, 0),
        dilation=unless(each.dilation[0], 1),
        key=KEY,
    )
    return Case(code, (1, *each.size), (1, 1, *each.kernel), 1)


def _conv(each: Geometry, padding: object) -> Case:
    code = written(
        "equinox.nn.Conv1d",
        1,
        1,
        each.kernel[0],
        stride=unless(each.stride[0], 1),
        padding=unless(padding, 0),
        dilation=unless(each.dilation[0], 1),
        key=KEY,
    )
    return Case(code, (1, *each.size), (1, 1, *each.kernel), 1)


def random(rng: Random, count: int) -> list[Case]:
    """Random layers of every rank, ranked and general, both directions."""
    return [rng.choice((_random_transposed, _random_transposed, _random_conv))(rng) for _ in range(count)]


def _padding(rng: Random, each: Geometry, words: tuple[str, ...]) -> object:
    if rng.random() < 0.4:
        return rng.choice(words)
    pairs = tuple((rng.randint(0, span), rng.randint(0, span)) for span in each.span)
    return rng.choice((compact(rng, [rng.randint(0, min(each.span))] * each.rank), pairs))


def _random_transposed(rng: Random) -> Case:
    each = draw(rng)
    bias = rng.random() < 0.7
    extra = compact(rng, [rng.randrange(stride) for stride in each.stride])
    first: tuple[int, ...] = ()
    name = f"equinox.nn.ConvTranspose{each.rank}d"
    if rng.random() < 0.2:
        name, first = "equinox.nn.ConvTranspose", (each.rank,)
    code = written(
        name,
        *first,
        each.small,
        each.large,
        compact(rng, each.kernel),
        stride=unless(compact(rng, each.stride), 1),
        padding=unless(_padding(rng, each, ("SAME", "VALID", "SAME_LOWER")), 0),
        output_padding=unless(extra, 0),
        dilation=unless(compact(rng, each.dilation), 1),
        groups=unless(each.groups, 1),
        use_bias=unless(bias, default=True),
        key=KEY,
    )
    kernel = (each.large, each.small // each.groups, *each.kernel)
    return Case(code, (each.small, *each.size), kernel, each.large if bias else 0)


def _random_conv(rng: Random) -> Case:
    each = draw(rng)
    code = written(
        f"equinox.nn.Conv{each.rank}d",
        each.large,
        each.small,
        compact(rng, each.kernel),
        stride=unless(compact(rng, each.stride), 1),
        padding=unless(_padding(rng, each, ("SAME", "VALID")), 0),
        dilation=unless(compact(rng, each.dilation), 1),
        groups=unless(each.groups, 1),
        key=KEY,
    )
    return Case(code, (each.large, *each.size), (each.small, each.large // each.groups, *each.kernel), each.small)


PLANE, TAPS = (2, 3, 3), (3, 2, 3, 3)
ARGUMENTS = (
    "3",
    "3, 2",
    "3, 2, 1",
    "3, 2, 1, 1",
    "3, 2, 0, 'SAME'",
    "3, 2, 2",
    "0",
    "3, 0",
    "3, -1",
    "(3, 3), (2, 2)",
    "(3,)",
    "3, padding='same'",
    "3, padding='FULL'",
    "3, padding=-1",
    "3, padding=(1, 0)",
    "3, padding=((1, 0), (0, 1))",
    "3, padding=((1, 0),)",
    "3, 2, output_padding=-1",
    "3, groups=2",
    "3, groups=0",
    "3, dilation=0",
    "3, dilation=(2, 1)",
    "3, 1, output_padding=1, dilation=2",
    "3, strides=2",
    "3, 2, padding='SAME', output_padding=1",
    "3, padding_mode='REFLECT'",
    "3, padding_mode='nowhere'",
    "3, 2, (1, 0), (1, 1)",
)
"""of a layer of 2 and 3 channels, from its kernel's size on"""


def telling() -> list[Case]:
    """Refusals, positions of arguments, corner sizes."""
    rows = [Case(f"equinox.nn.ConvTranspose2d(2, 3, {each}, key=key)", PLANE, TAPS, 3) for each in ARGUMENTS]
    rows += [
        Case(f"equinox.nn.Conv2d(2, 3, {each}, key=key)", PLANE, TAPS, 3)
        for each in ARGUMENTS
        if "output_" not in each and "REFLECT" not in each
    ]
    rows += [
        Case(f"equinox.nn.ConvTranspose(2, 2, 3, {each}, key=key)", PLANE, TAPS, 3)
        for each in ("3, 2, 1", "3, 2, 1, 1", "3")
    ]
    rows += [
        Case(f"equinox.nn.{name}(2, 3, 3, key=key)", shape, TAPS, 3)
        for name in ("ConvTranspose2d", "Conv2d")
        for shape in ((3, 3, 3), (1, 2, 3, 3), (3, 3), (2, 1, 1), (2, 0, 3))
    ]
    return rows


def cases(rng: Random) -> list[Case]:
    """All of Equinox's questions."""
    return systematic(rng) + telling() + random(rng, 90)
