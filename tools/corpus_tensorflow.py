"""Questions for ``tf.nn``: the caller chooses the output shape, so both ends of each legal range are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from .corpus_shapes import Case, Geometry, W, X, compact, draw, grid, thin, unless, written


def systematic(rng: Random) -> list[Case]:
    """The grid with the smallest and largest legal outputs, and one outside on either side."""
    words, explicit, forward = [], [], []
    for each in grid(sizes=(1, 4)):
        for padding in ("SAME", "VALID"):
            words += [_sized(each, padding, size) for size in _sizes(each, padding) if size > 0]
            forward += [_conv(each, padding)]
        for before, after in ((0, 0), (1, 0), (0, 1), (each.span[0], 1)):
            least = each.full[0] - before - after
            for size in (least, least + each.stride[0] - 1, least + each.stride[0] * (each.kernel[0] % 2)):
                explicit += [_explicit(each, (before, after), size)] if size > 0 else []
    return thin(rng, words, 170) + thin(rng, explicit, 110) + thin(rng, forward, 50)


def _sizes(each: Geometry, padding: str) -> Sequence[int]:
    least = each.full[0] if padding == "VALID" else (each.size[0] - 1) * each.stride[0] + 1
    legal_sizes = {least, least + each.stride[0] - 1, least + each.stride[0] // 2}
    return sorted(legal_sizes | ({least - 1, least + each.stride[0]} if each.kernel[0] in {2, 3} else set()))


def _sized(each: Geometry, padding: str, size: int) -> Case:
    code = written(
        "tf.nn.conv1d_transpose",
        X,
        W,
        output_shape=[1, size, 1],
        strides=each.stride[0],
        padding=padding,
        dilations=unless(each.dilation[0], 1),
    )
    return Case(code, each.last(1), (*each.kernel, 1, 1))


def _explicit(each: Geometry, pads: tuple[int, int], size: int) -> Case:
    pairs = [[0, 0], list(pads), [0, 0], [0, 0]]
    code = written(
        "tf.nn.conv2d_transpose",
        X,
        W,
        output_shape=[1, size, 1, 1],
        strides=[each.stride[0], 1],
        padding=pairs,
        dilations=[each.dilation[0], 1] if each.dilated else None,
    )
    return Case(code, (1, *each.size, 1, 1), (*each.kernel, 1, 1, 1))


def _conv(each: Geometry, padding: str) -> Case:
    code = written("tf.nn.conv1d", X, W, stride=each.stride[0], padding=padding, dilations=unless(each.dilation[0], 1))
    return Case(code, each.last(1), (*each.kernel, 1, 1), unsafe=each.narrow and padding == "VALID")


FORMATS = (("NWC", "NCW"), ("NHWC", "NCHW"), ("NDHWC", "NCDHW"))


def random(rng: Random, count: int) -> list[Case]:
    """Random calls, both directions, words and explicit pads, channels last and (2-D only) first."""
    makers = (_random_transposed, _random_transposed, _random_explicit, _random_conv)
    return [rng.choice(makers)(rng) for _ in range(count)]


def legal(rng: Random, each: Geometry, padding: str) -> list[int]:
    """A legal output size per axis."""
    least = each.full if padding == "VALID" else [(n - 1) * s + 1 for n, s in zip(each.size, each.stride, strict=True)]
    return [size + rng.randrange(stride) for size, stride in zip(least, each.stride, strict=True)]


def _steps(rng: Random, values: tuple[int, ...]) -> object:
    return rng.choice((compact(rng, values), list(values), [1, *values, 1]))


def _random_transposed(rng: Random) -> Case:
    each = draw(rng, groups=False, dilate=rng.random() < 0.5)
    while each.dilated and each.rank == 3:
        each = draw(rng, groups=False)
    padding = rng.choice(("SAME", "VALID"))
    size = legal(rng, each, padding)
    if rng.random() < 0.12:
        size[0] = max(1, size[0] + rng.choice((-1, 1)) * each.stride[0])
    shape = [each.batch, *size, each.large]
    name = "tf.nn.conv_transpose" if rng.random() < 0.2 else f"tf.nn.conv{each.rank}d_transpose"
    steps = _steps(rng, each.stride) if each.rank > 1 else each.stride[0]
    code = written(
        name,
        X,
        W,
        shape,
        steps,
        padding=unless(padding, rng.choice(("SAME", None))),
        data_format=rng.choice((FORMATS[each.rank - 1][0], None)),
        dilations=unless(compact(rng, each.dilation), 1) if each.dilated else None,
    )
    if rng.random() < 0.1 and each.rank == 2 and name.endswith("2d_transpose"):
        code = written(
            name,
            X,
            W,
            output_shape=[each.batch, each.large, *size],
            strides=list(each.stride),
            padding=padding,
            data_format="NCHW",
        )
        return Case(code, each.first(each.small), (*each.kernel, each.large, each.small))
    return Case(code, each.last(each.small), (*each.kernel, each.large, each.small))


def _random_explicit(rng: Random) -> Case:
    each = draw(rng, ranks=(2,), groups=False)
    pads = [[rng.randint(0, span), rng.randint(0, span - 1)] for span in each.span]
    size = [
        max(1, full - sum(pair) + rng.randrange(stride))
        for full, pair, stride in zip(each.full, pads, each.stride, strict=True)
    ]
    code = written(
        "tf.nn.conv2d_transpose",
        X,
        W,
        output_shape=[each.batch, *size, each.large],
        strides=compact(rng, each.stride),
        padding=[[0, 0], *pads, [0, 0]],
        dilations=unless(compact(rng, each.dilation), 1),
    )
    return Case(code, each.last(each.small), (*each.kernel, each.large, each.small))


def _random_conv(rng: Random) -> Case:
    each = draw(rng, both=False)
    padding: object = rng.choice(("SAME", "VALID"))
    if each.rank == 2 and rng.random() < 0.4:
        padding = [[0, 0], *([rng.randint(0, span), rng.randint(0, span)] for span in each.span), [0, 0]]
    steps: dict[str, object] = {"stride": each.stride[0]} if each.rank == 1 else {"strides": _steps(rng, each.stride)}
    if each.rank == 3:
        steps = {"strides": [1, *each.stride, 1]}
    dilations = [1, *each.dilation, 1] if each.rank == 3 else compact(rng, each.dilation)
    code = written(
        f"tf.nn.conv{each.rank}d", X, W, **steps, padding=padding, dilations=dilations if each.dilated else None
    )
    kernel = (*each.kernel, each.large // each.groups, each.small)
    return Case(code, each.last(each.large), kernel, unsafe=each.narrow and padding != "SAME")


PLANE, TAPS = (1, 3, 3, 2), (3, 3, 4, 2)
TRANSPOSED = (
    "[1, 6, 6, 3], 2",
    "[2, 6, 6, 4], 2",
    "[6, 6], 2",
    "[1, 6, 6], 2",
    "None, 2",
    "[1, 6, 6, 4], 0",
    "[1, 6, 6, 4], -2",
    "[1, 6, 6, 4], [2, 2, 2, 2]",
    "[1, 6, 6, 4], [1, 2, 2, 1]",
    "[1, 6, 6, 4], [2]",
    "[1, 6, 6, 4], [2, 2, 2]",
    "[1, 6, 6, 4], 2, 'same'",
    "[1, 6, 6, 4], 2, 'FULL'",
    "[1, 6, 6, 4], 2, 1",
    "[1, 6, 6, 4], 2, [[0, 0], [1, 0], [1, 0], [0, 0]]",
    "[1, 6, 6, 4], 2, [[1, 0], [1, 0], [1, 0], [0, 0]]",
    "[1, 6, 6, 4], 2, [[1, 0], [1, 0]]",
    "[1, 6, 6, 4], 2, [[0, 0], [-1, 0], [1, 0], [0, 0]]",
    "[1, 6, 6, 4], 2, data_format='NCHW'",
    "[1, 6, 6, 4], 2, data_format='NWC'",
    "[1, 6, 6, 4], 2, dilations=0",
    "[1, 6, 6, 4]",
    "output_shape=[1, 0, 6, 4], strides=2",
    "(1, 6, 6, 4), strides=(2, 2)",
    "[1, 6, 6, 4], 2, dilations=2",
    "[1, 6, 6, 4], 2, dilations=[1, 2, 1, 1]",
)
"""arguments of ``conv2d_transpose`` after the arrays"""
FORWARD = (
    "1, 'SAME'",
    "2, 'VALID'",
    "[1, 2, 1, 1], 'SAME'",
    "0, 'SAME'",
    "1, 'FULL'",
    "1, 1",
    "1",
    "[2, 1, 1, 2], 'SAME'",
    "1, [[0, 0], [1, 2], [0, 1], [0, 0]]",
    "2, 'SAME', dilations=2",
    "1, 'SAME', data_format='NCHW'",
)
"""arguments of ``conv2d`` after the arrays"""


def telling() -> list[Case]:
    """Refusals, corner sizes, both ends of legal ranges."""
    return [*_transposed_arguments(), *_transposed_shapes(), *_size_limits(), *_forward()]


def _transposed_arguments() -> list[Case]:
    shapes = ("[1, 5, 5, 4]", "[1, 6, 6, 4]", "[1, 7, 7, 4]", "[1, 8, 8, 4]", "[1, 5, 6, 4]", "[1, 4, 6, 4]")
    rows = [
        Case(f"tf.nn.conv2d_transpose(x, w, {each}, 2, {word!r})", PLANE, TAPS)
        for each in shapes
        for word in ("SAME", "VALID")
    ]
    rows += [
        Case(f"tf.nn.conv2d_transpose(x, w, {each})", PLANE, TAPS, unsafe=each == "[1, 6, 6], 2") for each in TRANSPOSED
    ]
    return rows


def _transposed_shapes() -> list[Case]:
    """Arrays that fit badly, or hardly."""
    rows = [
        Case("tf.nn.conv2d_transpose(x, w, [1, 6, 6, 4], 2)", shape, kernel)
        for shape, kernel in (((3, 3, 2), TAPS), ((1, 3, 3, 3), TAPS), ((1, 0, 3, 2), TAPS), (PLANE, (3, 3, 2)))
    ]
    rows += [
        Case("tf.nn.conv2d_transpose(x, w, output_shape=[0, 6, 6, 4], strides=2)", (0, 3, 3, 2), TAPS),
        Case("tf.nn.conv2d_transpose(x, w, output_shape=[1, 8, 8, 4], strides=2)", (1, 4, 4, 4), (3, 3, 2, 4)),
    ]
    return rows


def _size_limits() -> list[Case]:
    """Sizes around the ends of a legal range."""
    taps, name = (3, 3, 1, 1), "tf.nn.conv2d_transpose(x, w, "
    rows = [
        Case(f"{name}output_shape=[1, {n}, {n}, 1], strides=2, padding='VALID')", (1, 2, 2, 1), taps)
        for n in (4, 5, 6, 7)
    ]
    rows += [Case(f"{name}[1, {n}, {n}, 1], 2)", (1, 12, 12, 1), taps) for n in (22, 23, 24, 25)]
    rows += [
        Case(f"tf.nn.conv1d_transpose(x, w, [1, {n}, 1], 10, 'SAME')", (1, 20, 1), (3, 1, 1))
        for n in (190, 191, 195, 200, 201)
    ]
    rows += [Case("tf.nn.conv1d(x, w, 7, 'SAME')", (1, n, 1), (1, 1, 1)) for n in (21, 22, 28, 29)]
    return rows


def _forward() -> list[Case]:
    rows = [Case(f"tf.nn.conv2d(x, w, {each})", (1, 4, 4, 4), (3, 3, 2, 4)) for each in FORWARD]
    rows += [
        Case("tf.nn.conv2d(x, w, 1, 'VALID')", shape, kernel, unsafe=shape[1] < 3 or len(shape) < 4)
        for shape, kernel in (
            ((1, 2, 2, 2), (3, 3, 2, 1)),
            ((1, 4, 4, 3), (3, 3, 2, 1)),
            ((4, 4, 2), (3, 3, 2, 1)),
            ((1, 0, 4, 2), (3, 3, 2, 1)),
            ((1, 4, 4, 4), (3, 3, 2, 3)),
        )
    ]
    return rows


def cases(rng: Random) -> list[Case]:
    """All of TensorFlow's questions."""
    return systematic(rng) + telling() + random(rng, 230)
