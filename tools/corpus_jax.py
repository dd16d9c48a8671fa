"""Questions for ``jax.lax``: conv_transpose, and conv_general_dilated read both as a convolution and as its adjoint."""

from __future__ import annotations

from random import Random

from .corpus_shapes import Case, Geometry, W, X, draw, grid, thin, unless, written


def systematic(rng: Random) -> list[Case]:
    """The grid: words, pads in both meanings, both kernel orders; general convolutions with either dilation."""
    transposed, general = [], []
    for each in grid(sizes=(1, 4)):
        span = each.span[0]
        for padding in ("SAME", "VALID"):
            for flag in (None, True):
                transposed += [_transpose(each, padding, transpose_kernel=flag)]
            general += [_general(each, padding, (1,))]
        for pair in ((0, 0), (span - 1, span - 1), (1, 0), (0, 2), (span + 1, span)):
            transposed += [_transpose(each, [pair])]
            transposed += [_transpose(each, (pair,), use_consistent_padding=True)]
            general += [_general(each, [pair], each.stride, strides=(1,)), _general(each, [pair], (1,))]
    return thin(rng, transposed, 190) + thin(rng, general, 110)


def _transpose(each: Geometry, padding: object, **flags: bool | None) -> Case:
    code = written(
        "jax.lax.conv_transpose",
        X,
        W,
        each.stride,
        padding,
        rhs_dilation=unless(each.dilation, (1,)),
        **flags,
    )
    return Case(code, each.last(1), (*each.kernel, 1, 1))


def _general(
    each: Geometry, padding: object, dilation: tuple[int, ...], strides: tuple[int, ...] | None = None
) -> Case:
    code = written(
        "jax.lax.conv_general_dilated",
        X,
        W,
        strides or each.stride,
        padding,
        lhs_dilation=unless(dilation, (1,)),
        rhs_dilation=unless(each.dilation, (1,)),
        dimension_numbers=("NWC", "WIO", "NWC"),
    )
    return Case(code, each.last(1), (*each.kernel, 1, 1))


def random(rng: Random, count: int) -> list[Case]:
    """Random calls: both functions, layouts, groups, negative pads."""
    makers = (_random_transpose, _random_transpose, _random_general)
    return [rng.choice(makers)(rng) for _ in range(count)]


NUMBERS = (
    (("NWC", "WIO", "NWC"), ("NCW", "OIW", "NCW")),
    (("NHWC", "HWIO", "NHWC"), ("NCHW", "OIHW", "NCHW"), ("NHWC", "OIHW", "NHWC"), ("NCHW", "IOHW", "NCHW")),
    (("NDHWC", "DHWIO", "NDHWC"), ("NCDHW", "OIDHW", "NCDHW")),
)


def arranged(
    letters: str, sizes: tuple[int, ...], *, batch: int = 0, channels: int = 0, out: int = 0
) -> tuple[int, ...]:
    """The shape that a layout's letters give, spatial letters in the order they stand in.

    In data C is ``channels``; in a kernel O is ``out`` and I is ``channels``.
    """
    spatial = iter(sizes)
    named = {"N": batch, "C": channels, "I": channels, "O": out}
    return tuple(named[letter] if letter in named else next(spatial) for letter in letters)


def _pairs(rng: Random, each: Geometry, least: int = 0) -> list[tuple[int, int]]:
    return [(rng.randint(least, span), rng.randint(least, span)) for span in each.span]


def _random_transpose(rng: Random) -> Case:
    each = draw(rng, groups=False)
    numbers = rng.choice(NUMBERS[each.rank - 1]) if rng.random() < 0.4 else None
    swap, consistent = rng.choice((None, None, True, False)), rng.choice((None, None, None, True))
    padding: object = rng.choice(("SAME", "VALID", _pairs(rng, each)))
    if isinstance(padding, list) and consistent:
        padding = tuple(padding)
    code = written(
        "jax.lax.conv_transpose",
        X,
        W,
        each.stride,
        padding,
        rhs_dilation=each.dilation if each.dilated else None,
        dimension_numbers=numbers,
        transpose_kernel=swap,
        use_consistent_padding=consistent,
    )
    data, weights, _ = numbers or NUMBERS[each.rank - 1][0]
    into, out = (each.large, each.small) if swap else (each.small, each.large)
    kernel = arranged(weights, each.kernel, channels=into, out=out)
    return Case(code, arranged(data, each.size, batch=each.batch, channels=each.small), kernel)


