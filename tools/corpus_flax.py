"""Questions for Flax: linen and nnx layers."""

from __future__ import annotations

from random import Random

from .corpus_shapes import Case, Geometry, Raw, compact, draw, grid, thin, unless, written

RNGS = Raw("rngs")


def systematic(rng: Random) -> list[Case]:
    """The grid: words, integers, pairs, kernels as they are and transposed."""
    transposed, forward = [], []
    for each in grid(sizes=(1, 4), dilations=(1, 2)):
        span = each.span[0]
        for padding in ("SAME", "VALID", 0, 1, span - 1, ((1, 0),), ((0, 2),)):
            transposed += [_linen(each, padding, flag) for flag in (None, True)]
            forward += [_conv(each, padding)]
        forward += [_conv(each, "CAUSAL")]
    return thin(rng, transposed, 130) + thin(rng, forward, 50)


def _linen(each: Geometry, padding: object, flag: object) -> Case:
    code = written(
        "flax.linen.ConvTranspose",
        1,
        each.kernel,
        strides=each.stride,
        padding=unless(padding, "SAME"),
        kernel_dilation=unless(each.dilation, (1,)),
        transpose_kernel=flag,
    )
    return Case(code, each.last(1), (*each.kernel, 1, 1), 1)


def _conv(each: Geometry, padding: object) -> Case:
    code = written(
        "flax.linen.Conv",
        1,
        each.kernel,
        strides=each.stride,
        padding=unless(padding, "SAME"),
        kernel_dilation=unless(each.dilation, (1,)),
    )
    return Case(code, each.last(1), (*each.kernel, 1, 1), 1)


def random(rng: Random, count: int) -> list[Case]:
    """Random layers of both interfaces, both directions."""
    makers = (_random_transposed, _random_transposed, _random_conv)
    return [rng.choice(makers)(rng) for _ in range(count)]


def _padding(rng: Random, each: Geometry) -> object:
    pairs = [(rng.randint(0, span), rng.randint(0, span)) for span in each.span]
    margin = rng.randint(0, max(each.span))
    return rng.choice(("SAME", "VALID", "SAME", "VALID", margin, tuple(pairs), pairs))


def _random_transposed(rng: Random) -> Case:
    each = draw(rng, groups=False)
    swap, bias, padding = rng.random() < 0.25, rng.random() < 0.7, _padding(rng, each)
    shared = {
        "strides": each.stride if each.strided else None,
        "padding": unless(padding, "SAME"),
        "kernel_dilation": unless(compact(rng, each.dilation), 1) if each.dilated else None,
        "use_bias": unless(bias, default=True),
        "transpose_kernel": unless(swap, default=False),
    }
    if rng.random() < 0.5:
        code = written("flax.linen.ConvTranspose", each.large, each.kernel, **shared)
    else:
        code = written("flax.nnx.ConvTranspose", each.small, each.large, each.kernel, **shared, rngs=RNGS)
    channels = (each.large, each.small) if swap else (each.small, each.large)
    return Case(code, each.last(each.small), (*each.kernel, *channels), each.large if bias else 0)


def _random_conv(rng: Random) -> Case:
    each = draw(rng)
    padding = _padding(rng, each)
    shared = {
        "strides": compact(rng, each.stride) if each.strided else None,
        "padding": unless(padding, "SAME"),
        "kernel_dilation": compact(rng, each.dilation) if each.dilated else None,
        "feature_group_count": unless(each.groups, 1),
    }
    if rng.random() < 0.5:
        code = written("flax.linen.Conv", each.small, each.kernel, **shared)
    else:
        code = written("flax.nnx.Conv", each.large, each.small, each.kernel, **shared, rngs=RNGS)
    return Case(code, each.last(each.large), (*each.kernel, each.large // each.groups, each.small), each.small)


def telling() -> list[Case]:
    """Refusals and corner sizes."""
    plane, taps = (1, 3, 3, 2), (3, 3, 2, 3)
    arguments = (
        "(3, 3)",
        "(3, 3), (2, 2)",
        "3",
        "[3, 3], [2, 2]",
        "(3, 3), 2",
        "(3, 3), strides=2",
        "(3, 3), strides=(0, 1)",
        "(3, 3), strides=(-1, 1)",
        "(3, 3), strides=(2,)",
        "(3, 3), padding='same'",
        "(3, 3), padding='FULL'",
        "(3, 3), padding=1",
        "(3, 3), padding=(1, 1)",
        "(3, 3), padding=((1, 1),)",
        "(3, 3), padding=-1",
        "(3, 3), kernel_dilation=2",
        "(3, 3), kernel_dilation=0",
        "(3, 3), stride=2",
        "(3, 3), padding=[1, (0, 2)]",
        "(3, 3), strides=(2, 2), kernel_dilation=(2, 1)",
    )
    rows = [Case(f"flax.linen.ConvTranspose(3, {each})", plane, taps, 3) for each in arguments]
    rows += [Case(f"flax.nnx.ConvTranspose(2, 3, {each}, rngs=rngs)", plane, taps, 3) for each in arguments]
    rows += [Case(f"flax.linen.Conv(3, {each})", plane, taps, 3) for each in arguments]
    rows += [
        Case(f"{name}(3, 3), strides=(2, 2){end}", shape, taps, 3)
        for name, end in (("flax.linen.ConvTranspose(3, ", ")"), ("flax.nnx.ConvTranspose(2, 3, ", ", rngs=rngs)"))
        for shape in ((1, 3, 3, 3), (3, 3, 2), (3, 2), (1, 1, 1, 2), (0, 3, 3, 2))
    ]
    rows += [
        Case(f"flax.linen.Conv(4, (3, 3), feature_group_count={groups})", (1, 3, 3, 4), (3, 3, 4 // width, 4), 4)
        for groups, width in ((2, 2), (4, 4), (3, 1), (0, 1))
    ]
    rows += [
        Case("flax.linen.Conv(3, (3, 3), padding='VALID')", shape, taps, 3) for shape in ((1, 2, 2, 2), (1, 3, 2, 2))
    ]
    return rows


def cases(rng: Random) -> list[Case]:
    """All of Flax's questions."""
    return systematic(rng) + telling() + random(rng, 120)
