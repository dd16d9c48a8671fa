"""Questions for PyTorch."""

from __future__ import annotations

from random import Random

from .corpus_shapes import B, Case, Geometry, W, X, compact, draws, grid, thin, unless, written


def systematic(rng: Random) -> list[Case]:
    """The grid, transposed with every interesting padding and output_padding, and forward."""
    transposed, forward = [], []
    for each in grid(sizes=(1, 4)):
        (span,), limit = each.span, max(*each.stride, *each.dilation)
        for padding in sorted({0, 1, span // 2, span - 1, span + 1}):
            extras = {0, limit - 1, limit} if padding == 1 and span % 2 else {0, limit - 1}
            if each.full[0] > 2 * padding or (padding == span - 1 and each.kernel[0] == 4):
                transposed += [_function(each, padding, extra) for extra in sorted(extras)]
            if each.size[0] + 2 * padding >= span or each.kernel[0] == 4:
                forward += [_forward(each, padding)]
        least = each.full[0]
        outside = {-1, each.stride[0]} if each.kernel[0] == 3 else set()
        transposed += [_sized(each, (least + extra,)) for extra in sorted({0, each.stride[0] - 1} | outside)]
    words = [
        _forward(each, word)
        for each in grid(sizes=(6,))
        for word, asked in (("same", each.stride[0] < 3), ("valid", each.kernel[0] < 4))
        if asked
    ]
    return thin(rng, transposed, 230) + thin(rng, forward + words, 110)


def _function(each: Geometry, padding: int, extra: int) -> Case:
    code = written(
        "torch.nn.functional.conv_transpose1d",
        X,
        W,
        None,
        stride=each.stride[0],
        padding=padding,
        output_padding=unless(extra, 0),
        dilation=unless(each.dilation[0], 1),
    )
    return Case(code, each.first(1), (1, 1, *each.kernel))


def _forward(each: Geometry, padding: int | str) -> Case:
    code = written(
        "torch.nn.functional.conv1d",
        X,
        W,
        stride=unless(each.stride[0], 1),
        padding=padding,
        dilation=unless(each.dilation[0], 1),
    )
    return Case(code, each.first(1), (1, 1, *each.kernel))


def _sized(each: Geometry, size: tuple[int, ...]) -> Case:
    code = written(
        "torch.nn.ConvTranspose1d", 1, 1, each.kernel[0], stride=each.stride[0], dilation=unless(each.dilation[0], 1)
    )
    return Case(f"{code}(x, output_size={list(size)})", each.first(1), (1, 1, *each.kernel), 1)


def random(rng: Random, count: int) -> list[Case]:
    """Random layers and functions, both directions."""
    makers = (_random_module, _random_module, _random_function, _random_conv, _random_sized)
    return [rng.choice(makers)(rng, each) for each in draws(rng, count)]


def _crops(rng: Random, each: Geometry) -> tuple[tuple[int, ...], tuple[int, ...]]:
    padding = tuple(rng.randint(0, max(0, (full - 1) // 2)) if rng.random() < 0.7 else 0 for full in each.full)
    past = rng.random() < 0.08
    extra = tuple(rng.randrange(max(s, d)) + past for s, d in zip(each.stride, each.dilation, strict=True))
    return padding, extra


def _random_module(rng: Random, each: Geometry) -> Case:
    padding, extra = _crops(rng, each)
    bias = rng.random() < 0.7
    code = written(
        f"torch.nn.ConvTranspose{each.rank}d",
        each.small,
        each.large,
        compact(rng, each.kernel),
        stride=unless(compact(rng, each.stride), 1),
        padding=unless(compact(rng, padding), 0),
        output_padding=unless(compact(rng, extra), 0),
        groups=unless(each.groups, 1),
        bias=unless(bias, default=True),
        dilation=unless(compact(rng, each.dilation), 1),
    )
    kernel = (each.small, each.large // each.groups, *each.kernel)
    shape = each.first(each.small)
    return Case(code, shape[1:] if rng.random() < 0.1 else shape, kernel, each.large if bias else 0)


def _random_sized(rng: Random, each: Geometry) -> Case:
    padding, _ = _crops(rng, each)
    code = written(
        f"torch.nn.ConvTranspose{each.rank}d",
        each.small,
        each.large,
        compact(rng, each.kernel),
        stride=compact(rng, each.stride),
        padding=unless(compact(rng, padding), 0),
        groups=unless(each.groups, 1),
        dilation=unless(compact(rng, each.dilation), 1),
    )
    size = [full - 2 * p + rng.randrange(s) for full, p, s in zip(each.full, padding, each.stride, strict=True)]
    if rng.random() < 0.1:
        size[-1] += each.stride[-1]
    if rng.random() < 0.3:
        size = [each.batch, each.large, *size]
    kernel = (each.small, each.large // each.groups, *each.kernel)
    return Case(f"{code}(x, output_size={size})", each.first(each.small), kernel, each.large)


def _random_function(rng: Random, each: Geometry) -> Case:
    padding, extra = _crops(rng, each)
    bias = rng.random() < 0.5
    # groups stand before dilation in this signature, after it in the forward one
    code = written(
        f"torch.nn.functional.conv_transpose{each.rank}d",
        X,
        W,
        B if bias else None,
        compact(rng, each.stride),
        compact(rng, padding),
        compact(rng, extra),
        each.groups,
        compact(rng, each.dilation),
    )
    kernel = (each.small, each.large // each.groups, *each.kernel)
    return Case(code, each.first(each.small), kernel, each.large if bias else 0)


def _random_conv(rng: Random, each: Geometry) -> Case:
    padding: object = compact(rng, [rng.randint(0, span) for span in each.span])
    if rng.random() < 0.25:
        padding = rng.choice(("valid", "same"))
    kernel = (each.small, each.large // each.groups, *each.kernel)
    if rng.random() < 0.5:
        code = written(
            f"torch.nn.functional.conv{each.rank}d",
            X,
            W,
            B,
            compact(rng, each.stride),
            padding,
            compact(rng, each.dilation),
            each.groups,
        )
        return Case(code, each.first(each.large), kernel, each.small)
    code = written(
        f"torch.nn.Conv{each.rank}d",
        each.large,
        each.small,
        compact(rng, each.kernel),
        stride=compact(rng, each.stride),
        padding=padding,
        dilation=unless(compact(rng, each.dilation), 1),
        groups=unless(each.groups, 1),
    )
    return Case(code, each.first(each.large), kernel, each.small)


TRANSPOSED, CONV = "torch.nn.ConvTranspose2d", "torch.nn.Conv2d"
PLANE, TAPS, CONV_TAPS = (1, 2, 3, 3), (2, 3, 3, 3), (3, 2, 3, 3)
ARGUMENTS = (
    "0, 3, 3",
    "2, 3, 0",
    "2, 3, -1",
    "2, 3, (3, 3, 3)",
    "2, 3, 3, stride=0",
    "2, 3, 3, stride=-1",
    "2, 3, 3, padding=-1",
    "2, 3, 3, dilation=0",
    "2, 3, 3, groups=2",
    "2, 3, 3, groups=0",
    "2, 3, 3, stride=(2, 2, 2)",
    "2, 3, 3, padding_mode='nowhere'",
    "2, 3, 3, stride=1.5",
    "2, 3, 3, strides=2",
    "2, 3",
    "2, 3, 3, padding='full'",
    "2, 3, 3, padding=(1,)",
    "2, 3, 3, stride=(2,)",
)
"""of a module in either direction, refused"""


def telling() -> list[Case]:
    """Refusals, corner sizes, layers that people asked about."""
    return [*_argument_forms(), *_shapes(), *_output_sizes(), *_functions(), *_asked_in_public()]


def _argument_forms() -> list[Case]:
    rows = [
        Case(f"{name}({each})", PLANE, kernel, 3)
        for name, kernel in ((TRANSPOSED, TAPS), (CONV, CONV_TAPS))
        for each in ARGUMENTS
    ]
    rows += [Case(f"{TRANSPOSED}(2, 3, (3, 2), stride=(2, 1), padding=(1, 0))", PLANE, (2, 3, 3, 2), 3)]
    rows += [
        Case(f"{TRANSPOSED}(2, 3, 3, output_padding={extra})", PLANE, TAPS, 3)
        for extra in (0, 1, -1, "(0, 1)", "'same'")
    ]
    return rows


def _shapes() -> list[Case]:
    """Inputs that fit badly, or hardly."""
    rows = [
        Case(f"{TRANSPOSED}(2, 3, 3, stride=2)", shape, TAPS, 3)
        for shape in ((1, 3, 3, 3), (3, 3), (1, 1, 2, 3, 3), (0, 2, 3, 3), (1, 2, 0, 3), (2, 3, 3), (1, 2, 1, 1))
    ]
    rows += [
        Case(f"{CONV}(2, 3, 3)", shape, CONV_TAPS, 3)
        for shape in ((1, 3, 3, 3), (3, 3), (1, 2, 2, 3), (0, 2, 3, 3), (1, 2, 0, 3), (2, 3, 3))
    ]
    return rows


def _output_sizes() -> list[Case]:
    rows = [
        Case(f"{TRANSPOSED}(2, 3, 3, stride=2, padding=1)(x, output_size={size})", PLANE, TAPS, 3)
        for size in ("[5, 6]", "[7, 5]", "[4, 5]", "[1, 3, 6, 6]", "[3, 5, 5]", "[5]", "(5, 5)", "[0, 0]")
    ]
    rows += [
        Case(f"{TRANSPOSED}(2, 3, 3, stride=2)(x, output_size={size})", PLANE[1:], TAPS, 3)
        for size in ("[8, 7]", "[3, 8, 7]", "[1, 3, 8, 7]")
    ]
    return rows


def _functions() -> list[Case]:
    """Positions, groups, crops, arrays that do not fit, ``padding='same'``."""
    rows = [
        Case(f"torch.nn.functional.conv_transpose2d(x, w, {each})", PLANE, TAPS, bias)
        for each, bias in (
            ("b, 2, 1", 3),
            ("b, 2, 1, 1, 1, 2", 3),
            ("b, stride=2, groups=2", 6),
            ("b, [2], [1]", 3),
            ("bias=b, padding=3", 3),
            ("bias=b, stride=2, padding=4", 3),
        )
    ]
    rows += [
        Case("torch.nn.functional.conv_transpose2d(x, w, stride=2)", PLANE, CONV_TAPS),
        Case("torch.nn.functional.conv_transpose2d(x, w, b, stride=2)", PLANE, TAPS, 2),
        Case("torch.nn.functional.conv2d(x, w, groups=2)", PLANE, (4, 1, 2, 2)),
        Case("torch.nn.functional.conv2d(x, w, padding='same', stride=2)", PLANE, (4, 2, 2, 2)),
        Case("torch.nn.functional.conv2d(x, w, padding='same', dilation=(2, 1))", PLANE, (4, 2, 2, 4)),
    ]
    return rows


def _asked_in_public() -> list[Case]:
    return [
        Case("torch.nn.ConvTranspose1d(1, 1, 5, stride=7)", (1, 1, 4), (1, 1, 5), 1),
        Case("torch.nn.Conv1d(1, 1, 1, stride=7)", (1, 1, 22), (1, 1, 1), 1),
        Case("torch.nn.Conv1d(1, 1, 1, stride=7)", (1, 1, 28), (1, 1, 1), 1),
        Case(
            "torch.nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1, bias=False)",
            (1, 1, 2, 2),
            (1, 1, 3, 3),
        ),
        Case("torch.nn.ConvTranspose2d(16, 33, 3, stride=2)", (1, 16, 5, 5), (16, 33, 3, 3), 33),
        Case("torch.nn.ConvTranspose2d(3, 64, 3, stride=(1, 2), padding=1)", (1, 3, 96, 128), (3, 64, 3, 3), 64),
    ]


def cases(rng: Random) -> list[Case]:
    """All of PyTorch's questions."""
    return systematic(rng) + telling() + random(rng, 280)