def _random_general(rng: Random) -> Case:
    each = draw(rng)
    numbers = rng.choice(NUMBERS[each.rank - 1])
    adjoint = rng.random() < 0.6
    padding: object = _pairs(rng, each, least=rng.choice((0, 0, -1)))
    if not adjoint and rng.random() < 0.5:
        padding = rng.choice(("SAME", "VALID", "SAME_LOWER"))
    unit = (1,) * each.rank
    code = written(
        "jax.lax.conv_general_dilated",
        X,
        W,
        unit if adjoint else each.stride,
        padding,
        lhs_dilation=each.stride if adjoint else None,
        rhs_dilation=each.dilation if each.dilated else None,
        dimension_numbers=numbers,
        feature_group_count=unless(each.groups, 1),
    )
    data, weights, _ = numbers
    kernel = arranged(weights, each.kernel, channels=each.small // each.groups, out=each.large)
    return Case(code, arranged(data, each.size, batch=each.batch, channels=each.small), kernel)


PLANE, TAPS = (1, 3, 3, 2), (3, 3, 2, 3)
TRANSPOSED = (
    "(2, 2), 'SAME'",
    "(2, 2), 'VALID'",
    "(2, 2), 'same'",
    "(2, 2), 'SAME_LOWER'",
    "(2,), 'SAME'",
    "(0, 2), 'SAME'",
    "(-1, 2), 'SAME'",
    "2, 'SAME'",
    "(2, 2), 1",
    "(2, 2), [(1, 1)]",
    "(2, 2), [(0, 0), (0, 0)]",
    "(2, 2)",
    "(2, 2), [(1, 1), (1, 1)], use_consistent_padding=True",
    "(2, 2), ((1, 1), (1, 1)), use_consistent_padding=True",
    "(2, 2), 'SAME', rhs_dilation=(0, 1)",
    "(2, 2), 'SAME', rhs_dilation=(2, 1)",
    "(2, 2), 'SAME', (2, 2)",
    "(2, 2), 'SAME', groups=2",
    "(2, 2), 'SAME', transpose_kernel=True",
    "(2, 2), [(-1, 0), (0, -1)]",
    "(2, 2), [(-9, 0), (0, 0)]",
    "(2, 2), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NCHW')",
    "(2, 2), 'SAME', dimension_numbers=('NHWC', 'HWOI', 'NHWC')",
    "(2, 2), 'SAME', dimension_numbers=('NHC', 'HIO', 'NHC')",
    "strides=(2, 1), padding='VALID'",
    "[2, 2], 'SAME'",
)
"""arguments of ``conv_transpose`` after the arrays"""
LAST = "dimension_numbers=('NHWC', 'HWIO', 'NHWC')"
"""channels last, which is not this function's default"""
GENERAL = (
    f"(1, 1), 'SAME', {LAST}",
    f"(2, 1), 'SAME_LOWER', {LAST}",
    f"(1, 1), 'FULL', {LAST}",
    f"(1, 1), 'SAME', lhs_dilation=(2, 2), {LAST}",
    f"(1, 1), [(1, 1), (1, 1)], lhs_dilation=(2, 2), {LAST}",
    f"(0, 1), 'SAME', {LAST}",
    f"(1,), 'SAME', {LAST}",
    f"(1, 1), [(1, 1)], {LAST}",
    f"(1, 1), [(-9, 0), (0, 0)], {LAST}",
    f"(1, 1), 'SAME', {LAST}, feature_group_count=2",
    f"(1, 1), 'SAME', {LAST}, feature_group_count=0",
    "(1, 1), 'SAME'",
    f"(1, 1), [(1, 1), (1, 1)], (2, 2), (1, 2), {LAST}",
    f"window_strides=(1, 2), padding='VALID', {LAST}",
    f"(1, 1), [(1, 1), (1, 1)], lhs_dilation=(0, 2), {LAST}",
)
"""arguments of ``conv_general_dilated`` after the arrays"""


def telling() -> list[Case]:
    """Refusals and corner sizes."""
    rows = [Case(f"jax.lax.conv_transpose(x, w, {each})", PLANE, TAPS) for each in TRANSPOSED]
    rows += [Case(f"jax.lax.conv_general_dilated(x, w, {each})", PLANE, TAPS) for each in GENERAL]
    rows += [
        Case("jax.lax.conv_transpose(x, w, (2, 2), 'SAME')", shape, kernel)
        for shape, kernel in (
            ((1, 3, 3, 3), TAPS),
            ((3, 3, 2), TAPS),
            ((1, 3, 2), (3, 2, 3)),
            ((0, 3, 3, 2), TAPS),
            ((1, 0, 3, 2), TAPS),
            ((1, 1, 1, 2), TAPS),
            (PLANE, (3, 3, 2)),
        )
    ]
    rows += [
        Case(f"jax.lax.conv_general_dilated(x, w, (1, 1), 'VALID', {LAST})", shape, TAPS)
        for shape in ((1, 2, 2, 2), (1, 2, 3, 2), (1, 0, 3, 2), (1, 5, 5, 3))
    ]
    return rows


def cases(rng: Random) -> list[Case]:
    """All of JAX's questions."""
    return systematic(rng) + telling() + random(rng, 160)
