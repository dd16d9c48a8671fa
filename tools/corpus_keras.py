"""Questions for Keras 3: its layers and ``keras.ops``; most of them are put to Keras 2 as well."""

from __future__ import annotations

from random import Random

from .corpus_shapes import KERNEL, Case, Geometry, X, compact, draw, grid, thin, unless, written

LAYERS = "keras.layers"


def systematic(rng: Random) -> list[Case]:
    """The grid: both paddings with every output_padding, through layers and operations."""
    layers, operations, forward = [], [], []
    for each in grid(sizes=(1, 4)):
        limit = each.stride[0]
        past = {limit} if each.kernel[0] == 3 else set()
        for padding in ("valid", "same"):
            for extra in (None, *sorted({0, limit - 1} | past)):
                if not (each.dilated and each.strided) or each.kernel[0] == 2:
                    layers += [_layer(each, padding, extra)]
                operations += [_operation(each, padding, extra)]
            if not (each.dilated and each.strided) or each.kernel[0] == 2:
                forward += [_conv(each, padding, word) for word in ("layers", "ops")]
    causal = [each for each in grid(sizes=(5,)) if not (each.dilated and each.strided)]
    forward += [_conv(each, "causal", "layers") for each in causal]
    return thin(rng, layers, 130) + thin(rng, operations, 90) + thin(rng, forward, 90)


def _layer(each: Geometry, padding: str, extra: int | None) -> Case:
    code = written(
        f"{LAYERS}.Conv1DTranspose",
        1,
        each.kernel[0],
        strides=unless(each.stride[0], 1),
        padding=unless(padding, "valid"),
        output_padding=extra,
        dilation_rate=unless(each.dilation[0], 1),
    )
    return Case(code, each.last(1), (*each.kernel, 1, 1), 1)


def _operation(each: Geometry, padding: str, extra: int | None) -> Case:
    code = written(
        "keras.ops.conv_transpose",
        X,
        KERNEL,
        strides=each.stride[0],
        padding=padding,
        output_padding=extra,
        dilation_rate=unless(each.dilation[0], 1),
    )
    return Case(code, each.last(1), (*each.kernel, 1, 1))


def _conv(each: Geometry, padding: str, word: str) -> Case:
    stride, dilation = unless(each.stride[0], 1), unless(each.dilation[0], 1)
    if word == "ops":
        code = written("keras.ops.conv", X, KERNEL, strides=stride, padding=padding, dilation_rate=dilation)
        return Case(code, each.last(1), (*each.kernel, 1, 1), unsafe=each.narrow and padding == "valid")
    code = written(f"{LAYERS}.Conv1D", 1, each.kernel[0], strides=stride, padding=padding, dilation_rate=dilation)
    return Case(code, each.last(1), (*each.kernel, 1, 1), 1, each.narrow and padding == "valid")


def random(rng: Random, count: int) -> list[Case]:
    """Random layers and operations, both directions, both data formats."""
    makers = (random_layer, random_layer, _random_operation, _random_conv)
    return [rng.choice(makers)(rng) for _ in range(count)]


def _placed(rng: Random, each: Geometry, channels: int) -> tuple[str | None, tuple[int, ...]]:
    if rng.random() < 0.2:
        return "channels_first", each.first(channels)
    return rng.choice(("channels_last", None)), each.last(channels)


def _extra(rng: Random, each: Geometry) -> object:
    if rng.random() < 0.55:
        return None
    past = rng.random() < 0.1
    return compact(rng, [rng.randrange(stride) + past for stride in each.stride])


def random_layer(rng: Random, *, both: bool = False) -> Case:
    """A random transposed layer."""
    each = draw(rng, groups=False, both=both)
    data_format, shape = _placed(rng, each, each.small)
    bias = rng.random() < 0.8
    code = written(
        f"{LAYERS}.Conv{each.rank}DTranspose",
        each.large,
        compact(rng, each.kernel),
        strides=unless(compact(rng, each.stride), 1),
        padding=rng.choice(("same", "valid", None)),
        output_padding=_extra(rng, each),
        data_format=data_format,
        dilation_rate=unless(compact(rng, each.dilation), 1),
        use_bias=unless(bias, default=True),
    )
    return Case(code, shape, (*each.kernel, each.large, each.small), each.large if bias else 0)


def _random_operation(rng: Random) -> Case:
    each = draw(rng, groups=False)
    data_format, shape = _placed(rng, each, each.small)
    code = written(
        "keras.ops.conv_transpose",
        X,
        KERNEL,
        strides=compact(rng, each.stride),
        padding=rng.choice(("same", "valid")),
        output_padding=_extra(rng, each),
        data_format=data_format,
        dilation_rate=unless(compact(rng, each.dilation), 1),
    )
    return Case(code, shape, (*each.kernel, each.large, each.small))


def random_conv(rng: Random) -> Case:
    """A random forward layer."""
    each = draw(rng, both=False)
    data_format, shape = _placed(rng, each, each.large)
    code = written(
        f"{LAYERS}.Conv{each.rank}D",
        each.small,
        compact(rng, each.kernel),
        strides=unless(compact(rng, each.stride), 1),
        padding=rng.choice(("same", "valid")),
        data_format=data_format,
        dilation_rate=unless(compact(rng, each.dilation), 1),
        groups=unless(each.groups, 1),
    )
    return Case(code, shape, (*each.kernel, each.large // each.groups, each.small), each.small, each.narrow)


def _random_conv(rng: Random) -> Case:
    if rng.random() < 0.5:
        return random_conv(rng)
    each = draw(rng, both=False)
    data_format, shape = _placed(rng, each, each.large)
    code = written(
        "keras.ops.conv",
        X,
        KERNEL,
        compact(rng, each.stride),
        rng.choice(("same", "valid")),
        data_format=data_format,
        dilation_rate=compact(rng, each.dilation),
    )
    return Case(code, shape, (*each.kernel, each.large // each.groups, each.small), unsafe=each.narrow)


TRANSPOSED, CONV = f"{LAYERS}.Conv2DTranspose", f"{LAYERS}.Conv2D"
PLANE, TAPS, CONV_TAPS = (1, 3, 3, 2), (3, 3, 3, 2), (3, 3, 2, 3)
ARGUMENTS = (
    "3, 0",
    "3, -1",
    "0, 3",
    "-1, 3",
    "3, (3, 3, 3)",
    "3, (3,)",
    "3, 3, strides=0",
    "3, 3, strides=-2",
    "3, 3, strides=(2, 2, 2)",
    "3, 3, padding='full'",
    "3, 3, padding='causal'",
    "3, 3, padding=1",
    "3, 3, padding='VALID'",
    "3, 3, dilation_rate=0",
    "3, 3, strides=2, dilation_rate=2",
    "3, 3, data_format='NHWC'",
    "3, 3, stride=2",
    "3",
    "3, 3, dilation_rate=(2, 1)",
    "3, 3, (2, 1), 'same'",
    "filters=3, kernel_size=3",
    "3, [3, 3], strides=[2, 1]",
    "3, 3, strides=2.5",
)
"""of a layer in either direction, most of them refused"""
OUTPUT_PADDINGS = ("0", "1", "2", "-1", "(1, 0)", "(0, 1)", "(2, 1)", "'same'", "None", "(1,)")
"""as written"""


def shared() -> list[Case]:
    """Layers of both generations: refusals, corner sizes, layers that people asked about."""
    return [*_argument_forms(), *_corner_sizes(), *_asked_in_public()]


def _argument_forms() -> list[Case]:
    rows = [Case(f"{TRANSPOSED}({each})", PLANE, TAPS, 3) for each in ARGUMENTS]
    rows += [Case(f"{CONV}({each})", PLANE, CONV_TAPS, 3) for each in ARGUMENTS]
    rows += [
        Case(f"{TRANSPOSED}(3, 3, strides=2, padding={padding!r}, output_padding={each})", PLANE, TAPS, 3)
        for padding in ("same", "valid")
        for each in OUTPUT_PADDINGS
    ]
    return rows


def _corner_sizes() -> list[Case]:
    rows = [
        Case(f"{name}(3, 3, padding='same')", shape, kernel, 3)
        for name, kernel in ((TRANSPOSED, TAPS), (CONV, CONV_TAPS))
        for shape in ((3, 3, 2), (1, 3, 3), (1, 1, 1, 2), (0, 3, 3, 2), (2, 1, 3, 2), (1, 3, 1, 3, 2))
    ]
    rows += [Case(f"{CONV}(3, 3)", shape, CONV_TAPS, 3, unsafe=True) for shape in ((1, 2, 3, 2), (1, 2, 2, 2))]
    rows += [
        Case(f"{TRANSPOSED}(3, 2, strides=2, padding='same', output_padding={extra})", PLANE, (2, 2, 3, 2), 3)
        for extra in (0, 1)
    ]
    return rows


def _asked_in_public() -> list[Case]:
    small = (1, 2, 2, 1), (3, 3, 1, 1)
    rows = [
        Case(f"{TRANSPOSED}(1, 3, strides=2, padding='same', use_bias=False)", *small),
        Case(f"{TRANSPOSED}(1, 3, strides=2, padding='same', output_padding=1, use_bias=False)", *small),
        Case(f"{TRANSPOSED}(1, 3, strides=2, padding='valid', use_bias=False)", *small),
        Case(f"{TRANSPOSED}(512, 3, strides=2, padding='same')", (1, 8, 8, 1024), (3, 3, 512, 1024), 512),
    ]
    rows += [
        Case(f"{TRANSPOSED}(64, (3, 3), strides=({s}, {t}), padding={word!r})", (1, 96, 128, 3), (3, 3, 64, 3), 64)
        for s, t in ((1, 1), (2, 2), (3, 3), (1, 2))
        for word in ("valid", "same")
    ]
    rows += [
        Case(f"{CONV}(64, (3, 3), strides=({s}, {s}), padding={word!r})", (1, 96, 128, 3), (3, 3, 3, 64), 64)
        for s in (1, 2, 3)
        for word in ("valid", "same")
    ]
    return rows


TRANSPOSED_OPERATION = (
    "2",
    "2, 'same'",
    "(2, 1), 'valid', 1",
    "2, 'same', (1, 0)",
    "2, 'SAME'",
    "2, 'full'",
    "0",
    "strides=(2,)",
    "strides=2, dilation_rate=2",
    "strides=2, padding='same', output_padding=2",
    "strides=2, padding='valid', output_padding=5",
    "strides=2, data_format='channels_first'",
    "stride=2",
    "strides=2, padding='same', output_padding=-1",
)
"""arguments of ``keras.ops.conv_transpose`` after the arrays"""
CONV_OPERATION = (
    "1",
    "2, 'same'",
    "(2, 1), padding='valid'",
    "1, 'full'",
    "0",
    "1, dilation_rate=2",
    "data_format='channels_first'",
)
"""arguments of ``keras.ops.conv`` after the arrays"""


def telling() -> list[Case]:
    """What both generations are asked, then operations and groups, which only Keras 3 has."""
    return [*shared(), *_operations(), *_groups()]


def _operations() -> list[Case]:
    rows = [Case(f"keras.ops.conv_transpose(x, kernel, {each})", PLANE, TAPS) for each in TRANSPOSED_OPERATION]
    rows += [
        Case("keras.ops.conv_transpose(x, kernel, strides=2)", shape, kernel)
        for shape, kernel in (
            ((1, 3, 2), (3, 3, 2)),
            (PLANE, (3, 3, 2)),
            (PLANE, CONV_TAPS),
            ((3, 2), (3, 2)),
        )
    ]
    rows += [Case(f"keras.ops.conv(x, kernel, {each})", (1, 4, 4, 4), (3, 3, 2, 4)) for each in CONV_OPERATION]
    return rows


def _groups() -> list[Case]:
    rows = [
        Case(f"{CONV}({each})", (1, 4, 4, 4), (3, 3, 2, 4), 4)
        for each in ("4, 3, groups=2", "4, 3, groups=3", "3, 3, groups=2", "4, 3, groups=0", "4, 3, groups=4")
    ]
    return [*rows, Case(f"{TRANSPOSED}(4, 3, groups=2)", (1, 3, 3, 4), (3, 3, 4, 4), 4)]


def cases(rng: Random) -> list[Case]:
    """All of Keras 3's questions."""
    return systematic(rng) + telling() + random(rng, 160)
